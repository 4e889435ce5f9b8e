//! `state`: what a filter remembers across connections. Each filter has a space of its own.
//!
//! Three stores keep it, and behave alike: memory, a file (redb), and a Redis or Valkey server, which several proxies may
//! share. Every order is carried out in one step, whoever else asks meanwhile.

mod file;
mod later;
mod ledger;
mod memory;
mod redis;

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::runtime::Handle;

use crate::{Fault, Refused, STORE_PATIENCE, Trust};
use later::Later;

/// Octets of a key, at most.
pub const KEY: usize = 512;
/// Octets of a value, at most.
pub const VALUE: usize = 64 << 10;
/// The longest that anything is kept: 400 days, in seconds.
pub const LONGEST: u32 = 400 * 24 * 3600;

/// Where state is kept.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Place {
    /// in memory, gone with the process: `try`, `check` and tests
    #[default]
    Memory,
    /// redb
    File(PathBuf),
    /// the same where nobody named a file: its directory is made if need be
    Usual(PathBuf),
    /// `redis://..`, `rediss://..` or `redis+unix://..`; may hold a password
    Redis(String),
}

/// Could it be opened? Nothing is opened, made or asked.
///
/// # Errors
/// An address that is none; a file whose directory is not there, or that is no file.
pub fn can_be(place: &Place) -> Result<(), Fault> {
    match place {
        Place::Memory => Ok(()),
        Place::File(path) => file::can_be(path),
        Place::Usual(path) => file::can_be_made(path),
        Place::Redis(url) => redis::can_be(url),
    }
}

/// Without the password.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Memory => f.write_str("Memory"),
            Place::File(path) => f.debug_tuple("File").field(path).finish(),
            Place::Usual(path) => f.debug_tuple("Usual").field(path).finish(),
            Place::Redis(_) => f.write_str("Redis(..)"),
        }
    }
}

/// The most that one filter may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// `state-keys`
    pub keys: u64,
    /// `state-size`: octets of keys and values together
    pub size: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            keys: 1_000_000,
            size: 256 << 20,
        }
    }
}

/// One thing to do in a space, in one step.
#[derive(Clone, Debug)]
struct Order {
    space: Arc<str>,
    caps: Caps,
    key: String,
    step: Step,
}

#[derive(Clone, Debug)]
enum Step {
    Read,
    Set {
        value: Vec<u8>,
        seconds: u32,
    },
    Remove,
    Increment {
        by: i32,
        seconds: u32,
    },
    Swap {
        expected: Option<Vec<u8>>,
        value: Option<Vec<u8>>,
        seconds: u32,
    },
}

/// What came of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Done {
    Value(Option<Vec<u8>>),
    Written,
    Truth(bool),
    Sum(i32),
}

type Carrying<'k> = Pin<Box<dyn Future<Output = Result<Done, Refused>> + Send + 'k>>;

/// Keeps the spaces of all filters. What it answers holds for all later orders; whether it survives a crash is its own
/// affair. Never blocks the thread that polls, and may wait for longer than a filter does: [`Space`] cuts it short.
trait Keeper: Send + Sync {
    /// Checked before: key, value and seconds are within their bounds.
    fn carry_out(&self, order: Order) -> Carrying<'_>;

    /// Returns when all that was answered is as safe as this keeper can make it.
    fn settle(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    /// Why it does not answer at the moment, in words.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// The state of all filters; cheap to clone. By default it is in memory.
#[derive(Clone)]
pub struct Store {
    keeper: Arc<dyn Keeper>,
    /// where time is kept, whoever asks; memory needs none
    runtime: Option<Handle>,
    /// not open before somebody remembers something
    later: Option<Arc<Later>>,
}

/// In memory.
impl Default for Store {
    fn default() -> Self {
        Self {
            keeper: Arc::new(memory::Memory::default()),
            runtime: None,
            later: None,
        }
    }
}

impl Store {
    /// Opens a file, made with mode 0600 if need be, or begins to connect to a server and goes on trying. Inside a tokio
    /// runtime, which serves it. A server with `rediss` is verified by `trust`.
    ///
    /// # Errors
    /// A file that is held by another process, is no state of ours or is damaged; an address that is none. A server that
    /// does not answer is no error: it may come.
    pub async fn open(place: &Place, trust: &Trust) -> Result<Self, Fault> {
        let keeper: Arc<dyn Keeper> = match place {
            Place::Memory => return Ok(Self::default()),
            Place::File(path) => Arc::new(file::File::open(path).await?),
            Place::Usual(path) => {
                file::make_directory(path)?;
                Arc::new(file::File::open(path).await?)
            }
            Place::Redis(url) => Arc::new(redis::Redis::open(url, trust.clone())?),
        };
        Ok(Self {
            keeper,
            runtime: Some(Handle::current()),
            later: None,
        })
    }

    /// The same, opened when the first filter [`opened`](Self::opened) it; until then nothing is made and nobody is asked.
    pub fn later(place: Place, trust: Trust) -> Self {
        Self {
            later: Some(Arc::new(Later::new(place, trust))),
            ..Self::default()
        }
    }

    /// This store, open.
    ///
    /// # Errors
    /// As of [`Self::open`], where that waited until now; the next call tries again.
    pub async fn opened(&self) -> Result<Self, Fault> {
        match &self.later {
            Some(later) => later.opened().await,
            None => Ok(self.clone()),
        }
    }

    /// The keeper, if it is there already.
    fn keeper(&self) -> Arc<dyn Keeper> {
        let later = self.later.as_ref().and_then(|later| later.now());
        later.unwrap_or(self).keeper.clone()
    }

    /// The space of the filter of that name.
    pub fn space(&self, filter: &str, caps: Caps) -> Space {
        Space {
            store: self.clone(),
            name: filter.into(),
            caps,
            patience: STORE_PATIENCE,
        }
    }

    /// Writes down what a file store still holds back; call it before the process ends.
    pub async fn settle(&self) {
        self.keeper().settle().await;
    }

    /// Why the store does not answer at the moment, in words; None if it does.
    pub fn trouble(&self) -> Option<String> {
        self.keeper().trouble()
    }
}

/// What one filter remembers. Every function answers within [`STORE_PATIENCE`].
///
/// # Errors
/// Of every function: [`Refused::Invalid`] for a key that is empty or over [`KEY`] octets, and as each says;
/// [`Refused::Limit`] when the filter has its most keys or octets; [`Refused::Unavailable`] when the store does not answer:
/// the order may have been carried out all the same.
#[derive(Clone)]
pub struct Space {
    store: Store,
    name: Arc<str>,
    caps: Caps,
    patience: Duration,
}

impl Space {
    /// The same, of which every function answers within this time, if that is shorter.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        Self {
            patience: self.patience.min(time),
            ..self
        }
    }

