//! What the operator grants against what the component asks for.

use lazaret_mail::{EditScope, Grant, LoadError, Policy};

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
    /// things that are odd but do no harm, for the log
    pub remarks: Vec<String>,
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
        remarks: remarks(seen, policy),
    })
}

/// The permission that a grant is about.
pub fn permission(grant: &Grant) -> Permission {
    match grant {
        Grant::Session => Permission::Session,
        Grant::Envelope => Permission::Envelope,
        Grant::Headers => Permission::Headers,
        Grant::Body => Permission::Body,
        Grant::Parts => Permission::Parts,
        Grant::EditHeaders(_) => Permission::EditHeaders,
        Grant::Score(..) => Permission::Score,
        Grant::Notes => Permission::Notes,
        Grant::Pace => Permission::Pace,
    }
}

fn is_granted(policy: &Policy, asked: Permission) -> bool {
    policy.grant.iter().any(|grant| permission(grant) == asked)
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

/// The exact lines that settle it: everything granted, and what may be denied instead.
fn lines_to_write(open: &[Permission], policy: &Policy) -> String {
    let granted = policy.grant.iter().map(written);
    let all = granted.chain(open.iter().map(|p| p.name().to_owned()));
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

/// A grant as the operator wrote it.
fn written(grant: &Grant) -> String {
    let name = permission(grant).name();
    match grant {
        Grant::EditHeaders(patterns) if patterns.is_empty() => name.to_owned(),
        Grant::EditHeaders(patterns) => format!("{name}:{}", patterns.join(",")),
        Grant::Score(least, most) if least.is_finite() && most.is_finite() => {
            format!("{name}:{least}..{most}")
        }
        _ => name.to_owned(),
    }
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
    let asked = |p: Permission| seen.permissions.contains(&p);
    let granted = policy.grant.iter().map(permission).filter(|p| !asked(*p));
    let denied = policy
        .deny
        .iter()
        .filter_map(|name| Permission::named(name));
    let denied = denied.filter(|p| !asked(*p));
    let granted = granted.map(|p| format!("`{p}` is granted, but the filter does not ask for it"));
    let denied = denied.map(|p| format!("`{p}` is denied, but the filter does not ask for it"));
    granted.chain(denied).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazaret_mail::Stage;

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
    fn an_unused_grant_is_only_a_remark() {
        let rights = settle(&asks(&[]), &policy(vec![Grant::Body], &[])).unwrap();
        assert_eq!(
            rights.remarks,
            ["`body` is granted, but the filter does not ask for it"]
        );
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
