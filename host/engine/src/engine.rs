//! The one wasmtime engine of the process: its configuration, its slots for sandboxes, its compiled components.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Component;

use crate::cache::Cache;
use crate::idle::Idle;
use crate::lane::Lane;
use crate::limiter::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::machine::{INSTANCES_PER_SLOT, TABLES_PER_SLOT, allocate};
use crate::meter::Meter;
use crate::parked::{Lot, Lots};
use crate::pulse::{Pulse, start_ticker};
use crate::settings::{Allocation, EngineSettings};
use crate::template::Live;

/// How often somebody who waits for a slot asks again for those of idle sandboxes.
const RECALL_EVERY: Duration = Duration::from_millis(50);
/// A sandbox that has waited so long for its next question may be given up where slots are scarce.
const IDLE_PATIENCE: Duration = Duration::from_secs(1);

/// A shorter tick would only burn CPU.
const LEAST_TICK: Duration = Duration::from_millis(1);

/// Runs filters. One for each process; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    wasm: wasmtime::Engine,
    settings: EngineSettings,
    slots: Arc<Semaphore>,
    cache: Option<Cache>,
    preparations: Arc<Semaphore>,
    /// components that are being prepared, by sha256
    at_work: Mutex<HashMap<[u8; 32], Arc<tokio::sync::Mutex<()>>>>,
    counts: Counts,
    allocation: Allocation,
    lane: Lane,
    idle: Arc<Idle<Box<Live>>>,
    lots: Lots,
    /// how many wait for slots
    short: AtomicUsize,
    pulse: Arc<Pulse>,
}

/// What was done so far.
#[derive(Debug, Default)]
pub struct Counts {
    prepared: AtomicU64,
    compiled: AtomicU64,
    made: AtomicU64,
    renewed: AtomicU64,
}

/// The turn to prepare a component, until it is dropped.
pub struct Turn {
    _turn: OwnedSemaphorePermit,
    _alone: OwnedMutexGuard<()>,
}

/// The slots for sandboxes at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slots {
    /// that there are
    pub limit: usize,
    /// that nobody holds
    pub free: usize,
    /// sandboxes, not slots, that wait for the next question of their transaction
    pub idle: usize,
}

impl Slots {
    /// Slots that sandboxes hold.
    pub fn used(&self) -> usize {
        self.limit.saturating_sub(self.free)
    }
}

/// The engine cannot be made on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot be started: {0}")]
pub struct EngineError(pub(crate) String);

impl Engine {
    /// Reserves the slots and starts the ticker. Where the address space does not suffice for the slots, sandboxes are
    /// made on demand, and the log says so.
    pub fn new(settings: EngineSettings) -> Result<Arc<Self>, EngineError> {
        let settings = EngineSettings {
            sandboxes: settings.sandboxes.max(1),
            tick: settings.tick.max(LEAST_TICK),
            ..settings
        };
        let (wasm, allocation) = allocate(&settings)?;
        let pulse = Arc::default();
        start_ticker(wasm.weak(), settings.tick, &pulse)?;
        let cache = match &settings.cache {
            Some(dir) => Some(open_cache(dir, settings.cache_size)?),
            None => None,
        };
        let slots = Arc::new(Semaphore::new(settings.sandboxes as usize));
        Ok(Arc::new(Self {
            shared: Arc::new(Shared {
                wasm,
                slots,
                at_work: Mutex::default(),
                preparations: Arc::new(Semaphore::new(settings.preparations.max(1))),
                settings,
                cache,
                counts: Counts::default(),
                allocation,
                lane: Lane::new().map_err(|error| EngineError(error.to_string()))?,
                idle: Arc::default(),
                lots: Lots::default(),
                short: AtomicUsize::new(0),
                pulse,
            }),
        }))
    }

    /// What it was made with.
    pub fn settings(&self) -> &EngineSettings {
        &self.shared.settings
    }

    /// How sandboxes really get their memory.
    pub fn allocation(&self) -> Allocation {
        self.shared.allocation
    }

    /// Slots for sandboxes that are free now, or held only by used ones that are given up for whoever needs a slot.
    pub fn free_slots(&self) -> usize {
        self.unused_slots() + self.shared.lots.slots()
    }

    /// Slots that nothing holds.
    pub fn unused_slots(&self) -> usize {
        self.shared.slots.available_permits()
    }

    /// The slots for sandboxes now.
    pub fn slots_now(&self) -> Slots {
        Slots {
            limit: self.shared.settings.sandboxes as usize,
            free: self.free_slots(),
            idle: self.shared.idle.waiting_now(),
        }
    }

    /// Preparations that were ordered so far; what came from the cache needed none.
    pub fn prepared(&self) -> u64 {
        self.shared.counts.prepared.load(Ordering::Relaxed)
    }

    /// Components that were compiled so far.
    pub fn compiled(&self) -> u64 {
        self.shared.counts.compiled.load(Ordering::Relaxed)
    }

    /// Sandboxes that were made so far.
    pub fn made(&self) -> u64 {
        self.shared.counts.made.load(Ordering::Relaxed)
    }

    /// Sandboxes that were not made but put back, so far.
    pub fn renewed(&self) -> u64 {
        self.shared.counts.renewed.load(Ordering::Relaxed)
    }