    /// The value, if there is one; of a number its decimal digits.
    pub async fn read(&self, key: &str) -> Result<Option<Vec<u8>>, Refused> {
        match self.order(key, Step::Read).await? {
            Done::Value(value) => Ok(value),
            _ => Err(Refused::Unavailable),
        }
    }

    /// Writes it, for `seconds` from now.
    pub async fn set(&self, key: &str, value: &[u8], seconds: u32) -> Result<(), Refused> {
        let value = checked(value)?;
        match self.order(key, Step::Set { value, seconds }).await? {
            Done::Written => Ok(()),
            _ => Err(Refused::Unavailable),
        }
    }

    /// Was it there?
    pub async fn remove(&self, key: &str) -> Result<bool, Refused> {
        match self.order(key, Step::Remove).await? {
            Done::Truth(was_there) => Ok(was_there),
            _ => Err(Refused::Unavailable),
        }
    }

    /// Adds, in one step; the sum, which stays within the bounds of its type. What is there keeps its time.
    /// [`Refused::Invalid`] where no number stands.
    pub async fn increment(&self, key: &str, by: i32, seconds: u32) -> Result<i32, Refused> {
        match self.order(key, Step::Increment { by, seconds }).await? {
            Done::Sum(sum) => Ok(sum),
            _ => Err(Refused::Unavailable),
        }
    }

    /// Writes `value` (None: removes) if what is there is `expected` (None: nothing). Was it?
    pub async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        seconds: u32,
    ) -> Result<bool, Refused> {
        let step = Step::Swap {
            expected: expected.map(checked).transpose()?,
            value: value.map(checked).transpose()?,
            seconds,
        };
        match self.order(key, step).await? {
            Done::Truth(was_expected) => Ok(was_expected),
            _ => Err(Refused::Unavailable),
        }
    }

    async fn order(&self, key: &str, step: Step) -> Result<Done, Refused> {
        let seconds = step.seconds().unwrap_or(1);
        if key.is_empty() || key.len() > KEY || seconds == 0 || seconds > LONGEST {
            return Err(Refused::Invalid);
        }
        let order = Order {
            space: self.name.clone(),
            caps: self.caps,
            key: key.to_owned(),
            step,
        };
        let carrying = self.store.keeper.carry_out(order);
        let Some(runtime) = &self.store.runtime else {
            return carrying.await;
        };
        let carrying = {
            let _clock = runtime.enter();
            tokio::time::timeout(self.patience, carrying)
        };
        carrying.await.unwrap_or(Err(Refused::Unavailable))
    }
}

impl Step {
    fn seconds(&self) -> Option<u32> {
        match self {
            Step::Set { seconds, .. } | Step::Increment { seconds, .. } => Some(*seconds),
            Step::Swap { value, seconds, .. } => value.as_ref().map(|_| *seconds),
            Step::Read | Step::Remove => None,
        }
    }
}

fn checked(value: &[u8]) -> Result<Vec<u8>, Refused> {
    match value.len() > VALUE {
        true => Err(Refused::Invalid),
        false => Ok(value.to_vec()),
    }
}

/// Milliseconds since 1970: what is kept in a file must mean the same after a restart.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.unwrap_or(Duration::ZERO).as_millis();
    u64::try_from(since).unwrap_or(u64::MAX)
}
