//! Threads that carry sessions, one for each processor.
//!
//! Each has a runtime of its own: it waits for its own sockets and keeps its own timers, and a session stays on the thread
//! on which it began. Where threads share one, each message wakes a thread that sleeps, and takes work from another: a
//! message costs a tenth less, and two processors carry up to 1.2 times as many (docs/performance.md). What runs long in a
//! session moves to other threads anyway (the slow lane of the engine, those that wait for a disk).

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use lazaret_metrics::carries_sessions;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// For what still runs when all is done.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// So many tasks may go before one that another thread has woken: the answer of a disk, a resolver, a filter that took long.
const OTHERS_TURN: u32 = 8;
/// Threads for what a library of ours may not wait for where it is; sessions wait for disks elsewhere.
const ASIDE: usize = 16;
/// One of these goes after this time without work.
const IDLE_THREAD: Duration = Duration::from_millis(400);
/// Descriptors of a runtime: what it waits with, what it is woken by, and signals.
const DESCRIPTORS: u64 = 4;

thread_local! {
    /// Which worker this thread is.
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Here {
    post: Post,
    /// the runtime of whoever started it
    main: Handle,
}

/// A place where sessions run: a worker, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Post(usize);

impl Post {
    /// That of whoever asks; none on a thread that is no worker.
    pub(crate) fn here() -> Option<Self> {
        HERE.with_borrow(|here| here.as_ref().map(|here| here.post))
    }
}

/// Work that waits for a disk, on the threads that all sessions share for it.
pub(crate) fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let main = HERE.with_borrow(|here| here.as_ref().map(|here| here.main.clone()));
    match main {
        Some(main) => main.spawn_blocking(work),
        None => tokio::task::spawn_blocking(work),
    }
}

/// How many there will be: as many as processors are for us.
fn count() -> usize {
    thread::available_parallelism().map_or(1, |count| count.get())
}

/// File descriptors that all of them together take.
pub(crate) fn descriptors() -> u64 {
    DESCRIPTORS * count() as u64
}

/// All of them. They end when this is dropped, and with them what no session waits for.
pub(crate) struct Workers {
    all: Vec<Worker>,
    /// true: the end has come. Each thread listens to it as long as it is there
    end: watch::Sender<bool>,
}

pub(crate) struct Worker {
    runtime: Handle,
    /// sessions that it carries
    sessions: Arc<AtomicUsize>,
}

impl Workers {
    /// Starts all of them. To be called in a runtime, on whose threads sessions wait for disks.
    pub(crate) fn start() -> io::Result<Self> {
        let (end, ended) = watch::channel(false);
        let all = (0..count()).map(|number| Worker::start(Post(number), ended.clone()));
        let all = all.collect::<io::Result<_>>()?;
        Ok(Self { all, end })
    }

    /// That which carries the fewest sessions.
    pub(crate) fn least_busy(&self) -> &Worker {
        let least = self.all.iter().min_by_key(|worker| worker.load());
        least.expect("there is at least one processor")
    }

    /// Where each of them can be asked for a sign of life.
    pub(crate) fn runtimes(&self) -> Vec<Handle> {
        let runtimes = self.all.iter().map(|worker| worker.runtime.clone());
        runtimes.collect()
    }

    /// Ends them, and waits for that, but not for ever.
    pub(crate) async fn end(&self) {
        self.end.send_replace(true);
        drop(timeout(2 * LAST_WAIT, self.end.closed()).await);
    }
}

impl Worker {
    fn start(post: Post, ended: watch::Receiver<bool>) -> io::Result<Self> {
        let main = Handle::current();
        let (tell, told) = mpsc::channel();
        let thread = thread::Builder::new().name(format!("lazaret-{}", post.0));
        // Its runtime is made there and ends there: it may not end in another one.
        thread.spawn(move || {
            HERE.set(Some(Here { post, main }));
            carries_sessions(post.0);
            let made = runtime();
            let handle = made.as_ref().map(|it| it.handle().clone());
            let told = tell.send(handle.map_err(|error| io::Error::from(error.kind())));
            if let (Ok(()), Ok(runtime)) = (told, made) {
                carry(runtime, ended);
            }
        })?;
        let no_word = |_| io::Error::other("a thread has ended at its start");
        let runtime = told.recv().map_err(no_word)?;
        Ok(Self {
            runtime: runtime?,
            sessions: Arc::default(),
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

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .global_queue_interval(OTHERS_TURN)
        .max_blocking_threads(ASIDE)
        .thread_keep_alive(IDLE_THREAD)
        .thread_name("lazaret-aside")
        .build()
}

fn carry(runtime: Runtime, mut ended: watch::Receiver<bool>) {
    // An error is the end, too: nobody is there who could tell.
    runtime.block_on(async { drop(ended.wait_for(|end| *end).await) });
    runtime.shutdown_timeout(LAST_WAIT);
    drop(ended);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sessions_go_where_the_fewest_are() {
        let workers = Workers::start().unwrap();
        let count = workers.all.len();
        let taken: Vec<_> = (0..3 * count)
            .map(|_| workers.least_busy().take_on())
            .collect();
        assert!(workers.all.iter().all(|worker| worker.load() == 3));
        drop(taken);
        assert!(workers.all.iter().all(|worker| worker.load() == 0));
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
    async fn their_end_can_be_waited_for() {
        let workers = Workers::start().unwrap();
        let runtime = workers.runtimes().remove(0);
        let never = runtime.spawn(std::future::pending::<()>());
        workers.end().await;
        assert!(workers.end.is_closed());
        assert!(never.await.is_err_and(|error| error.is_cancelled()));
    }

    #[tokio::test]
    async fn disks_are_waited_for_on_the_threads_of_whoever_started_them() {
        let workers = Workers::start().unwrap();
        let name = || thread::current().name().map(str::to_owned);
        let ours = tokio::task::spawn_blocking(name).await.unwrap();
        let there = workers.runtimes().remove(0);
        let theirs = there.spawn(async move { on_disk(name).await.unwrap() });
        assert_eq!(theirs.await.unwrap(), ours);
        assert_ne!(ours.as_deref(), Some("lazaret-aside"));
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
