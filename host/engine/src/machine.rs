//! How wasmtime is set up: for running filters, and for preparing them. Code goes from one to the other, so both share
//! everything that code depends on.

use std::sync::Arc;
use std::time::Duration;

use lazaret_mail::LoadError;
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails,
};

use crate::cache::Functions;
use crate::engine::EngineError;
use crate::inspect::{ALLOWED, fault};
use crate::limiter::{MAX_INSTANCES, MAX_MEMORIES, MAX_TABLES};
use crate::pulse::{Pulse, start_ticker};
use crate::settings::{Allocation, EngineSettings};
use crate::text::{clip, printable};

/// Tables and core instances that the pool holds for each slot.
pub const TABLES_PER_SLOT: u32 = 8;
/// See [`TABLES_PER_SLOT`].
pub const INSTANCES_PER_SLOT: u32 = 16;
/// Tables that one core module may define; toolchains use one or two.
const MAX_TABLES_PER_MODULE: u32 = 8;
/// How often a guest in the workshop is looked at.
const WORKSHOP_TICK: Duration = Duration::from_millis(5);
/// Memory of a snapshot up to this many octets is one image, shared copy-on-write by all sandboxes, however sparse it is;
/// above, one that is less than half full is copied into each.
const ALWAYS_AN_IMAGE: u64 = 64 << 20;

/// Octets of a slot's tables that are cleared and not given back to the system between two sandboxes: one page, more than
/// most have. Memory is given back: a sandbox that ends is one that cannot be put back. wasmtime could look for pages that were
/// written (`PAGEMAP_SCAN`) and fill them anew, but passes over those that are not in memory at the moment, which the next would see.
const KEPT_TABLE: usize = 4 << 10;

/// An engine that prepares one filter, and what it knows of functions compiled before.
pub fn workshop_engine(functions: Arc<Functions>) -> Result<wasmtime::Engine, LoadError> {
    let mut config = configuration(InstanceAllocationStrategy::OnDemand);
    let made = config
        .enable_incremental_compilation(functions)
        .and_then(|config| wasmtime::Engine::new(config))
        .map_err(|error| EngineError(error.root_cause().to_string()));
    let started = made.and_then(|engine| {
        start_ticker(engine.weak(), WORKSHOP_TICK, &Pulse::restless())?;
        Ok(engine)
    });
    started.map_err(|error| {
        fault(
            error.to_string(),
            "look at the limits on threads and memory",
        )
    })
}

/// Octets that cannot be compiled.
pub fn compile_fault(error: &wasmtime::Error) -> LoadError {
    let why = error.root_cause().to_string();
    fault(
        format!("it cannot be compiled here: {}", printable(clip(&why, 300))),
        "make it smaller, or rebuild it with a current toolchain",
    )
}

/// Imports that do not fit.
pub fn link_fault(error: &wasmtime::Error) -> LoadError {
    let why = error.root_cause().to_string();
    fault(
        format!("it cannot be linked: {}", printable(clip(&why, 300))),
        "rebuild it with a current toolchain and bindings of this contract",
    )
}

/// The engine that runs filters, and how its sandboxes get their memory.
pub fn allocate(settings: &EngineSettings) -> Result<(wasmtime::Engine, Allocation), EngineError> {
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
    wasmtime::Engine::new(&configuration(strategy))
}

fn configuration(strategy: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .wasm_features(!ALLOWED, false)
        .wasm_features(ALLOWED, true)
        .gc_support(false)
        .epoch_interruption(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .memory_guaranteed_dense_image_size(ALWAYS_AN_IMAGE)
        .allocation_strategy(strategy);
    config
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
        .table_keep_resident(KEPT_TABLE)
        .pagemap_scan(Enabled::No)
        .async_stack_keep_resident(0);
    pool
}
