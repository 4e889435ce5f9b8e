//! The monotonic clock that guests see.
//!
//! A snapshot freezes what `configure` read from it, and may be used by another process after another boot. So there is
//! one scale for all: `configure` counts from 0 and never gets to an hour; every fork is past that hour, and all
//! forks of a process read the same clock. An instant of `configure` lies in the past for ever.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use wasmtime_wasi::HostMonotonicClock;

/// Where the time of forks begins and that of `configure` stands still.
const NOON: Duration = Duration::from_secs(3600);

/// When this process first looked.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What a guest may read.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// while a snapshot is being made: from its own start
    Configure(Instant),
    /// in a sandbox that answers questions
    Fork,
}

impl Clock {
    /// For a `configure` that begins now.
    pub fn configure() -> Self {
        Clock::Configure(Instant::now())
    }

    fn reading(self) -> Duration {
        match self {
            Clock::Configure(start) => before_noon(start.elapsed()),
            Clock::Fork => NOON + START.elapsed(),
        }
    }
}

fn before_noon(elapsed: Duration) -> Duration {
    elapsed.min(NOON - Duration::from_nanos(1))
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        u64::try_from(self.reading().as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_configure_is_ever_later_than_a_fork() {
        let fork = Clock::Fork.reading();
        assert!(before_noon(NOON * 2) < fork, "even one that took two hours");
        assert!(Clock::configure().reading() < fork);
        assert!(
            Clock::Fork.reading() >= fork,
            "all forks read the same clock"
        );
    }
}
