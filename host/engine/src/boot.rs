//! From a component to a sandbox that can be asked: what may go wrong on the way, in words.

use lazaret_mail::{Clues, FailureKind, LoadError};
use wasmtime::Store;
use wasmtime::component::{Component, ComponentExportIndex, Instance};

use crate::guest::Guest;
use crate::inspect::fault;
use crate::text::{clip, printable};

/// Octets of what `configure` says that leave the engine.
const MAX_COMPLAINT: usize = 1000;
/// Octets of a page of linear memory.
const PAGE: u64 = 65536;

/// Why a sandbox could not be made.
#[derive(Debug)]
pub enum BootFault {
    /// `configure` returned an error
    Complaint(String),
    /// it trapped, or ran into a limit; and where it was
    Failed(FailureKind, Box<Clues>),
}

impl From<FailureKind> for BootFault {
    fn from(kind: FailureKind) -> Self {
        Self::Failed(kind, Box::default())
    }
}

/// Code of the guest that runs before its first question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// its start functions
    Start,
    /// `configure`
    Configure,
}

/// Calls `configure` with JSON text; what it says about it is made safe to show.
pub async fn call_configure(
    store: &mut Store<Guest>,
    instance: &Instance,
    configure: ComponentExportIndex,
    config: &str,
) -> wasmtime::Result<Result<(), String>> {
    let configure =
        instance.get_typed_func::<(&str,), (Result<(), String>,)>(&mut *store, configure)?;
    let (done,) = configure.call_async(&mut *store, (config,)).await?;
    Ok(done.map_err(|words| printable(clip(&words, MAX_COMPLAINT))))
}

/// For the operator: what is wrong with the filter or its configuration.
pub fn not_bootable(phase: Phase, wrong: BootFault) -> LoadError {
    let step = match phase {
        Phase::Start => "instantiation",
        Phase::Configure => "configure",
    };
    let (kind, clues) = match wrong {
        BootFault::Complaint(words) => {
            return fault(
                format!("configure says: {words}"),
                "correct [config] in its .toml",
            );
        }
        BootFault::Failed(kind, clues) => (kind, clues),
    };
    let (problem, cure) = match kind {
        FailureKind::Memory(octets) => (
            format!("{step} wants more memory than {octets} octets"),
            "raise `memory` in its .toml, or give it less to hold",
        ),
        FailureKind::Time(_) | FailureKind::Wall(_) => (
            format!("{step} {kind}"),
            "give it less to configure, or mend the filter",
        ),
        kind => (
            format!("{step} failed: {kind}"),
            "mend the filter, or correct [config] in its .toml",
        ),
    };
    LoadError {
        clues,
        ..fault(problem, cure)
    }
}

/// `memory` over what the engine can give, or under what the component needs from the start. In octets.
pub fn refuse_memory(component: &Component, memory: u64, most: u64) -> Result<(), LoadError> {
    if memory > most {
        return Err(fault(
            format!("`memory` is {memory} octets, this lazaret gives at most {most}"),
            format!("write `memory = \"{} MiB\"` or less", most >> 20),
        ));
    }
    let needs = component.resources_required();
    let pages = needs.and_then(|needs| needs.max_initial_memory_size);
    let least = pages.unwrap_or(0).saturating_mul(PAGE);
    if least > memory {
        return Err(fault(
            format!("it needs {least} octets of memory to start, `memory` is {memory}"),
            format!(
                "write `memory = \"{} MiB\"` or more",
                least.div_ceil(1 << 20)
            ),
        ));
    }
    Ok(())
}
