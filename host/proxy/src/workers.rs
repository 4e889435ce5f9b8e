//! Threads that carry sessions, one for each processor.
//!
//! Each has a runtime of its own: it waits for its own sockets and keeps its own timers, and a session stays on the thread
//! on which it began. Where threads share one, each message wakes a thread that sleeps, and takes work from another: a
//! message costs a fifth less, and two processors carry 1.4 times as many (docs/performance.md). What runs long in a
//! session moves to other threads anyway (the slow lane of the engine, those that wait for a disk).

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;

/// A thread beside them that waited for a disk goes after this time without work.
const IDLE_THREAD: Duration = Duration::from_millis(400);
/// For what still runs on other threads when all is done.
const LAST_WAIT: Duration = Duration::from_secs(2);

thread_local! {
    /// Which worker this thread is.
    static HERE: Cell<Option<Post>> = const { Cell::new(None) };
}

/// A place where sessions run: a worker, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Post(usize);

impl Post {
    /// That of whoever asks; none on a thread that is no worker.
    pub(crate) fn here() -> Option<Self> {
        HERE.get()
    }
}

/// All of them. They end when this is dropped, and with them what no session waits for.
pub(crate) struct Workers(Vec<Worker>);

pub(crate) struct Worker {
    runtime: Handle,
    /// sessions that it carries
    sessions: Arc<AtomicUsize>,
    /// its thread hears of the end by this
    _end: oneshot::Sender<()>,
}

impl Workers {
    /// As many threads as there are processors for us.
    pub(crate) fn start() -> io::Result<Self> {
        let count = thread::available_parallelism().map_or(1, |count| count.get());
        (0..count)
            .map(Worker::start)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// That which carries the fewest sessions.
    pub(crate) fn least_busy(&self) -> &Worker {
        let least = self.0.iter().min_by_key(|worker| worker.load());
        least.expect("there is at least one processor")
    }

    /// Where each of them can be asked for a sign of life.
    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        self.0.iter().map(|worker| worker.runtime.clone()).collect()
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .thread_name("lazaret-waits")
            .thread_keep_alive(IDLE_THREAD)
            .build()?;
        let (end, ended) = oneshot::channel();
        let handle = runtime.handle().clone();
        let thread = thread::Builder::new().name(format!("lazaret-{number}"));
        thread.spawn(move || carry(Post(number), runtime, ended))?;
        Ok(Self {
            runtime: handle,
            sessions: Arc::default(),
            _end: end,
        })
    }

    /// Where its sessions run.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// One session more, as long as what this gives lives.
    pub(crate) fn take_on(&self) -> TakenOn {
        self.sessions.fetch_add(1, Ordering::Relaxed);
        TakenOn(Arc::clone(&self.sessions))
    }

    fn load(&self) -> usize {
        self.sessions.load(Ordering::Relaxed)
    }
}

/// A session that a worker carries.
pub(crate) struct TakenOn(Arc<AtomicUsize>);

impl Drop for TakenOn {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn carry(post: Post, runtime: Runtime, ended: oneshot::Receiver<()>) {
    HERE.set(Some(post));
    // An error is the end, too: nobody is there who could send it.
    runtime.block_on(async { drop(ended.await) });
    runtime.shutdown_timeout(LAST_WAIT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_go_where_the_fewest_are() {
        let workers = Workers::start().unwrap();
        let count = workers.0.len();
        let taken: Vec<_> = (0..3 * count)
            .map(|_| workers.least_busy().take_on())
            .collect();
        assert!(workers.0.iter().all(|worker| worker.load() == 3));
        drop(taken);
        assert!(workers.0.iter().all(|worker| worker.load() == 0));
    }

    #[tokio::test]
    async fn each_is_a_thread_that_knows_itself() {
        let workers = Workers::start().unwrap();
        assert_eq!(Post::here(), None);
        for (number, runtime) in workers.runtimes().into_iter().enumerate() {
            let name = || thread::current().name().map(str::to_owned);
            let there = runtime.spawn(async move { (Post::here(), name()) });
            let there = there.await.unwrap();
            assert_eq!(
                there,
                (Some(Post(number)), Some(format!("lazaret-{number}")))
            );
        }
    }

    #[tokio::test]
    async fn they_end_with_whoever_started_them() {
        let workers = Workers::start().unwrap();
        let runtime = workers.runtimes().remove(0);
        drop(workers);
        let never = runtime.spawn(std::future::pending::<()>());
        assert!(never.await.is_err_and(|error| error.is_cancelled()));
    }
}
