//! CPU time of a guest: the thread's own clock, read around each poll and at each tick while the guest runs.
//!
//! Ticks alone would measure real time, and a loaded machine would cut filters short.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::lane::SLICE;

/// What the answer to one question has used so far, and what it may use.
#[derive(Debug, Default)]
pub struct Meter {
    /// nanoseconds used in polls that are over
    spent: AtomicU64,
    /// the thread's clock at the start of the poll that is running, nanoseconds
    since: AtomicU64,
    /// nanoseconds that may be spent
    limit: AtomicU64,
}

impl Meter {
    /// A new question: nothing is spent.
    pub fn reset(&self) {
        self.spent.store(0, Relaxed);
    }

    /// From now on this much more may be spent.
    pub fn allow(&self, budget: Duration) {
        let limit = self.spent.load(Relaxed).saturating_add(nanos(budget));
        self.since.store(thread_nanos(), Relaxed);
        self.limit.store(limit, Relaxed);
    }

    /// Used by polls that are over.
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Relaxed))
    }

    /// Is the budget used up? Asked while the guest runs, on its thread.
    pub fn is_exhausted(&self) -> bool {
        let running = thread_nanos().saturating_sub(self.since.load(Relaxed));
        self.spent.load(Relaxed).saturating_add(running) >= self.limit.load(Relaxed)
    }

    /// Has the answer taken so much CPU by now that it should go on in the slow lane?
    pub fn is_long(&self) -> bool {
        self.spent() >= SLICE
    }

    /// Has the poll that is running had its slice? Asked on its thread.
    pub fn is_due(&self) -> bool {
        let running = thread_nanos().saturating_sub(self.since.load(Relaxed));
        running >= nanos(SLICE)
    }

    fn enter(&self) {
        self.since.store(thread_nanos(), Relaxed);
    }

    fn leave(&self) {
        let running = thread_nanos().saturating_sub(self.since.load(Relaxed));
        self.spent.fetch_add(running, Relaxed);
    }
}

/// Runs `future` and charges the CPU time of each of its polls to `meter`.
pub async fn metered<F: Future>(meter: Arc<Meter>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        meter.enter();
        let polled = future.as_mut().poll(context);
        meter.leave();
        polled
    })
    .await
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time of this thread since it started, in nanoseconds.
fn thread_nanos() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleeping_costs_nothing_and_spinning_does() {
        let meter = Arc::new(Meter::default());
        meter.allow(Duration::from_millis(20));
        metered(meter.clone(), tokio::time::sleep(Duration::from_millis(60))).await;
        assert!(meter.spent() < Duration::from_millis(20), "{meter:?}");
        metered(meter.clone(), async { while !meter.is_exhausted() {} }).await;
        assert!(meter.spent() >= Duration::from_millis(20), "{meter:?}");
    }
}