    /// Counts one that was made.
    pub(crate) fn count_made(&self) {
        self.shared.counts.made.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that was put back.
    pub(crate) fn count_renewed(&self) {
        self.shared.counts.renewed.fetch_add(1, Ordering::Relaxed);
    }

    /// Where used sandboxes of one filter wait, of which one takes `each` slots.
    pub(crate) fn lot(&self, each: u32) -> Arc<Lot> {
        self.shared.lots.open(self.shared.settings.sandboxes, each)
    }

    /// Does anybody wait for slots?
    pub(crate) fn is_short(&self) -> bool {
        self.shared.short.load(Ordering::Relaxed) > 0
    }

    /// Counts a preparation that compiled so many components.
    pub(crate) fn count(&self, compiled: u32) {
        let counts = &self.shared.counts;
        counts.prepared.fetch_add(1, Ordering::Relaxed);
        counts
            .compiled
            .fetch_add(u64::from(compiled), Ordering::Relaxed);
    }

    /// Where compiled code is kept.
    pub(crate) fn cache(&self) -> Option<&Cache> {
        self.shared.cache.as_ref()
    }

    /// Waits for the turn to prepare this component, whose sha256 is `wasm`. Two filters of the same octets never have it at
    /// once: the second finds in the cache what the first compiled.
    pub(crate) async fn turn(&self, wasm: [u8; 32]) -> Turn {
        let alone = self.alone_with(wasm).lock_owned().await;
        let turns = self.shared.preparations.clone();
        let turn = turns.acquire_owned().await;
        Turn {
            _turn: turn.expect("the semaphore is never closed"),
            _alone: alone,
        }
    }

    fn alone_with(&self, wasm: [u8; 32]) -> Arc<tokio::sync::Mutex<()>> {
        let mut at_work = self
            .shared
            .at_work
            .lock()
            .expect("no holder of the list panics");
        at_work.retain(|_, work| Arc::strong_count(work) > 1);
        at_work.entry(wasm).or_default().clone()
    }

    pub(crate) fn wasm(&self) -> &wasmtime::Engine {
        &self.shared.wasm
    }

    /// Where long calls go on.
    pub(crate) fn lane(&self) -> &Lane {
        &self.shared.lane
    }

    /// Sandboxes between two questions.
    pub(crate) fn idle(&self) -> &Arc<Idle<Box<Live>>> {
        &self.shared.idle
    }

    /// For the CPU time of one sandbox's questions.
    pub(crate) fn meter(&self) -> Arc<Meter> {
        Arc::new(Meter::under(&self.shared.pulse))
    }

    /// Waits for slots; a sandbox holds them as long as it lives, so the pool is never asked for more than it has.
    /// Meanwhile used sandboxes are given up and, where these do not suffice, those that have waited long for their next question.
    pub(crate) async fn slots(&self, count: u32) -> OwnedSemaphorePermit {
        if let Ok(slots) = self.shared.slots.clone().try_acquire_many_owned(count) {
            return slots;
        }
        let _short = Short::on(&self.shared.short);
        let acquire = self.shared.slots.clone().acquire_many_owned(count);
        tokio::pin!(acquire);
        let mut again = tokio::time::interval(RECALL_EVERY);
        loop {
            tokio::select! {
                biased;
                slots = &mut acquire => return slots.expect("the semaphore is never closed"),
                _ = again.tick() => self.make_room(count as usize),
            }
        }
    }

    fn make_room(&self, slots: usize) {
        if self.shared.lots.give_up(slots) > 0 {
            return;
        }
        let mut freed = 0;
        while freed < slots {
            let given = self.idle().give_up(1, IDLE_PATIENCE);
            if given.is_empty() {
                return;
            }
            freed += given.iter().map(|live| live.slots()).sum::<usize>();
        }
    }

    /// Slots that a sandbox of this component takes.
    pub(crate) fn slots_of(&self, component: &Component, core_instances: u32) -> u32 {
        let needs = component.resources_required();
        let (memories, tables) = needs.map_or((MAX_MEMORIES as u32, MAX_TABLES as u32), |needs| {
            (needs.num_memories, needs.num_tables)
        });
        let instances = core_instances.min(MAX_INSTANCES as u32);
        let slots = memories
            .max(tables.div_ceil(TABLES_PER_SLOT))
            .max(instances.div_ceil(INSTANCES_PER_SLOT))
            .max(1);
        slots.min(self.shared.settings.sandboxes)
    }
}

/// Somebody waits for slots, until it is dropped.
struct Short<'a>(&'a AtomicUsize);

impl<'a> Short<'a> {
    fn on(short: &'a AtomicUsize) -> Self {
        short.fetch_add(1, Ordering::Relaxed);
        Self(short)
    }
}

impl Drop for Short<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Relative to where the program stands now: preparing happens elsewhere.
fn open_cache(dir: &std::path::Path, size: u64) -> Result<Cache, EngineError> {
    let dir = std::path::absolute(dir).map_err(|error| EngineError(error.to_string()))?;
    Cache::open(&dir, size).map_err(|error| EngineError(error.to_string()))
}
