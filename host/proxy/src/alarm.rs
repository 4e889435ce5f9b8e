//! A timer that is rarely set.

use std::pin::Pin;

use tokio::time::{Instant, Sleep, sleep_until};

/// One timer for all deadlines that follow each other. Nearly all of them move on before they are reached, and setting a timer
/// for each would cost more than the command: so it stays set for an earlier one, and looks again when that is over.
#[derive(Debug)]
pub(crate) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    /// Set for `due`.
    pub(crate) fn new(due: Instant) -> Self {
        Self(Box::pin(sleep_until(due)))
    }

    /// Resolves at `due`, or at once if that is over.
    pub(crate) async fn at(&mut self, due: Instant) {
        if due < self.0.deadline() {
            self.0.as_mut().reset(due);
        }
        loop {
            self.0.as_mut().await;
            if due <= self.0.deadline() {
                return;
            }
            self.0.as_mut().reset(due);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    fn after(millis: u64) -> Instant {
        Instant::now() + Duration::from_millis(millis)
    }

    const ENOUGH: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn one_alarm_serves_deadlines_in_any_order() {
        let mut alarm = Alarm::new(after(100_000));
        for millis in [60, 5, 30, 0] {
            let due = after(millis);
            let rang = timeout(ENOUGH, alarm.at(due)).await;
            assert!(rang.is_ok() && Instant::now() >= due, "after {millis} ms");
        }
    }

    #[tokio::test]
    async fn a_deadline_that_moved_on_is_not_heard() {
        let mut alarm = Alarm::new(after(5));
        let early = timeout(Duration::from_millis(20), alarm.at(after(100_000)));
        assert!(early.await.is_err());
        let due = after(30);
        assert!(timeout(ENOUGH, alarm.at(due)).await.is_ok());
        assert!(Instant::now() >= due);
    }
}
