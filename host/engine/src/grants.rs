//! What the operator grants against what the component asks for.

use std::net::SocketAddr;
use std::time::Duration;

use lazaret_mail::{EditScope, Grant, ListDefinition, ListKind, LoadError, Policy, VerdictKind};
use lazaret_services::dns::Pattern;
use lazaret_services::http::Origin;
use lazaret_services::{Fault, Grants, dns, http, lists, state};

use crate::contract::{Permission, Treatment};
use crate::inspect::{Inspection, fault, stage_names};

/// What a filter may do, settled at load.
#[derive(Clone, Debug)]
pub struct Rights {
    /// imports that are linked to a stub which answers `not-granted`
    pub denied: Vec<Permission>,
    /// which header fields may be edited
    pub edits: EditScope,
    /// least and most points of a message by this filter
    pub score: (f64, f64),
    /// is the client's name found out for it?
    pub client_name: ClientNames,
    /// where it may connect to by `wasi:sockets`
    pub tcp: Vec<SocketAddr>,
    /// octets that its sockets may carry in one call, both ways together
    pub tcp_size: u64,
    /// real time that it may wait for them in one call
    pub tcp_time: Duration,
    /// may it send the whole message over HTTP, as it may read it?
    pub may_send: bool,
    /// things that are odd but do no harm, for the log
    pub remarks: Vec<String>,
}

/// Is the client's name shown?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientNames {
    /// `session:name`
    Shown,
    /// `session`
    Hidden,
}

/// Settles the rights, or says which lines the operator must write.
pub fn settle(seen: &Inspection, policy: &Policy) -> Result<Rights, LoadError> {
    refuse_bad_denials(policy)?;
    refuse_unsettled(seen, policy)?;
    refuse_strange_stages(seen, policy)?;
    let denied = seen.requests().filter(|p| is_denied(policy, *p));
    let score = policy.grant.iter().find_map(|grant| match grant {
        Grant::Score(least, most) => Some((*least, *most)),
        _ => None,
    });
    Ok(Rights {
        denied: denied.collect(),
        edits: EditScope::of(&policy.grant),
        score: score.unwrap_or((0.0, 0.0)),
        client_name: client_names(policy),
        tcp: sockets(policy),
        tcp_size: policy.tcp_size,
        tcp_time: before_the_wall(policy, policy.tcp_time),
        may_send: is_granted(policy, Permission::Body),
        remarks: remarks(seen, policy),
    })
}

fn client_names(policy: &Policy) -> ClientNames {
    match policy.grant.contains(&Grant::SessionName) {
        true => ClientNames::Shown,
        false => ClientNames::Hidden,
    }
}

/// A server that does not answer is the filter's to know before it fails for it.
fn before_the_wall(policy: &Policy, time: Duration) -> Duration {
    time.min(policy.wall * 3 / 4)
}

fn sockets(policy: &Policy) -> Vec<SocketAddr> {
    let granted = policy.grant.iter().filter_map(|grant| match grant {
        Grant::Tcp(addresses) => Some(addresses),
        _ => None,
    });
    granted.flatten().copied().collect()
}

/// How far its services reach.
///
/// # Errors
/// A pattern or an origin that the services do not understand.
pub fn reach(policy: &Policy) -> Result<Grants, LoadError> {
    let mut grants = Grants {
        dns: dns::Grant {
            patterns: Vec::new(),
            time: before_the_wall(policy, policy.dns_time),
        },
        http: http::Grant {
            origins: Vec::new(),
            time: before_the_wall(policy, policy.http_time),
        },
        remembers: policy.has_state(),
        state: state::Caps {
            keys: policy.state_keys,
            size: policy.state_size,
        },
        state_time: Some(before_the_wall(policy, policy.wall)),
        lists: policy.lists.iter().map(list).collect(),
    };
    let wrong = |text: &str| {
        let problem = format!("grant names `{text}`, which leads nowhere");
        fault(
            problem,
            "write a domain name behind dns:, an origin behind http:",
        )
    };
    for grant in &policy.grant {
        match grant {
            Grant::Dns(names) => {
                let patterns = names.iter();
                let patterns = patterns.map(|text| Pattern::parse(text).ok_or_else(|| wrong(text)));
                let patterns = patterns.collect::<Result<Vec<_>, _>>()?;
                grants.dns.patterns.extend(patterns);
            }
            Grant::Http(origins) => {
                let origins = origins.iter();
                let origins = origins.map(|text| Origin::parse(text).ok_or_else(|| wrong(text)));
                let origins = origins.collect::<Result<Vec<_>, _>>()?;
                grants.http.origins.extend(origins);
            }
            _ => {}
        }
    }
    Ok(grants)
}

