//! The chain: asks each filter in order, weighs what they say, and builds what the client hears.
//!
//! # Rules
//!
//! * Filters are asked in the order of their names. `reject`, `defer` and `disconnect` end the stage; what a filter may
//!   say at which stage, and what the client then hears, is one table: `table.rs`.
//! * `quarantine` and `discard` mark: at connect and hello every transaction of the session, at rcpt this recipient,
//!   else this transaction. A mark does not end the chain, later filters may still refuse; quarantine goes before
//!   discard; an accept does not lift a mark.
//! * `accept` ends the chain: at rcpt for this recipient, at mail, headers and message for this transaction, at connect
//!   and auth for the session, at hello until the client says hello again. Observers are told all the same.
//! * A verdict that was not granted, or has no meaning at its stage, counts as `continue`.
//! * A filter that failed is not asked again in that transaction; its `on-failure` answer stands at every stage it
//!   would have been asked at.
//! * A filter that failed `breaker.failures` times in a row is not asked for a while: its `on-failure` answers at once,
//!   then one question tries it. Of `concurrency` questions at once the next one waits, then the client is told to try
//!   again. Observers are told all the same.
//! * A message larger than a filter's `max-message` is not shown to it, which is recorded and no failure.
//! * Neighbours that say `parallel = "scan"` are asked side by side at the stage message. All see the score and the notes as
//!   they were before the first of them; their answers are taken in the order of their names.
//! * In `observe` mode everything is recorded and nothing counts, failures included. The mode is looked up at each
//!   answer: the [`Switchboard`] may have changed it.

mod book;
mod breaker;
mod decision;
mod gate;
mod judge;
mod mark;
mod measure;
mod observe;
mod reply;
mod round;
mod switch;
mod table;
mod together;
mod unloadable;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::{Answer, Failure, Filter, Mode, Parallel, Stage, StageSet};

pub use breaker::{BreakerPolicy, BreakerStanding, BreakerState};
pub use decision::{Action, Decision, Keep, Record, Said, Weight};
pub use judge::{Judge, PACE_LIMIT, PACE_SESSION_LIMIT};
pub use measure::Measures;
pub use observe::Observation;
pub use switch::{Place, Switchboard, Switched, Tally};
pub use unloadable::Unloadable;

/// One generation of filters, in the order they are asked.
pub struct Chain {
    generation: u64,
    members: Vec<Member>,
}

/// A filter and what is looked up of it all the time.
pub(crate) struct Member {
    name: Arc<str>,
    filter: Arc<dyn Filter>,
    place: Arc<Place>,
    /// for questions at once
    slots: Arc<Semaphore>,
    /// none when it is off
    stages: StageSet,
}

impl Chain {
    /// `filters` in the order they are asked; `generation` counts up with each change of the directory.
    pub fn new(generation: u64, filters: Vec<Arc<dyn Filter>>) -> Arc<Self> {
        Self::under(generation, filters, &Switchboard::default())
    }

    /// The same, under a switchboard that all generations share.
    pub fn under(
        generation: u64,
        filters: Vec<Arc<dyn Filter>>,
        switchboard: &Switchboard,
    ) -> Arc<Self> {
        let member = |filter: Arc<dyn Filter>| {
            let place = switchboard.place(filter.name());
            Member::new(filter, place)
        };
        let members = filters.into_iter().map(member).collect();
        Arc::new(Self {
            generation,
            members,
        })
    }

    /// In the order they are asked, those that are off included.
    pub fn filters(&self) -> impl ExactSizeIterator<Item = &Arc<dyn Filter>> {
        self.members.iter().map(|member| &member.filter)
    }

    /// As given to [`Chain::new`].
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The stages at which anybody is asked on this listener.
    pub fn stages(&self, listener: &str) -> StageSet {
        let here = self
            .members
            .iter()
            .filter(|member| member.filter.policy().listens_on(listener));
        here.fold(StageSet::default(), |all, member| all.union(member.stages))
    }
}

impl Member {
    fn new(filter: Arc<dyn Filter>, place: Arc<Place>) -> Self {
        let off = filter.policy().mode == Mode::Off;
        Self {
            name: filter.name().into(),
            slots: place.gate.slots(filter.policy().concurrency),
            stages: if off {
                StageSet::default()
            } else {
                filter.stages()
            },
            filter,
            place,
        }
    }

    /// As its TOML says, or as was said over its head.
    fn mode(&self) -> Mode {
        self.place.mode(self.filter.policy().mode)
    }

    /// Only reads, and may be asked beside others that do.
    fn scans(&self) -> bool {
        self.filter.policy().parallel == Parallel::Scan
    }

    /// A turn to ask it, if it may be asked: waited for at most half of what an answer may take.
    async fn enter(&self) -> Result<gate::Turn<'_>, gate::Closed> {
        let patience = self.filter.policy().wall / 2;
        self.place.gate.enter(&self.slots, patience).await
    }

    /// What came of a question: counted, weighed by the breaker, and told once where that changes something.
    fn settle(
        &self,
        turn: gate::Turn<'_>,
        stage: Stage,
        wall: Duration,
        came: &Result<Answer, Failure>,
    ) {
        self.place.count(stage, wall, came);
        let policy = self.filter.policy().breaker;
        let (filter, failures, open) = (&self.name, policy.failures, policy.open);
        match turn.settle(came, &policy) {
            None => {}
            Some(breaker::Change::Opened) => tracing::error!(
                %filter,
                failures,
                ?open,
                "filter failed over and over: it is not asked, its on-failure answers; then one question tries it"
            ),
            Some(breaker::Change::Closed) => tracing::info!(%filter, "filter answers again"),
        }
    }

    fn is_asked(&self, stage: Stage, listener: &str) -> bool {
        self.stages.contains(stage) && self.filter.policy().listens_on(listener)
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.members.iter().map(|member| &member.name);
        write!(f, "Chain {} ", self.generation)?;
        f.debug_list().entries(names).finish()
    }
}
