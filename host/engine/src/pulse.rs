//! The tick that makes running guests look up, and its rest: where no guest runs, nobody needs to be woken a thousand
//! times a second.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread::Thread;
use std::time::Duration;

use lazaret_metrics::PerThread;
use wasmtime::EngineWeak;

use crate::engine::EngineError;

/// Ticks without a guest after which the ticker rests: a process that is asked again and again does not pay for waking it.
const QUIET_TICKS: u32 = 20;
/// How often a ticker at rest looks whether its engine is still there.
const LOOK: Duration = Duration::from_secs(5);

/// How many guests run now, and who ticks for them.
#[derive(Debug, Default)]
pub struct Pulse {
    /// on the thread whose it is
    running: PerThread<AtomicUsize>,
    resting: AtomicBool,
    ticker: OnceLock<Thread>,
}

impl Pulse {
    /// One that never rests: for engines that serve one guest and end.
    pub fn restless() -> Arc<Self> {
        let pulse = Self::default();
        pulse.running.here().store(1, SeqCst);
        Arc::new(pulse)
    }

    /// A guest begins to run. Every call is followed by one of [`leave`](Self::leave) on the same thread.
    pub fn enter(&self) {
        self.running.here().fetch_add(1, SeqCst);
        // The ticker says that it rests before it looks for guests: one of us sees the other.
        if self.resting.load(SeqCst) && self.resting.swap(false, SeqCst) {
            self.ticker.get().map(Thread::unpark).unwrap_or_default();
        }
    }

    /// A guest pauses, or is done.
    pub fn leave(&self) {
        self.running.here().fetch_sub(1, SeqCst);
    }

    fn is_quiet(&self) -> bool {
        self.running.all().all(|running| running.load(SeqCst) == 0)
    }

    /// Returns when a guest runs again, or after a while.
    fn rest(&self) {
        self.resting.store(true, SeqCst);
        if self.is_quiet() {
            std::thread::park_timeout(LOOK);
        }
        self.resting.store(false, SeqCst);
    }
}

/// Makes running guests look up at each tick. A thread of its own: no load on the async threads delays it. It ends when
/// the engine is gone, at rest some seconds later.
pub fn start_ticker(
    engine: EngineWeak,
    tick: Duration,
    pulse: &Arc<Pulse>,
) -> Result<(), EngineError> {
    let beating = Arc::clone(pulse);
    let thread = std::thread::Builder::new().name("lazaret-epoch".into());
    let thread = thread
        .spawn(move || beat(&engine, tick, &beating))
        .map_err(|error| EngineError(error.to_string()))?;
    // Nobody but us gives it a ticker; a guest that ran before would have found it at work.
    drop(pulse.ticker.set(thread.thread().clone()));
    Ok(())
}

fn beat(engine: &EngineWeak, tick: Duration, pulse: &Pulse) {
    let mut quiet = 0;
    while let Some(engine) = engine.upgrade() {
        engine.increment_epoch();
        drop(engine);
        std::thread::sleep(tick);
        quiet = if pulse.is_quiet() { quiet + 1 } else { 0 };
        if quiet == QUIET_TICKS {
            pulse.rest();
            quiet = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::machine::allocate;
    use crate::settings::{Allocation, EngineSettings};

    const TICK: Duration = Duration::from_millis(1);

    fn engine() -> wasmtime::Engine {
        let settings = EngineSettings {
            allocation: Allocation::OnDemand,
            ..EngineSettings::default()
        };
        allocate(&settings).unwrap().0
    }

    fn is_resting_soon(pulse: &Pulse) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !pulse.resting.load(SeqCst) && Instant::now() < deadline {
            std::thread::sleep(TICK);
        }
        pulse.resting.load(SeqCst)
    }

    #[test]
    fn it_rests_without_guests_and_wakes_for_one() {
        let engine = engine();
        let pulse = Arc::new(Pulse::default());
        start_ticker(engine.weak(), TICK, &pulse).unwrap();
        assert!(is_resting_soon(&pulse));
        pulse.enter();
        std::thread::sleep(TICK * 5 * QUIET_TICKS);
        assert!(!pulse.resting.load(SeqCst), "at rest while a guest runs");
        pulse.leave();
        assert!(is_resting_soon(&pulse));
    }

    #[test]
    fn some_never_rest() {
        let engine = engine();
        let pulse = Pulse::restless();
        start_ticker(engine.weak(), TICK, &pulse).unwrap();
        std::thread::sleep(TICK * 5 * QUIET_TICKS);
        assert!(!pulse.resting.load(SeqCst));
    }
}