fn list(written: &ListDefinition) -> lists::Definition {
    lists::Definition {
        name: written.name.clone(),
        kind: match written.kind {
            ListKind::Exact => lists::Kind::Words,
            ListKind::Domains => lists::Kind::Domains,
            ListKind::Networks => lists::Kind::Networks,
        },
        file: written.file.clone(),
    }
}

/// A service that cannot be opened for a filter.
pub fn unreachable(wrong: Fault) -> LoadError {
    fault(wrong.problem, wrong.cure)
}

/// The permission that a grant is about; `tcp` is about none.
pub fn permission(grant: &Grant) -> Option<Permission> {
    Some(match grant {
        Grant::Session | Grant::SessionName => Permission::Session,
        Grant::Envelope => Permission::Envelope,
        Grant::Headers => Permission::Headers,
        Grant::Body => Permission::Body,
        Grant::Parts => Permission::Parts,
        Grant::EditHeaders(_) => Permission::EditHeaders,
        Grant::Score(..) => Permission::Score,
        Grant::Notes => Permission::Notes,
        Grant::Pace => Permission::Pace,
        Grant::Dns(_) => Permission::Dns,
        Grant::State => Permission::State,
        Grant::Http(_) => Permission::Http,
        Grant::Lists => Permission::Lists,
        Grant::Metrics => Permission::Metrics,
        Grant::Tcp(_) => return None,
    })
}

fn is_granted(policy: &Policy, asked: Permission) -> bool {
    let mut grants = policy.grant.iter();
    grants.any(|grant| permission(grant) == Some(asked))
}

fn is_denied(policy: &Policy, asked: Permission) -> bool {
    policy.deny.iter().any(|name| name == asked.name())
}

fn refuse_bad_denials(policy: &Policy) -> Result<(), LoadError> {
    for name in &policy.deny {
        let Some(permission) = Permission::named(name) else {
            return Err(fault(
                format!("deny names `{name}`, which is no permission"),
                format!("permissions that can be denied are {}", deniable()),
            ));
        };
        match permission.treatment() {
            Treatment::GrantOrDeny if is_granted(policy, permission) => {
                return Err(fault(
                    format!("`{name}` is both granted and denied"),
                    "keep it in one of grant and deny",
                ));
            }
            Treatment::GrantOrDeny => {}
            _ => {
                return Err(fault(
                    format!("`{name}` may not be denied"),
                    format!(
                        "take it out of deny; permissions that can be denied are {}",
                        deniable()
                    ),
                ));
            }
        }
    }
    Ok(())
}

fn deniable() -> String {
    let all = Permission::ALL.into_iter();
    let names = all
        .filter(|p| p.treatment() == Treatment::GrantOrDeny)
        .map(Permission::name);
    names.collect::<Vec<_>>().join(", ")
}

/// Every request must be answered by the operator in so many words.
fn refuse_unsettled(seen: &Inspection, policy: &Policy) -> Result<(), LoadError> {
    let is_open = |p: &Permission| !is_granted(policy, *p) && !is_denied(policy, *p);
    let open: Vec<_> = seen.requests().filter(is_open).collect();
    if open.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = open.iter().map(|p| p.name()).collect();
    Err(fault(
        format!(
            "it asks for {}, neither granted nor denied",
            names.join(", ")
        ),
        lines_to_write(&open, policy),
    ))
}

/// A grant in its widest form, or one to fill in.
fn to_write(permission: Permission) -> &'static str {
    match permission {
        Permission::Http => "http:HOST:PORT",
        permission => permission.name(),
    }
}

