//! What filters ask outside of the proxy: a store and a name server that are sound, or not, as told.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

mod names;
mod store;

pub use names::{Names, Resolving};
pub use store::{Store, Storing};

/// Both, for every row: who does not ask for them does not notice.
#[derive(Debug)]
pub struct Outside {
    /// in place of Redis
    pub store: Store,
    /// in place of a resolver
    pub names: Names,
}

impl Outside {
    /// Both sound.
    pub fn start() -> Self {
        Self {
            store: Store::start(),
            names: Names::start(),
        }
    }
}

/// How a double behaves now, and what it counts; shared with the threads that serve.
#[derive(Debug)]
struct Stage<B> {
    behaviour: Mutex<B>,
    asked: AtomicU64,
    over: AtomicBool,
}

impl<B: Copy> Stage<B> {
    fn new(behaviour: B) -> Arc<Self> {
        Arc::new(Self {
            behaviour: Mutex::new(behaviour),
            asked: AtomicU64::new(0),
            over: AtomicBool::new(false),
        })
    }

    fn now(&self) -> B {
        *self.lock()
    }

    fn behave(&self, behaviour: B) {
        *self.lock() = behaviour;
    }

    fn lock(&self) -> MutexGuard<'_, B> {
        self.behaviour
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self) {
        self.asked.fetch_add(1, Ordering::SeqCst);
    }

    fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Ends the threads: `at` is where the one that accepts is woken.
    fn end(&self, at: SocketAddr) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&at, Duration::from_secs(1));
    }
}
