//! What is counted of the sessions of one listener.

use std::time::Duration;

use lazaret_mail::{Action, Decision, Stage};
use lazaret_metrics::{Counter, Family, Gauge, Histogram, OCTETS, Registry, SECONDS};

use crate::fate::Fate;

/// What a stage can come to, in the order of [`outcome`].
const OUTCOMES: [&str; 5] = ["pass", "reject", "defer", "close", "keep"];

/// TLS versions that are served (RFC 8996).
const VERSIONS: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// By name, for all listeners.
#[derive(Debug)]
pub(super) struct Families {
    sessions: Family<1, Counter>,
    open: Family<1, Gauge>,
    over: Family<2, Counter>,
    turned_away: Family<2, Counter>,
    handshakes_failed: Family<1, Counter>,
    tls: Family<2, Counter>,
    stages: Family<3, Counter>,
    commands_refused: Family<1, Counter>,
    recipients: Family<2, Counter>,
    transactions: Family<2, Counter>,
    duration: Family<1, Histogram>,
    size: Family<1, Histogram>,
}

/// Of one listener: handles that cost an atomic each.
#[derive(Debug)]
pub(crate) struct DoorMetrics {
    name: Box<str>,
    /// sessions served now
    pub(crate) open: Gauge,
    sessions: Counter,
    over: Family<2, Counter>,
    turned_away: Family<2, Counter>,
    /// TLS handshakes that came to nothing
    pub(crate) handshakes_failed: Counter,
    tls: [Counter; VERSIONS.len()],
    stages: [[Counter; OUTCOMES.len()]; Stage::ALL.len()],
    commands_refused: Counter,
    recipients: [Counter; 2],
    transactions: [Counter; Fate::ALL.len()],
    duration: Histogram,
    size: Histogram,
}

impl Families {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            sessions: registry.counters("sessions", "Sessions begun", ["listener"]),
            open: registry.gauges("sessions_open", "Sessions served now", ["listener"]),
            over: registry.counters(
                "sessions_ended",
                "Sessions ended, by reason",
                ["listener", "reason"],
            ),
            turned_away: registry.counters(
                "turned_away",
                "Connections turned away before the greeting or at XCLIENT, by the limit they met",
                ["listener", "limit"],
            ),
            handshakes_failed: registry.counters(
                "tls_handshakes_failed",
                "TLS handshakes with clients that came to nothing",
                ["listener"],
            ),
            tls: registry.counters(
                "tls_handshakes",
                "TLS handshakes with clients, by version",
                ["listener", "version"],
            ),
            stages: registry.counters(
                "stages",
                "What stages came to, our own checks and all filters together",
                ["listener", "stage", "outcome"],
            ),
            commands_refused: registry.counters(
                "commands_refused",
                "Commands refused before any stage: syntax, sequence, limits",
                ["listener"],
            ),
            recipients: registry.counters(
                "recipients",
                "Recipients asked for, by the class of the reply",
                ["listener", "outcome"],
            ),
            transactions: registry.counters(
                "transactions",
                "Transactions ended, by how",
                ["listener", "fate"],
            ),
            duration: registry.histograms(
                "transaction_duration_seconds",
                "From MAIL to the last reply of the transaction",
                ["listener"],
                SECONDS,
            ),
            size: registry.histograms(
                "message_size_bytes",
                "Octets of messages that came to their end of data",
                ["listener"],
                OCTETS,
            ),
        }
    }

    pub(super) fn of(&self, listener: &str) -> DoorMetrics {
        let stages = Stage::ALL.map(|stage| {
            OUTCOMES.map(|outcome| self.stages.with([listener, stage.name(), outcome]))
        });
        DoorMetrics {
            name: listener.into(),
            open: self.open.with([listener]),
            sessions: self.sessions.with([listener]),
            over: self.over.clone(),
            turned_away: self.turned_away.clone(),
            handshakes_failed: self.handshakes_failed.with([listener]),
            tls: VERSIONS.map(|version| self.tls.with([listener, version])),
            stages,
            commands_refused: self.commands_refused.with([listener]),
            recipients: ["accepted", "refused"].map(|it| self.recipients.with([listener, it])),
            transactions: Fate::ALL.map(|fate| self.transactions.with([listener, fate.label()])),
            duration: self.duration.with([listener]),
            size: self.size.with([listener]),
        }
    }
}

impl DoorMetrics {
    /// A session begins; it ends when what is given back is dropped.
    pub(crate) fn enter(&self) -> Inside {
        self.sessions.inc();
        self.open.inc();
        Inside(self.open.clone())
    }

    /// A session ended. `reason` is one of ours, not of the client's making.
    pub(crate) fn over(&self, reason: &'static str) {
        self.over.with([&self.name, reason]).inc();
    }

    /// A connection met this limit, named by its key.
    pub(crate) fn turned_away(&self, limit: &'static str) {
        self.turned_away.with([&self.name, limit]).inc();
    }

    /// TLS is there, in this version.
    pub(crate) fn tls(&self, version: &str) {
        let known = VERSIONS.iter().position(|it| *it == version);
        if let Some(place) = known {
            self.tls[place].inc();
        }
    }

    /// What filters decided at a stage.
    pub(crate) fn stage(&self, stage: Stage, decision: &Decision) {
        self.stages[stage as usize][outcome(&decision.action)].inc();
    }

    /// So many commands were refused before any stage.
    pub(crate) fn commands_refused(&self, commands: usize) {
        self.commands_refused.inc_by(commands as u64);
    }

    /// A recipient was accepted or refused, by whomever.
    pub(crate) fn recipient(&self, accepted: bool) {
        self.recipients[usize::from(!accepted)].inc();
    }

    /// A transaction ended, after so long; `size` if it came to its end of data.
    pub(crate) fn transaction(&self, fate: Fate, took: Duration, size: Option<u64>) {
        self.transactions[fate as usize].inc();
        self.duration.observe_time(took);
        if let Some(size) = size {
            self.size.observe(size as f64);
        }
    }

    /// Transactions that ended so.
    pub(crate) fn ended(&self, fate: Fate) -> u64 {
        self.transactions[fate as usize].get()
    }
}

/// A session under way.
#[derive(Debug)]
pub(crate) struct Inside(Gauge);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn outcome(action: &Action) -> usize {
    match action {
        Action::Pass => 0,
        Action::Refuse(reply) if reply.code().is_permanent() => 1,
        Action::Refuse(_) => 2,
        Action::Close(_) => 3,
        Action::Keep(_) => 4,
    }
}
