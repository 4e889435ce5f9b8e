//! CPU time of a guest: the thread's own clock, read at each tick while the guest runs.
//!
//! Ticks alone would measure real time, and a loaded machine would cut filters short. But the thread's clock costs a
//! system call, and nearly all polls are over before their first tick: those are charged the real time that they took,
//! which is no less than their CPU time and costs none. Of a call that has used a slice each poll begins with a look.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use tokio::task::{JoinError, spawn_blocking};

use crate::lane::SLICE;
use crate::pulse::Pulse;
use crate::waiting::Waiting;

/// What a poll is charged for the time before its first tick at most, unless the call is long by then: the rest of that
/// time the thread did not run.
const UNSEEN: Duration = Duration::from_millis(2);

/// What the answer to one question has used so far, what it may use, and where it waits.
#[derive(Debug, Default)]
pub struct Meter {
    pulse: Arc<Pulse>,
    /// nanoseconds used in polls that are over
    spent: AtomicU64,
    /// nanoseconds that may be spent
    limit: AtomicU64,
    /// real time at the start of the poll that is running
    entered: AtomicU64,
    /// the thread's clock at its first look; 0 before that
    seen: AtomicU64,
    /// charged for the time before its first look
    unseen: AtomicU64,
    /// the thread's clock is looked at from the start of each poll
    exact: AtomicBool,
    /// the thread's clock at the last look
    looked: AtomicU64,
    /// the longest that is known between two looks, in nanoseconds
    stride: AtomicU64,
    waiting: Waiting,
}

/// What a look at the clock told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// it may run on
    Early,
    /// it has had its slice: others may want the thread
    Due,
    /// the budget is used up
    Exhausted,
}

impl Meter {
    /// For guests that this pulse makes look up.
    pub fn under(pulse: &Arc<Pulse>) -> Self {
        Self {
            pulse: Arc::clone(pulse),
            ..Self::default()
        }
    }

    /// A new question: nothing is spent. Of what may do much between two looks the thread's clock is looked at from the start.
    pub fn reset(&self, exact: bool) {
        self.spent.store(0, Relaxed);
        self.exact.store(exact, Relaxed);
        self.stride.store(0, Relaxed);
        self.waiting.reset();
    }

    /// A sandbox was made: what that took is not the guest's.
    pub fn begin_strides(&self) {
        self.stride.store(0, Relaxed);
    }

    /// The most CPU that is known to have been used between two looks.
    pub fn stride(&self) -> Duration {
        Duration::from_nanos(self.stride.load(Relaxed))
    }

    /// The call of the host in which it waits.
    pub fn waiting(&self) -> &Waiting {
        &self.waiting
    }

    /// From now on this much more may be spent.
    pub fn allow(&self, budget: Duration) {
        let limit = self.spent.load(Relaxed).saturating_add(nanos(budget));
        self.limit.store(limit, Relaxed);
    }

    /// Used by polls that are over.
    pub fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Relaxed))
    }

    /// How far the poll that is running has come: asked at each tick while the guest runs, on its thread.
    pub fn look(&self) -> Look {
        let running = self.running();
        let spent = self.spent.load(Relaxed).saturating_add(running);
        if spent >= self.limit.load(Relaxed) {
            Look::Exhausted
        } else if running >= nanos(SLICE) {
            Look::Due
        } else {
            Look::Early
        }
    }

    /// Has the answer taken so much CPU by now that it should go on in the slow lane?
    pub fn is_long(&self) -> bool {
        self.spent() >= SLICE
    }

    /// Nanoseconds of the poll that is running; its first look at the thread's clock.
    fn running(&self) -> u64 {
        let now = thread_nanos();
        match self.seen.load(Relaxed) {
            0 => {
                let unseen = self.before_first_look();
                self.unseen.store(unseen, Relaxed);
                self.seen.store(now, Relaxed);
                self.looked.store(now, Relaxed);
                unseen
            }
            seen => {
                let stride = now.saturating_sub(self.looked.load(Relaxed));
                self.stride.fetch_max(stride, Relaxed);
                self.looked.store(now, Relaxed);
                self.unseen.load(Relaxed) + now.saturating_sub(seen)
            }
        }
    }

    fn before_first_look(&self) -> u64 {
        let real = real_nanos().saturating_sub(self.entered.load(Relaxed));
        real.min(nanos(UNSEEN))
    }

    /// A poll begins: its CPU is charged here until [`leave`](Self::leave).
    pub fn enter(&self) {
        self.pulse.enter();
        // A call of the system is nothing beside what this one does, and it may do much between two looks: one instruction
        // fills all of its memory.
        if self.exact.load(Relaxed) || self.is_long() {
            let now = thread_nanos();
            self.unseen.store(0, Relaxed);
            self.seen.store(now, Relaxed);
            self.looked.store(now, Relaxed);
        } else {
            self.entered.store(real_nanos(), Relaxed);
            self.seen.store(0, Relaxed);
        }
    }

    /// Does work of the guest's on another thread, where blocking is allowed, and charges it its CPU.
    pub async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, JoinError> {
        let timed = spawn_blocking(move || {
            let begun = thread_nanos();
            let done = work();
            (done, thread_nanos().saturating_sub(begun))
        });
        let (done, spent) = timed.await?;
        self.spent.fetch_add(spent, Relaxed);
        Ok(done)
    }

    /// It is over.
    pub fn leave(&self) {
        let running = match self.seen.load(Relaxed) {
            0 => self.before_first_look(),
            _ => self.running(),
        };
        self.spent.fetch_add(running, Relaxed);
        self.pulse.leave();
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time of this thread since it started, in nanoseconds; never 0.
fn thread_nanos() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    (now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64).max(1)
}

