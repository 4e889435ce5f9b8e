//! How long a filter waits for its sockets: `tcp-time`, for all waits of one call together.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// The real time that is left for sockets in this call. Waits at the same time, as in one poll of two sockets, count once.
#[derive(Debug, Default)]
pub struct Patience {
    waits: Mutex<Waits>,
}

#[derive(Debug, Default)]
struct Waits {
    left: Duration,
    /// how many go on
    count: usize,
    /// when the first of these began
    since: Option<Instant>,
    /// handles of pollables that a socket itself made: they wait for its connection
    sockets: BTreeSet<u32>,
}

/// One wait; it ends where this is dropped.
struct Wait<'p> {
    patience: &'p Patience,
    /// None where it lies beyond all clocks
    deadline: Option<Instant>,
}

impl Patience {
    /// A call begins: so much may be waited in it.
    pub fn refill(&self, time: Duration) {
        self.waits().left = time;
    }

    /// Was all of it waited?
    pub fn is_over(&self) -> bool {
        self.waits().left.is_zero()
    }

    /// Waits, and counts it. None: not for longer than this.
    pub async fn within<F: Future>(&self, waiting: F) -> Option<F::Output> {
        if self.is_over() {
            // At once, not at the next tick of the clock: who only looks would never see the end.
            return at_once(waiting).await;
        }
        let wait = self.begin();
        match wait.deadline {
            Some(deadline) => timeout_at(deadline, waiting).await.ok(),
            None => Some(waiting.await),
        }
    }

    /// This pollable waits for a connection, until it is dropped.
    pub fn watch(&self, pollable: u32) {
        self.waits().sockets.insert(pollable);
    }

    /// It is dropped.
    pub fn forget(&self, pollable: u32) {
        self.waits().sockets.remove(&pollable);
    }

    /// Does it wait for a connection?
    pub fn watches(&self, pollable: u32) -> bool {
        self.waits().sockets.contains(&pollable)
    }

    fn begin(&self) -> Wait<'_> {
        let mut waits = self.waits();
        let since = *waits.since.get_or_insert_with(Instant::now);
        waits.count += 1;
        Wait {
            patience: self,
            deadline: since.checked_add(waits.left),
        }
    }

    fn waits(&self) -> MutexGuard<'_, Waits> {
        let waits = self.waits.lock();
        waits.expect("nothing panics while it holds this")
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        let mut waits = self.patience.waits();
        waits.count -= 1;
        if waits.count == 0
            && let Some(since) = waits.since.take()
        {
            waits.left = waits.left.saturating_sub(since.elapsed());
        }
    }
}

/// What it comes to without waiting.
async fn at_once<F: Future>(work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let look = |context: &mut Context<'_>| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    };
    poll_fn(look).await
}

/// What a stream says when it would have to wait for longer. It is no end of the stream: an answer that broke off is not whole.
pub fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "`tcp-time` is over")
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::time::sleep;

    use super::*;

    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(600);

    fn of(time: Duration) -> Patience {
        let patience = Patience::default();
        patience.refill(time);
        patience
    }

    fn left(patience: &Patience) -> Duration {
        patience.waits().left
    }

    #[tokio::test]
    async fn waits_one_after_the_other_add_up() {
        let patience = of(LONG);
        assert_eq!(patience.within(sleep(SHORT)).await, Some(()));
        let once = left(&patience);
        assert!(once <= LONG - SHORT, "{once:?}");
        sleep(SHORT).await;
        assert_eq!(left(&patience), once, "what is between them is free");
        assert_eq!(patience.within(sleep(SHORT)).await, Some(()));
        assert!(left(&patience) <= once - SHORT);
    }

    #[tokio::test]
    async fn what_would_wait_for_longer_is_told_so() {
        let patience = of(SHORT);
        assert!(!patience.is_over());
        let begun = Instant::now();
        assert_eq!(patience.within(pending::<()>()).await, None);
        assert!(begun.elapsed() >= SHORT);
        assert!(patience.is_over());
        let waits = patience.within(pending::<()>());
        assert_eq!(
            at_once(waits).await,
            Some(None),
            "whoever looks once sees it"
        );
        assert_eq!(patience.within(ready(7)).await, Some(7), "this is there");
        patience.refill(SHORT);
        assert!(!patience.is_over(), "each call has its own");
    }

    #[tokio::test]
    async fn waits_side_by_side_count_once() {
        let patience = of(LONG);
        let begun = Instant::now();
        let both = async {
            let one = || patience.within(sleep(SHORT));
            tokio::join!(one(), one())
        };
        assert_eq!(patience.within(both).await, Some((Some(()), Some(()))));
        let (waited, took) = (LONG - left(&patience), begun.elapsed());
        assert!(SHORT <= waited && waited <= took, "{waited:?} of {took:?}");
        assert_eq!(patience.waits().count, 0);
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_counts() {
        let patience = of(LONG);
        let waiting = patience.within(pending::<()>());
        assert!(tokio::time::timeout(SHORT, waiting).await.is_err());
        assert!(left(&patience) <= LONG - SHORT);
    }

    #[tokio::test]
    async fn no_end_is_no_panic() {
        let patience = of(Duration::MAX);
        assert_eq!(patience.within(sleep(SHORT)).await, Some(()));
        assert!(!patience.is_over());
    }
}
