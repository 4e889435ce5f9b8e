//! What people and machines are told of the backend.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::{Backend, Member};

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
        let members = self.names.known();
        Snapshot {
            connections: self.pool.taken(self.config.connections),
            limit: self.config.connections,
            addresses: members.iter().map(|member| of(member)).collect(),
        }
    }

    /// Whether mail can be delivered, asked anew if what we know is older than `offer-age`.
    pub(crate) async fn health(self: &Arc<Self>) -> Health {
        let offer = self.offer().await;
        let members = self.names.known();
        let troubles: Vec<_> = members
            .iter()
            .filter_map(|member| trouble(member))
            .collect();
        match (offer, troubles.is_empty()) {
            (Some(_), true) => Health::Good,
            (Some(_), false) => Health::Degraded(troubles),
            (None, false) => Health::Bad(troubles),
            (None, true) => Health::Bad(vec!["the backend has not answered yet".to_owned()]),
        }
    }
}

fn trouble(member: &Member) -> Option<String> {
    let dead = !member.is_alive();
    let why = member.trouble().filter(|_| dead)?;
    Some(format!("backend address {}: {why}", member.address))
}

fn of(member: &Member) -> AddressSnapshot {
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    AddressSnapshot {
        address: member.address.to_string(),
        host: member.host.clone(),
        state: member.word(),
        trouble: member.trouble().map(|error| error.to_string()),
        in_use: member.in_use(),
        idle: member.idle_links(),
        opened: read(&member.counts.opened),
        reused: read(&member.counts.reused),
        failed: read(&member.counts.failed),
        ambiguous: read(&member.counts.ambiguous),
    }
}
