use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// As tokio's `timeout`, but without a timer and a look at the clock for what is done at once, as most answers and writes are.
/// Patience begins when it is known that there is something to wait for.
///
/// # Errors
/// `patience` is over, and `work` is not done.
pub async fn within<F: Future>(
    patience: Duration,
    mut work: Pin<&mut F>,
) -> Result<F::Output, Elapsed> {
    let first = poll_fn(|context| Poll::Ready(work.as_mut().poll(context)));
    match first.await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => timeout(patience, work).await,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn what_is_done_in_time_is_there_and_what_is_late_is_not() {
        let at_once = within(Duration::ZERO, pin!(async { 1 })).await;
        assert_eq!(at_once, Ok(1));
        let yields = pin!(tokio::task::yield_now());
        assert!(within(Duration::from_secs(60), yields).await.is_ok());
        let never = pin!(std::future::pending::<()>());
        assert!(within(Duration::from_millis(20), never).await.is_err());
    }
}
