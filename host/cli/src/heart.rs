//! Signs of life for a watchdog.
//!
//! A task of the runtime waits behind the work of all sessions; where others take the processors, a few milliseconds of
//! that work are seconds. So the task only beats, and the signs are given by a thread that does nothing else and is soon
//! let run. It gives none when the last beat is as old as the watchdog allows a sign to be: a runtime that is late is not
//! taken for one that stands, and one that stands is found within twice that time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// Beats for as long as the runtime lives.
#[derive(Debug)]
pub struct Heart {
    begun: Instant,
    /// milliseconds after `begun`
    last: AtomicU64,
}

impl Heart {
    /// A `sign` after each `every`, unless no beat has come for `most`, until this is dropped. `None` where the system
    /// has no thread for it.
    pub fn start(
        most: Duration,
        every: Duration,
        sign: impl Fn() + Send + 'static,
    ) -> Option<Arc<Self>> {
        let heart = Arc::new(Self {
            begun: Instant::now(),
            last: AtomicU64::new(0),
        });
        let felt = Arc::downgrade(&heart);
        let thread = std::thread::Builder::new().name("lazaret-heart".to_owned());
        match thread.spawn(move || feel(&felt, most, every, sign)) {
            Ok(_) => Some(heart),
            Err(error) => {
                tracing::warn!(%error, "no thread for signs of life: they come from among the sessions");
                None
            }
        }
    }

    /// The runtime carries tasks.
    pub fn beat(&self) {
        self.last.store(self.age(), Ordering::Relaxed);
    }

    /// Milliseconds.
    fn age(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn has_beaten_within(&self, most: Duration) -> bool {
        let since = self.age().saturating_sub(self.last.load(Ordering::Relaxed));
        Duration::from_millis(since) < most
    }
}

fn feel(heart: &Weak<Heart>, most: Duration, every: Duration, sign: impl Fn()) {
    while let Some(heart) = heart.upgrade() {
        if heart.has_beaten_within(most) {
            sign();
        }
        drop(heart);
        std::thread::sleep(every);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};
    use std::sync::{Barrier, Mutex};
    use std::thread::sleep;

    use super::*;

    const MOST: Duration = Duration::from_secs(3);

    fn heart(most: Duration, every: Duration) -> (Arc<Heart>, Receiver<()>) {
        let (sign, signs) = channel();
        let tell = move || sign.send(()).unwrap_or_default();
        let heart = Heart::start(most, every, tell);
        (heart.expect("a thread"), signs)
    }

    #[tokio::test]
    async fn a_runtime_that_is_busy_with_sessions_lives() {
        let (heart, signs) = heart(MOST, MOST / 20);
        tokio::spawn(beats(heart, MOST / 20));
        tokio::task::yield_now().await;
        // The only thread of this runtime does something else, and no task gets its turn.
        sleep(MOST / 2);
        assert!(signs.try_iter().count() >= 5);
    }

    #[test]
    fn a_runtime_that_stands_gives_no_sign() {
        let most = Duration::from_millis(100);
        let (heart, signs) = heart(most, most / 20);
        let beats_until_a_sign = || {
            let mut beats = (0..1000).inspect(|_| heart.beat());
            beats.any(|_| signs.recv_timeout(most / 10).is_ok())
        };
        assert!(beats_until_a_sign(), "it begins");
        sleep(most * 2);
        while signs.try_recv().is_ok() {}
        sleep(most);
        assert_eq!(signs.try_iter().count(), 0);
        assert!(beats_until_a_sign(), "it goes on");
    }

    async fn beats(heart: Arc<Heart>, every: Duration) {
        loop {
            heart.beat();
            tokio::time::sleep(every).await;
        }
    }

    /// Each of them is in a call that does not come back.
    #[test]
    fn a_runtime_whose_threads_are_all_stuck_gives_no_sign_until_they_are_free() {
        let most = MOST / 10;
        let (heart, signs) = heart(most, most / 20);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .expect("a runtime");
        runtime.spawn(beats(heart, most / 20));
        assert!(signs.recv_timeout(MOST).is_ok(), "it begins");
        let (gate, both) = (Arc::new(Mutex::new(())), Arc::new(Barrier::new(3)));
        let shut = gate.lock().expect("nobody panics with it");
        for _ in 0..2 {
            let (gate, both) = (Arc::clone(&gate), Arc::clone(&both));
            runtime.spawn(async move {
                both.wait();
                drop(gate.lock());
            });
        }
        both.wait();
        sleep(most * 2);
        while signs.try_recv().is_ok() {}
        sleep(most * 3);
        assert_eq!(signs.try_iter().count(), 0);
        drop(shut);
        assert!(signs.recv_timeout(MOST).is_ok(), "it goes on");
    }

    #[test]
    fn the_thread_ends_with_the_runtime() {
        let (heart, signs) = heart(MOST, MOST / 100);
        drop(heart);
        let ended = || signs.recv_timeout(MOST).is_err();
        assert!((0..3).any(|_| ended()));
    }
}
