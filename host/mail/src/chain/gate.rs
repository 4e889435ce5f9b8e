//! Who may ask a filter now: so many at once, and nobody while its breaker is open.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::breaker::{Breaker, BreakerPolicy, BreakerStanding, Change, Role};
use crate::{Answer, Failure, FailureKind};

/// A filter's gate, the same through all generations.
#[derive(Debug, Default)]
pub(super) struct Gate {
    breaker: Mutex<Breaker>,
    /// the breaker is not as it was at first: only then it is looked at
    troubled: AtomicBool,
    slots: Mutex<Option<(usize, Arc<Semaphore>)>>,
    /// questions that were not asked
    kept_out: AtomicU64,
}

/// Why a question is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// its breaker is open
    Suspended,
    /// too many others are being asked
    Crowded,
}

/// A question being asked; what came of it is told with [`settle`](Self::settle).
pub(super) struct Turn<'g> {
    gate: &'g Gate,
    role: Role,
    _slot: Option<SemaphorePermit<'g>>,
}

impl Gate {
    /// So many questions at once. Another number than before makes new slots: those who are in stay in.
    pub(super) fn slots(&self, most: usize) -> Arc<Semaphore> {
        let mut slots = self.slots.lock().expect("no holder of this lock panics");
        match &*slots {
            Some((before, semaphore)) if *before == most => Arc::clone(semaphore),
            _ => {
                let semaphore = Arc::new(Semaphore::new(most));
                *slots = Some((most, Arc::clone(&semaphore)));
                semaphore
            }
        }
    }

    /// Waits for a slot, at most so long.
    pub(super) async fn enter<'g>(
        &'g self,
        slots: &'g Semaphore,
        patience: Duration,
    ) -> Result<Turn<'g>, Closed> {
        let Some(role) = self.admit() else {
            self.kept_out.fetch_add(1, Relaxed);
            return Err(Closed::Suspended);
        };
        // Made first: a probe that finds no slot, or nobody waits for, gives its turn back.
        let mut turn = Turn {
            gate: self,
            role,
            _slot: None,
        };
        turn._slot = Some(match slots.try_acquire() {
            Ok(slot) => slot,
            Err(_) => wait(slots, patience).await.ok_or(Closed::Crowded)?,
        });
        Ok(turn)
    }

    /// Is its breaker closed?
    pub(super) fn is_open_to_all(&self) -> bool {
        !self.troubled.load(Relaxed) || self.lock().is_closed()
    }

    /// How its breaker stands.
    pub(super) fn standing(&self) -> BreakerStanding {
        self.lock().standing(Instant::now())
    }

    /// Questions that were not asked since the start, because the breaker was open.
    pub(super) fn kept_out(&self) -> u64 {
        self.kept_out.load(Relaxed)
    }

    fn admit(&self) -> Option<Role> {
        match self.troubled.load(Relaxed) {
            false => Some(Role::Usual),
            true => self.lock().admit(Instant::now()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().expect("no holder of this lock panics")
    }
}

async fn wait(slots: &Semaphore, patience: Duration) -> Option<SemaphorePermit<'_>> {
    let slot = timeout(patience, slots.acquire()).await;
    Some(slot.ok()?.expect("the semaphore is never closed"))
}

impl Turn<'_> {
    /// What came of the question. That no sandbox was free says nothing about the filter, nor does that it could never
    /// be loaded.
    pub(super) fn settle(
        self,
        came: &Result<Answer, Failure>,
        policy: &BreakerPolicy,
    ) -> Option<Change> {
        let gate = self.gate;
        let change = match came {
            Ok(_) if !gate.troubled.load(Relaxed) => None,
            Ok(_) => gate.lock().answered(self.role),
            Err(failure) if is_ours(&failure.kind) => None,
            Err(_) => {
                // Under the lock: an answer that comes at the same time must not find it quiet, and say so after us.
                let mut breaker = gate.lock();
                gate.troubled.store(true, Relaxed);
                breaker.failed(self.role, policy, Instant::now())
            }
        };
        drop(self);
        change
    }
}

/// Whoever gives up a probe without an outcome lets another one try.
impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let is_usual = self.role == Role::Usual;
        if is_usual && !self.gate.troubled.load(Relaxed) {
            return;
        }
        let mut breaker = self.gate.lock();
        if !is_usual {
            breaker.abandoned(Instant::now());
        }
        self.gate.troubled.store(!breaker.is_quiet(), Relaxed);
    }
}

fn is_ours(kind: &FailureKind) -> bool {
    matches!(kind, FailureKind::Busy | FailureKind::NotLoadable(_))
}