/// The exact lines that settle it: everything granted, and what may be denied instead.
fn lines_to_write(open: &[Permission], policy: &Policy) -> String {
    let granted = policy.grant.iter().map(Grant::to_string);
    let all = granted.chain(open.iter().map(|p| to_write(*p).to_owned()));
    let grant = format!("write `grant = {}`", toml_list(all));
    let can_deny = open
        .iter()
        .filter(|p| p.treatment() == Treatment::GrantOrDeny);
    let denied = policy
        .deny
        .iter()
        .cloned()
        .chain(can_deny.map(|p| p.name().to_owned()));
    let denied: Vec<_> = denied.collect();
    if denied.len() == policy.deny.len() {
        return grant;
    }
    format!(
        "{grant}, or deny what it should not have: `deny = {}`",
        toml_list(denied.into_iter())
    )
}

fn toml_list(words: impl Iterator<Item = String>) -> String {
    let quoted: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", quoted.join(", "))
}

/// `stages` may narrow what is exported, not add to it.
fn refuse_strange_stages(seen: &Inspection, policy: &Policy) -> Result<(), LoadError> {
    let wanted = policy.stages.iter().flatten();
    match wanted.copied().find(|stage| !seen.stages.contains(*stage)) {
        None => Ok(()),
        Some(stage) => Err(fault(
            format!(
                "stages names `{}`, which the filter does not export",
                stage.name()
            ),
            format!("it exports {}", stage_names(seen.stages)),
        )),
    }
}

fn remarks(seen: &Inspection, policy: &Policy) -> Vec<String> {
    // `body` also is the right to send it.
    let sends =
        |p: Permission| p == Permission::Body && seen.permissions.contains(&Permission::Http);
    let asked = |p: Permission| seen.permissions.contains(&p) || sends(p);
    let granted = policy.grant.iter().filter_map(permission);
    let granted = granted.filter(|p| !asked(*p));
    let denied = policy
        .deny
        .iter()
        .filter_map(|name| Permission::named(name));
    let denied = denied.filter(|p| !asked(*p));
    let granted = granted.map(|p| format!("`{p}` is granted, but the filter does not ask for it"));
    let denied = denied.map(|p| format!("`{p}` is denied, but the filter does not ask for it"));
    let sockets = sockets_unused(seen, policy);
    let remarks = granted.chain(denied).chain(sockets);
    remarks.chain(verdicts_wanted(policy)).collect()
}

/// Verdicts that are never implied. One that is not granted counts as `continue`: mail that `[config]` would have
/// quarantined is delivered.
const RARE: [VerdictKind; 3] = [
    VerdictKind::Quarantine,
    VerdictKind::Discard,
    VerdictKind::Disconnect,
];

fn verdicts_wanted(policy: &Policy) -> Vec<String> {
    let config = serde_json::from_str(&policy.config).unwrap_or_default();
    let missing = RARE.iter().filter(|kind| !policy.verdicts.allow(**kind));
    let wanted = missing.filter(|kind| says(&config, kind.name()));
    let remark = |kind: &VerdictKind| {
        format!(
            "[config] says \"{kind}\", but `verdicts` does not grant it: such a verdict counts as continue. Add it to `verdicts`"
        )
    };
    wanted.map(remark).collect()
}

/// Does any key have this value?
fn says(config: &serde_json::Value, word: &str) -> bool {
    match config {
        serde_json::Value::String(text) => text == word,
        serde_json::Value::Object(keys) => keys.values().any(|value| says(value, word)),
        serde_json::Value::Array(values) => values
            .iter()
            .any(|value| value.is_object() && says(value, word)),
        _ => false,
    }
}

