//! What is counted of the way to one backend address.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lazaret_metrics::{Counter, Family, Histogram, Registry, SECONDS};
use lazaret_smtp::Reply;

use crate::backend::Step;

/// Classes of replies, in the order of their first digit from 2 on.
const CLASSES: [&str; 4] = ["2yz", "3yz", "4yz", "5yz"];

/// By address.
#[derive(Debug)]
pub(crate) struct Legs {
    families: Families,
    by_address: BTreeMap<Box<str>, Arc<Leg>>,
}

#[derive(Debug)]
struct Families {
    connections: Family<2, Counter>,
    phases: Family<2, Histogram>,
    replies: Family<3, Counter>,
    ambiguous: Family<1, Counter>,
}

/// One backend address: handles that cost an atomic each.
#[derive(Debug)]
pub(crate) struct Leg {
    address: Arc<str>,
    opened: Counter,
    failed: Counter,
    phases: [Histogram; Step::ALL.len()],
    replies: [[Counter; CLASSES.len()]; Step::ALL.len()],
    ambiguous: Counter,
}

impl Legs {
    /// For the addresses of the configuration.
    pub(crate) fn new(registry: &Registry, addresses: &[String]) -> Self {
        let families = Families::new(registry);
        let leg = |address: &String| (address.as_str().into(), Arc::new(families.of(address)));
        Self {
            by_address: addresses.iter().map(leg).collect(),
            families,
        }
    }

    /// That to this address.
    pub(crate) fn to(&self, address: &str) -> Arc<Leg> {
        match self.by_address.get(address) {
            Some(leg) => Arc::clone(leg),
            None => Arc::new(self.families.of(address)),
        }
    }
}

impl Families {
    fn new(registry: &Registry) -> Self {
        Self {
            connections: registry.counters(
                "backend_connects",
                "Connections to the backend that were tried, by what came of them",
                ["backend", "result"],
            ),
            phases: registry.histograms(
                "backend_phase_duration_seconds",
                "Time until the backend answered, by phase of the dialogue",
                ["backend", "phase"],
                SECONDS,
            ),
            replies: registry.counters(
                "backend_replies",
                "Replies of the backend, by phase and class",
                ["backend", "phase", "class"],
            ),
            ambiguous: registry.counters(
                "backend_ambiguous",
                "Messages that the backend may have taken without saying so: the client heard 451 and may send them again",
                ["backend"],
            ),
        }
    }

    fn of(&self, address: &str) -> Leg {
        let replies = |step: Step| {
            CLASSES.map(|class| self.replies.with([address, step.label(), class]))
        };
        Leg {
            address: address.into(),
            opened: self.connections.with([address, "opened"]),
            failed: self.connections.with([address, "failed"]),
            phases: Step::ALL.map(|step| self.phases.with([address, step.label()])),
            replies: Step::ALL.map(replies),
            ambiguous: self.ambiguous.with([address]),
        }
    }
}

impl Leg {
    /// Where it leads.
    pub(crate) fn address(&self) -> &Arc<str> {
        &self.address
    }

    /// A TCP connection was tried.
    pub(crate) fn connected(&self, went_well: bool) {
        match went_well {
            true => self.opened.inc(),
            false => self.failed.inc(),
        };
    }

    /// A reply came after so long.
    pub(crate) fn answered(&self, step: Step, reply: &Reply, took: Duration) {
        self.phases[step as usize].observe_time(took);
        let class = usize::from(reply.code().class()).saturating_sub(2);
        self.replies[step as usize][class.min(CLASSES.len() - 1)].inc();
    }

    /// It may have taken a message that the client was told to send again.
    pub(crate) fn in_doubt(&self) {
        self.ambiguous.inc();
    }
}
