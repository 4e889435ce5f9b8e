//! The one wasmtime engine of the process: its configuration, its slots for sandboxes, its compiled components.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use lazaret_mail::LoadError;
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::Component;
use wasmtime::{Config, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::idle::Idle;
use crate::inspect::{ALLOWED, fault};
use crate::lane::Lane;
use crate::limiter::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::settings::{Allocation, EngineSettings};
use crate::template::Live;
use crate::text::{clip, printable};

/// Compiled components that are kept although no filter may use them any more.
const KEPT_COMPILED: usize = 64;
/// Tables and core instances that the pool holds for each slot.
const TABLES_PER_SLOT: u32 = 8;
/// See [`TABLES_PER_SLOT`].
const INSTANCES_PER_SLOT: u32 = 16;

/// How often somebody who waits for a slot asks again for those of idle sandboxes.
const RECALL_EVERY: Duration = Duration::from_millis(50);
/// A sandbox that has waited so long for its next question may be given up where slots are scarce.
const IDLE_PATIENCE: Duration = Duration::from_secs(1);

/// A shorter tick would only burn CPU.
const LEAST_TICK: Duration = Duration::from_millis(1);
/// Tables that one core module may define; toolchains use one or two.
const MAX_TABLES_PER_MODULE: u32 = 8;

/// Runs filters. One for each process; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    wasm: wasmtime::Engine,
    settings: EngineSettings,
    slots: Arc<Semaphore>,
    compiled: Mutex<VecDeque<Compiled>>,
    allocation: Allocation,
    lane: Lane,
    idle: Arc<Idle<Box<Live>>>,
}

/// A component that is compiled, or being compiled by whoever came first.
struct Compiled {
    hash: [u8; 32],
    component: Arc<OnceLock<Result<Component, LoadError>>>,
}

/// The engine cannot be made on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine cannot be started: {0}")]
pub struct EngineError(String);

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
        start_ticker(wasm.weak(), settings.tick)?;
        let slots = Arc::new(Semaphore::new(settings.sandboxes as usize));
        Ok(Arc::new(Self {
            shared: Arc::new(Shared {
                wasm,
                settings,
                slots,
                compiled: Mutex::default(),
                allocation,
                lane: Lane::new().map_err(|error| EngineError(error.to_string()))?,
                idle: Arc::default(),
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

    /// Slots for sandboxes that are free now.
    pub fn free_slots(&self) -> usize {
        self.shared.slots.available_permits()
    }

    /// Components that are kept compiled.
    pub fn compiled(&self) -> usize {
        self.shared
            .compiled
            .lock()
            .expect("no holder of the cache panics")
            .len()
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

    /// Waits for slots; a sandbox holds them as long as it lives, so the pool is never asked for more than it has.
    /// Meanwhile sandboxes that have waited long for their next question are given up.
    pub(crate) async fn slots(&self, count: u32) -> OwnedSemaphorePermit {
        let acquire = self.shared.slots.clone().acquire_many_owned(count);
        tokio::pin!(acquire);
        let mut again = tokio::time::interval(RECALL_EVERY);
        loop {
            tokio::select! {
                biased;
                slots = &mut acquire => return slots.expect("the semaphore is never closed"),
                _ = again.tick() => drop(self.idle().give_up(count as usize, IDLE_PATIENCE)),
            }
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

    /// Compiles, or finds the same octets compiled before. Takes from milliseconds to minutes: where blocking is
    /// allowed.
    pub(crate) fn compile(&self, wasm: &[u8]) -> Result<Component, LoadError> {
        let place = self.place(Sha256::digest(wasm).into());
        let compiled = place.get_or_init(|| {
            Component::from_binary(self.wasm(), wasm).map_err(|error| not_compiled(&error))
        });
        compiled.clone()
    }

    /// Where the component of that hash is or will be; the latest used are kept.
    fn place(&self, hash: [u8; 32]) -> Arc<OnceLock<Result<Component, LoadError>>> {
        let mut compiled = self
            .shared
            .compiled
            .lock()
            .expect("no holder of the cache panics");
        let found = compiled.iter().position(|known| known.hash == hash);
        let place = match found.and_then(|at| compiled.remove(at)) {
            Some(known) => known.component,
            None => Arc::default(),
        };
        compiled.push_front(Compiled {
            hash,
            component: place.clone(),
        });
        compiled.truncate(KEPT_COMPILED);
        place
    }
}

fn not_compiled(error: &wasmtime::Error) -> LoadError {
    let why = error.root_cause().to_string();
    fault(
        format!("it cannot be compiled here: {}", printable(clip(&why, 300))),
        "make it smaller, or rebuild it with a current toolchain",
    )
}

fn allocate(settings: &EngineSettings) -> Result<(wasmtime::Engine, Allocation), EngineError> {
    if settings.allocation == Allocation::Pool {
        let strategy = InstanceAllocationStrategy::Pooling(pool(settings));
        match engine_with(strategy) {
            Ok(engine) => return Ok((engine, Allocation::Pool)),
            Err(error) => tracing::warn!(
                sandboxes = settings.sandboxes,
                error = %error.root_cause(),
                "no address space for the pool of sandboxes: they are made on demand, which is slower"
            ),
        }
    }
    let engine = engine_with(InstanceAllocationStrategy::OnDemand);
    let engine = engine.map_err(|error| EngineError(error.root_cause().to_string()))?;
    Ok((engine, Allocation::OnDemand))
}

fn engine_with(strategy: InstanceAllocationStrategy) -> wasmtime::Result<wasmtime::Engine> {
    let mut config = Config::new();
    config
        .wasm_features(!ALLOWED, false)
        .wasm_features(ALLOWED, true)
        .gc_support(false)
        .epoch_interruption(true)
        .allocation_strategy(strategy);
    wasmtime::Engine::new(&config)
}

fn pool(settings: &EngineSettings) -> PoolingAllocationConfig {
    let slots = settings.sandboxes;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(INSTANCES_PER_SLOT))
        .total_memories(slots)
        .total_tables(slots.saturating_mul(TABLES_PER_SLOT))
        .total_stacks(slots)
        .total_gc_heaps(0)
        .max_core_instances_per_component(MAX_INSTANCES as u32)
        .max_memories_per_component(MAX_MEMORIES as u32)
        .max_tables_per_component(MAX_TABLES as u32)
        .max_memories_per_module(MAX_MEMORIES as u32)
        .max_tables_per_module(MAX_TABLES_PER_MODULE)
        .max_memory_size(usize::try_from(settings.max_memory).unwrap_or(usize::MAX))
        .table_elements(settings.table_elements)
        .linear_memory_keep_resident(0)
        .table_keep_resident(0)
        .async_stack_keep_resident(0);
    pool
}

/// Makes running guests look up at each tick. A thread of its own: no load on the async threads delays it. It ends when
/// the engine is gone.
fn start_ticker(engine: EngineWeak, tick: Duration) -> Result<(), EngineError> {
    let run = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(tick);
        }
    };
    let thread = std::thread::Builder::new().name("lazaret-epoch".into());
    thread
        .spawn(run)
        .map(drop)
        .map_err(|error| EngineError(error.to_string()))
}