fn sockets_unused(seen: &Inspection, policy: &Policy) -> Option<String> {
    let mut inert = seen.inert.iter();
    let used = inert.any(|name| name.starts_with("wasi:sockets/tcp"));
    let unused = !used && !sockets(policy).is_empty();
    unused.then(|| "`tcp` is granted, but the filter has no sockets".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazaret_mail::{Stage, VerdictGrants};

    fn asks(permissions: &[Permission]) -> Inspection {
        let mut seen = Inspection {
            permissions: permissions.to_vec(),
            ..Inspection::default()
        };
        seen.stages.insert(Stage::Mail);
        seen
    }

    fn policy(grant: Vec<Grant>, deny: &[&str]) -> Policy {
        Policy {
            grant,
            deny: deny.iter().map(|name| (*name).to_owned()).collect(),
            ..Policy::default()
        }
    }

    #[track_caller]
    fn refused(seen: &Inspection, policy: &Policy) -> String {
        let error = settle(seen, policy).unwrap_err();
        format!("{}; {}", error.problem, error.cure)
    }

    #[test]
    fn an_open_request_prints_the_lines_to_write() {
        let seen = asks(&[Permission::Session, Permission::Body, Permission::Log]);
        let policy = policy(vec![Grant::Score(-2.0, 8.0)], &["pace"]);
        assert_eq!(
            refused(&seen, &policy),
            "it asks for session, body, neither granted nor denied; write `grant = [\"score:-2..8\", \"session\", \
             \"body\"]`, or deny what it should not have: `deny = [\"pace\", \"body\"]`"
        );
    }

    #[test]
    fn grant_only_requests_offer_no_denial() {
        let seen = asks(&[Permission::Session]);
        assert_eq!(
            refused(&seen, &policy(vec![], &[])),
            "it asks for session, neither granted nor denied; write `grant = [\"session\"]`"
        );
    }

    #[test]
    fn session_may_not_be_denied() {
        for name in ["session", "envelope", "headers", "log", "entropy"] {
            let said = refused(&asks(&[]), &policy(vec![], &[name]));
            assert!(
                said.starts_with(&format!("`{name}` may not be denied")),
                "{said}"
            );
        }
    }

    #[test]
    fn an_unknown_denial_is_refused() {
        let said = refused(&asks(&[]), &policy(vec![], &["bdoy"]));
        assert!(
            said.starts_with("deny names `bdoy`, which is no permission"),
            "{said}"
        );
    }

    #[test]
    fn granted_and_denied_is_refused() {
        let said = refused(&asks(&[]), &policy(vec![Grant::Body], &["body"]));
        assert!(
            said.starts_with("`body` is both granted and denied"),
            "{said}"
        );
    }

    #[test]
    fn no_server_takes_all_of_the_wall() {
        let policy = Policy {
            wall: Duration::from_secs(4),
            dns_time: Duration::from_secs(2),
            ..Policy::default()
        };
        let reach = reach(&policy).unwrap();
        assert_eq!(reach.dns.time, Duration::from_secs(2));
        assert_eq!(reach.http.time, Duration::from_secs(3));
        assert_eq!(reach.state_time, Some(Duration::from_secs(3)));
        let hasty = Policy {
            wall: Duration::from_secs(1),
            ..Policy::default()
        };
        let reach = super::reach(&hasty).unwrap();
        assert_eq!(reach.state_time, Some(Duration::from_millis(750)));
        let rights = settle(&asks(&[]), &policy).unwrap();
        assert_eq!(rights.tcp_time, Duration::from_secs(3));
    }

    #[test]
    fn an_unused_grant_is_only_a_remark() {
        let rights = settle(&asks(&[]), &policy(vec![Grant::Body], &[])).unwrap();
        assert_eq!(
            rights.remarks,
            ["`body` is granted, but the filter does not ask for it"]
        );
    }

    #[test]
    fn a_verdict_that_the_config_wants_and_nobody_granted_is_a_remark() {
        let wants = |config: &str, verdicts: &[VerdictKind]| {
            let policy = Policy {
                config: config.into(),
                verdicts: VerdictGrants(verdicts.to_vec()),
                ..Policy::default()
            };
            settle(&asks(&[]), &policy).unwrap().remarks
        };
        let quarantine = r#"{"rule":[{"on-found":"quarantine"}]}"#;
        let remarks = wants(quarantine, &[VerdictKind::Reject]);
        assert!(
            remarks[0].starts_with("[config] says \"quarantine\""),
            "{remarks:?}"
        );
        assert!(wants(quarantine, &[VerdictKind::Quarantine]).is_empty());
        let words = r#"{"words":["quarantine"],"text":"we quarantine"}"#;
        assert!(wants(words, &[]).is_empty());
    }

    #[test]
    fn a_stage_that_is_not_exported_is_refused() {
        let policy = Policy {
            stages: Some(vec![Stage::Rcpt]),
            ..Policy::default()
        };
        assert_eq!(
            refused(&asks(&[]), &policy),
            "stages names `rcpt`, which the filter does not export; it exports mail"
        );
    }
}
