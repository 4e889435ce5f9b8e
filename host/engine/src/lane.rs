//! The slow lane: threads of their own for calls that take long, which the system runs after all others.
//!
//! A call starts on the thread of its session, and nearly all end there at once. One that goes on for more than a
//! [`SLICE`] moves here, with its sandbox: from then on it takes no time from a thread that serves sockets, and little
//! from a processor that such a thread could use.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinHandle};

/// CPU time that a call may use before it moves.
pub const SLICE: Duration = Duration::from_millis(1);
/// How much nicer than the rest of the process these threads are: they get a tenth of a processor that others want,
/// and all of one that nobody wants.
const NICER: i32 = 10;

/// A thread beside them that waited for a disk goes after this time without work.
const IDLE_THREAD: Duration = Duration::from_secs(2);

/// One for each engine.
pub struct Lane {
    /// there until dropped
    runtime: Option<Runtime>,
}

impl Lane {
    /// Starts as many threads as there are processors.
    pub fn new() -> std::io::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get());
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("lazaret-slow")
            .on_thread_start(step_back)
            .thread_keep_alive(IDLE_THREAD)
            .enable_all()
            .build()?;
        Ok(Self {
            runtime: Some(runtime),
        })
    }

    /// Does `work` here, and in the lane from the first pause on after which it `is_long`, from its begin on if it is that
    /// already. Whoever drops this future drops the work, within a tick.
    pub async fn carry<T: Send + 'static>(
        &self,
        mut work: Pin<Box<dyn Future<Output = T> + Send>>,
        is_long: impl Fn() -> bool,
    ) -> Result<T, JoinError> {
        let begun = poll_fn(|context| {
            if is_long() {
                return Poll::Ready(None);
            }
            match work.as_mut().poll(context) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if is_long() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        });
        match begun.await {
            Some(done) => Ok(done),
            None => Carried(self.handle().spawn(work)).await,
        }
    }

    fn handle(&self) -> &tokio::runtime::Handle {
        let runtime = self.runtime.as_ref();
        runtime.expect("it is taken by drop alone").handle()
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed where engines are dropped: inside another runtime.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Work in the lane, aborted when nobody waits for it any more.
struct Carried<T>(JoinHandle<T>);

impl<T> Future for Carried<T> {
    type Output = Result<T, JoinError>;

    fn poll(
        mut self: Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> Poll<Result<T, JoinError>> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Carried<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Gives the thread that calls this a lower priority, as the threads of the lane have. On Linux priorities belong to threads; elsewhere the whole
/// process would step back.
pub fn step_back() {
    #[cfg(target_os = "linux")]
    {
        let own = rustix::process::getpriority_process(None).unwrap_or_default();
        if let Err(error) = rustix::process::setpriority_process(None, own + NICER) {
            tracing::warn!(%error, "a thread that should give way runs at full priority");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thread() -> String {
        std::thread::current().name().unwrap_or_default().to_owned()
    }

    #[tokio::test]
    async fn short_work_stays_and_long_work_moves() {
        let lane = Lane::new().unwrap();
        let work = || {
            Box::pin(async {
                tokio::task::yield_now().await;
                thread()
            })
        };
        assert_eq!(lane.carry(work(), || false).await.unwrap(), thread());
        assert_eq!(lane.carry(work(), || true).await.unwrap(), "lazaret-slow");
        let at_once = Box::pin(async { thread() });
        assert_eq!(lane.carry(at_once, || true).await.unwrap(), "lazaret-slow");
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_ends() {
        let lane = Lane::new().unwrap();
        let (alive, ended) = tokio::sync::oneshot::channel::<()>();
        let work = Box::pin(async {
            let _alive = alive;
            std::future::pending::<()>().await;
        });
        let carried = lane.carry(work, || true);
        let late = tokio::time::timeout(Duration::from_millis(20), carried).await;
        assert!(late.is_err());
        ended.await.expect_err("the work was dropped");
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn its_threads_step_back() {
        let own = rustix::process::getpriority_process(None).unwrap();
        let lane = Lane::new().unwrap();
        let work = Box::pin(async {
            tokio::task::yield_now().await;
            rustix::process::getpriority_process(None).unwrap()
        });
        let there = lane.carry(work, || true).await.unwrap();
        assert_eq!(there, (own + NICER).min(19));
    }
}
