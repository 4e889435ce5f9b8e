//! What a preparation may use of the machine, set by the process itself before it reads anything.

use std::io;

use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, nice, set_parent_process_death_signal, setrlimit,
};

use crate::arguments::Prepare;

/// Octets of address space. wasmtime reserves 4 GiB for each memory of a guest, and more for guard pages, without using
/// any of it: what bounds memory is [`Resource::Data`].
const ADDRESS_SPACE: u64 = 512 << 30;
/// Octets of a file; the images that wasmtime makes of memories count as files.
const FILE: u64 = 1 << 30;
/// Open files.
const FILES: u64 = 256;
/// Seconds of CPU time between the two limits.
const CPU_GRACE: u64 = 5;
/// Behind everything that serves mail, yet a third of what a thread of that gets: under attack no thread is idle, and the
/// filter that stops the attack must still be ready within seconds.
const NICE: i32 = 5;

/// Sets all limits. Never raises one that is lower already.
pub fn set(arguments: &Prepare) -> io::Result<()> {
    // Who ordered it is gone: nobody needs the answer.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    nice(NICE)?;
    // A core would write what is in [config] to the disk.
    lower(Resource::Core, 0)?;
    // The first limit ends it with a signal that says so, the second without one that could be caught.
    let cpu = arguments.cpu.max(1);
    lower_to(Resource::Cpu, cpu, cpu.saturating_add(CPU_GRACE))?;
    lower(Resource::Data, arguments.memory)?;
    lower(Resource::As, ADDRESS_SPACE)?;
    lower(Resource::Fsize, FILE)?;
    lower(Resource::Nofile, FILES)
}

fn lower(resource: Resource, most: u64) -> io::Result<()> {
    lower_to(resource, most, most)
}

fn lower_to(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let now = getrlimit(resource);
    let least = |limit: Option<u64>, most| Some(limit.map_or(most, |limit| limit.min(most)));
    let limit = Rlimit {
        current: least(now.current, current),
        maximum: least(now.maximum, maximum),
    };
    Ok(setrlimit(resource, limit)?)
}
