//! What is counted of the way to one backend address.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use lazaret_metrics::{Counter, Family, Histogram, Registry, SECONDS};
use lazaret_smtp::Reply;

use crate::backend::Step;

/// Classes of replies, in the order of their first digit from 2 on.
const CLASSES: [&str; 4] = ["2yz", "3yz", "4yz", "5yz"];

/// Addresses that are counted apart before those that nobody uses any more are forgotten: a name may lead elsewhere each day.
const MOST_LEGS: usize = 40;

/// By address.
#[derive(Debug)]
pub(crate) struct Legs {
    families: Families,
    by_address: RwLock<HashMap<SocketAddr, Arc<Leg>>>,
}

#[derive(Debug)]
struct Families {
    phases: Family<2, Histogram>,
    replies: Family<3, Counter>,
}

/// One backend address: handles that cost an atomic each.
#[derive(Debug)]
pub(crate) struct Leg {
    address: Arc<str>,
    phases: [Histogram; Step::ALL.len()],
    replies: [[Counter; CLASSES.len()]; Step::ALL.len()],
}

impl Legs {
    pub(super) fn new(registry: &Registry) -> Arc<Self> {
        Arc::new(Self {
            families: Families::new(registry),
            by_address: RwLock::default(),
        })
    }

    /// That to this address; made when it is used first. For each connection, not for each command: it takes a lock.
    pub(crate) fn to(&self, address: SocketAddr) -> Arc<Leg> {
        let legs = self
            .by_address
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(leg) = legs.get(&address) {
            return Arc::clone(leg);
        }
        drop(legs);
        let mut legs = self
            .by_address
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if legs.len() >= MOST_LEGS && !legs.contains_key(&address) {
            self.forget_unused(&mut legs);
        }
        let make = || Arc::new(self.families.of(&address.to_string()));
        Arc::clone(legs.entry(address).or_insert_with(make))
    }

    /// Addresses that a name led to once, and that nobody has a connection to.
    fn forget_unused(&self, legs: &mut HashMap<SocketAddr, Arc<Leg>>) {
        legs.retain(|_, leg| Arc::strong_count(leg) > 1);
        let used: HashSet<String> = legs.keys().map(ToString::to_string).collect();
        let is_used = |address: &str| used.contains(address);
        self.families.phases.retain(|[it, ..]| is_used(it));
        self.families.replies.retain(|[it, ..]| is_used(it));
    }
}

impl Families {
    fn new(registry: &Registry) -> Self {
        Self {
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
        }
    }

    fn of(&self, address: &str) -> Leg {
        let replies =
            |step: Step| CLASSES.map(|class| self.replies.with([address, step.label(), class]));
        Leg {
            address: address.into(),
            phases: Step::ALL.map(|step| self.phases.with([address, step.label()])),
            replies: Step::ALL.map(replies),
        }
    }
}

impl Leg {
    /// Where it leads.
    pub(crate) fn address(&self) -> &Arc<str> {
        &self.address
    }

    /// A reply came after so long.
    pub(crate) fn answered(&self, step: Step, reply: &Reply, took: Duration) {
        self.phases[step as usize].observe_time(took);
        let class = usize::from(reply.code().class()).saturating_sub(2);
        self.replies[step as usize][class.min(CLASSES.len() - 1)].inc();
    }
}