/// Real time since this was first asked, in nanoseconds.
fn real_nanos() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    nanos(START.elapsed())
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;

    use super::*;

    /// Charges the CPU of each poll.
    async fn metered<F: Future>(meter: &Meter, future: F) -> F::Output {
        let mut future = pin!(future);
        poll_fn(|context| {
            meter.enter();
            let polled = future.as_mut().poll(context);
            meter.leave();
            polled
        })
        .await
    }

    #[tokio::test]
    async fn sleeping_costs_nothing_and_spinning_does() {
        let meter = Meter::default();
        meter.allow(Duration::from_millis(20));
        metered(&meter, tokio::time::sleep(Duration::from_millis(60))).await;
        assert!(meter.spent() < Duration::from_millis(20), "{meter:?}");
        metered(&meter, async { while meter.look() != Look::Exhausted {} }).await;
        assert!(meter.spent() >= Duration::from_millis(20), "{meter:?}");
    }
    #[test]
    fn a_poll_without_a_tick_is_charged_its_real_time_up_to_a_limit() {
        let meter = Meter::default();
        meter.allow(Duration::from_millis(20));
        meter.enter();
        std::thread::sleep(Duration::from_millis(1));
        meter.leave();
        let short = meter.spent();
        assert!(short >= Duration::from_millis(1), "{short:?}");
        meter.reset(false);
        meter.enter();
        std::thread::sleep(UNSEEN * 3);
        meter.leave();
        assert_eq!(meter.spent(), UNSEEN);
    }

    /// One instruction may fill all of its memory, and the next tick comes only after it.
    #[tokio::test]
    async fn a_long_call_is_charged_what_it_does_before_the_first_look() {
        let meter = Meter::default();
        meter.allow(Duration::from_millis(500));
        let mut polls = 0;
        metered(
            &meter,
            poll_fn(|context| {
                let until = thread_nanos() + nanos(Duration::from_millis(20));
                while thread_nanos() < until {}
                meter.look();
                polls += 1;
                context.waker().wake_by_ref();
                match polls {
                    10 => std::task::Poll::Ready(()),
                    _ => std::task::Poll::Pending,
                }
            }),
        )
        .await;
        assert!(meter.spent() >= Duration::from_millis(180), "{meter:?}");
        assert!(meter.stride() >= Duration::from_millis(20), "{meter:?}");
        meter.reset(true);
        assert_eq!((meter.spent(), meter.stride()), Default::default());
    }

    #[test]
    fn an_exact_one_is_charged_its_first_poll_in_full() {
        let meter = Meter::default();
        meter.allow(Duration::from_millis(500));
        meter.reset(true);
        meter.enter();
        let until = thread_nanos() + nanos(Duration::from_millis(20));
        while thread_nanos() < until {}
        meter.leave();
        assert!(meter.spent() >= Duration::from_millis(20), "{meter:?}");
        assert!(meter.stride() >= Duration::from_millis(20), "{meter:?}");
    }

    #[tokio::test]
    async fn work_aside_is_charged() {
        let meter = Meter::default();
        let work = || {
            let until = thread_nanos() + nanos(Duration::from_millis(20));
            while thread_nanos() < until {}
            7
        };
        assert_eq!(meter.aside(work).await.unwrap(), 7);
        assert!(meter.spent() >= Duration::from_millis(20), "{meter:?}");
    }

    /// An import that works for long looks first; the next tick comes only after it.
    #[test]
    fn work_between_two_looks_is_charged_in_full() {
        let meter = Meter::default();
        meter.allow(Duration::from_millis(20));
        meter.enter();
        meter.look();
        let until = thread_nanos() + nanos(Duration::from_millis(30));
        while thread_nanos() < until {}
        assert_eq!(meter.look(), Look::Exhausted);
        meter.leave();
    }

    #[test]
    fn after_a_look_only_cpu_counts() {
        let meter = Meter::default();
        meter.allow(Duration::from_millis(20));
        meter.enter();
        // Early, unless the thread did not run for a while before.
        assert_ne!(meter.look(), Look::Exhausted);
        std::thread::sleep(Duration::from_millis(60));
        meter.leave();
        assert!(meter.spent() < Duration::from_millis(20), "{meter:?}");
    }
}
