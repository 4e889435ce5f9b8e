//! What people and machines are told of the backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use tokio::time::Instant;

use super::{Backend, Member};
use crate::left::whole_milliseconds;

/// The backend at one moment; for `/status` and metrics.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// places taken: in use, idle, being opened or closed
    pub(crate) connections: usize,
    /// the most of them
    pub(crate) limit: usize,
    /// in the order of the configuration
    pub(crate) addresses: Vec<AddressSnapshot>,
}

/// One address at one moment. Counters begin with the program.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct AddressSnapshot {
    /// with port
    pub(crate) address: String,
    /// the host as configured
    pub(crate) host: String,
    /// `up`, `down` (no connection can be opened), `failing` (transactions fail on open ones)
    pub(crate) state: &'static str,
    /// why it is not up
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trouble: Option<String>,
    /// transactions that failed in a row on open connections
    pub(crate) failures: u32,
    /// while it is failing: milliseconds until one transaction tries it, rounded up: 0 is now
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next_trial_ms: Option<u64>,
    /// connections with a transaction
    pub(crate) in_use: usize,
    /// connections that wait for one
    pub(crate) idle: usize,
    /// connections opened, health checks included
    pub(crate) opened: u64,
    /// transactions that found an idle connection
    pub(crate) reused: u64,
    /// connections that could not be opened, transactions that broke off
    pub(crate) failed: u64,
    /// of those opened, connections in clear because it offered no STARTTLS (`tls = "opportunistic"`)
    pub(crate) in_clear: u64,
    /// messages that it may have taken without a reply (RFC 1047)
    pub(crate) ambiguous: u64,
}

/// Whether mail can be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// to every address
    Good,
    /// to some; what is wrong with the others
    Degraded(Vec<String>),
    /// to none; why
    Bad(Vec<String>),
}

impl Backend {
    /// What there is to tell now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        let (members, now) = (self.names.known(), Instant::now());
        Snapshot {
            connections: self.pool.taken(self.config.connections),
            limit: self.config.connections,
            addresses: members.iter().map(|member| of(member, now)).collect(),
        }
    }

    /// Whether mail can be delivered, asked anew if what we know is older than `offer-age`.
    pub(crate) async fn health(self: &Arc<Self>) -> Health {
        let offer = self.offer().await;
        let members = self.names.known();
        let missed = members.iter().filter(|member| is_missed(member, &members));
        let troubles: Vec<_> = missed.filter_map(|member| trouble(member)).collect();
        match (offer, troubles.is_empty()) {
            (Some(_), true) => Health::Good,
            (Some(_), false) => Health::Degraded(troubles),
            (None, false) => Health::Bad(troubles),
            (None, true) => Health::Bad(vec!["the backend has not answered yet".to_owned()]),
        }
    }
}

/// Is it a loss that this address is not alive? Not if its name has addresses of the other kind, IPv4 or IPv6, that are,
/// and none of its own kind: the host listens on one of the two, as most do on `localhost` (RFC 8305 section 1: they are
/// ways to the same host).
fn is_missed(member: &Member, all: &[Arc<Member>]) -> bool {
    let of_name = || {
        all.iter()
            .filter(|it| it.host == member.host && it.is_alive())
    };
    let is_v4 = member.address.is_ipv4();
    of_name().any(|it| it.address.is_ipv4() == is_v4) || of_name().next().is_none()
}

fn trouble(member: &Member) -> Option<String> {
    let dead = !member.is_alive();
    let why = member.trouble().filter(|_| dead)?;
    Some(format!("backend address {}: {why}", member.address))
}

fn of(member: &Member, now: Instant) -> AddressSnapshot {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let circuit = member.circuit();
    let next = circuit.next_trial(now);
    AddressSnapshot {
        address: member.address.to_string(),
        host: member.host.clone(),
        state: circuit.word(),
        trouble: member.trouble().map(|error| error.to_string()),
        failures: circuit.failures(),
        next_trial_ms: next.map(whole_milliseconds),
        in_use: member.in_use(),
        idle: member.idle_links(),
        opened: read(&member.counts.opened),
        reused: read(&member.counts.reused),
        failed: read(&member.counts.failed),
        in_clear: read(&member.counts.in_clear),
        ambiguous: read(&member.counts.ambiguous),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backend::Error;
    use crate::backend::member::Ledger;

    /// Members of these hosts; those with an address that begins with `!` are down.
    fn members(written: &[(&str, &str)]) -> Vec<Arc<Member>> {
        let member = |(host, address): &(&str, &str)| {
            let alive = address.trim_start_matches('!');
            let member = Member::new(
                alive.parse().unwrap(),
                (*host).to_owned(),
                &Ledger::default(),
            );
            if alive != *address {
                member.not_opened(Instant::now(), &Error::NoTls);
            }
            member
        };
        written.iter().map(member).collect()
    }

    /// Addresses that are missed.
    fn missed(written: &[(&str, &str)]) -> Vec<String> {
        let members = members(written);
        let missed = members
            .iter()
            .filter(|it| !it.is_alive() && is_missed(it, &members));
        missed.map(|it| it.address.to_string()).collect()
    }

    #[test]
    fn no_time_is_left_only_when_the_next_transaction_is_the_trial() {
        let member = Member::new(
            "127.0.0.1:25".parse().unwrap(),
            "localhost".to_owned(),
            &Ledger::default(),
        );
        let begun = Instant::now();
        assert_eq!(of(&member, begun).next_trial_ms, None);
        for _ in 0..3 {
            member.failed(&Error::NoTls);
        }
        let due = begun + member.circuit().next_trial(begun).unwrap();
        let before = due - Duration::from_micros(1);
        assert_eq!(of(&member, before).next_trial_ms, Some(1));
        assert!(!member.admits_trial(before));
        assert_eq!(of(&member, due).next_trial_ms, Some(0));
        assert!(member.admits_trial(due));
    }

    #[test]
    fn a_name_that_answers_on_one_kind_of_address_is_whole() {
        let localhost = [("localhost", "127.0.0.1:25"), ("localhost", "![::1]:25")];
        assert_eq!(missed(&localhost), [""; 0]);
        let localhost = [("localhost", "!127.0.0.1:25"), ("localhost", "[::1]:25")];
        assert_eq!(missed(&localhost), [""; 0]);
    }

    #[test]
    fn one_of_several_of_a_kind_and_the_last_one_are_missed() {
        let several = [
            ("mx.internal", "192.0.2.1:25"),
            ("mx.internal", "!192.0.2.2:25"),
            ("mx.internal", "[2001:db8::1]:25"),
        ];
        assert_eq!(missed(&several), ["192.0.2.2:25"]);
        let dead = [("localhost", "!127.0.0.1:25"), ("localhost", "![::1]:25")];
        assert_eq!(missed(&dead), ["127.0.0.1:25", "[::1]:25"]);
        let apart = [("127.0.0.1", "127.0.0.1:25"), ("::1", "![::1]:25")];
        assert_eq!(missed(&apart), ["[::1]:25"], "named apart, wanted apart");
    }
}
