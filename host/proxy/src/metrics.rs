//! What the proxy counts, for `/metrics` and `/status`. Who counts often keeps a handle: [`DoorMetrics`] for a listener's
//! sessions, [`Leg`] for a backend address. What is counted elsewhere (filters by the chain, clients by admission, the
//! spool by itself) is told at the scrape, in [`scrape`].
//!
//! To add a metric: take `site.metrics.registry`, see [`lazaret_metrics`], and add its name to `docs/operations.md`.

mod door;
mod leg;
mod process;
mod scrape;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock};

use lazaret_mail::chain::{Record, Said};
use lazaret_mail::{Decision, FailureKind};
use lazaret_metrics::{Counter, Family, Registry};

pub(crate) use door::DoorMetrics;
pub(crate) use leg::{Leg, Legs};
pub(crate) use scrape::tell;

use crate::fate::Fate;

/// Shared by all sessions.
pub(crate) struct Metrics {
    /// for whoever has more to count
    pub(crate) registry: Arc<Registry>,
    /// no sandbox was free for a filter
    pub(crate) no_sandbox: Counter,
    /// questions to the backend that came to nothing, by kind
    pub(crate) backend_failures: Family<1, Counter>,
    /// ways to backend addresses
    pub(crate) legs: Arc<Legs>,
    families: door::Families,
    doors: RwLock<HashMap<Arc<str>, Arc<DoorMetrics>>>,
}

impl Metrics {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        Self {
            no_sandbox: registry.counter(
                "no_sandbox",
                "Questions that no filter was asked because no sandbox was free in time",
            ),
            backend_failures: registry.counters(
                "backend_failures",
                "Times that the backend could not be asked or gave no proper answer",
                ["kind"],
            ),
            legs: Legs::new(&registry),
            families: door::Families::new(&registry),
            doors: RwLock::default(),
            registry,
        }
    }

    /// Those of a listener; made at its first session.
    pub(crate) fn door(&self, listener: &Arc<str>) -> Arc<DoorMetrics> {
        let doors = self.doors.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = doors.get(listener) {
            return Arc::clone(door);
        }
        drop(doors);
        let mut doors = self.doors.write().unwrap_or_else(PoisonError::into_inner);
        let make = || Arc::new(self.families.of(listener));
        Arc::clone(doors.entry(Arc::clone(listener)).or_insert_with(make))
    }

    /// Filters of this decision that could not be asked because no sandbox was free.
    pub(crate) fn judged(&self, decision: &Decision) {
        let busy = |record: &&Record| matches!(&record.said, Said::Failed(failure) if failure.kind == FailureKind::Busy);
        let busy = decision.records.iter().filter(busy).count();
        if busy > 0 {
            self.no_sandbox.inc_by(busy as u64);
        }
    }

    /// Times that the backend gave no proper answer, by kind.
    pub(crate) fn failures(&self) -> BTreeMap<String, u64> {
        let failures = self.backend_failures.all().into_iter();
        failures
            .map(|([kind], count)| (kind.into(), count.get()))
            .collect()
    }

    /// How transactions ended, all listeners together, by word; what never came is left out.
    pub(crate) fn fates(&self) -> BTreeMap<&'static str, u64> {
        let doors = self.doors.read().unwrap_or_else(PoisonError::into_inner);
        let count = |fate| doors.values().map(|door| door.ended(fate)).sum();
        let fates = Fate::ALL
            .into_iter()
            .map(|fate| (fate.words(), count(fate)));
        fates.filter(|(_, count)| *count > 0).collect()
    }
}
