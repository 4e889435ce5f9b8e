//! Limits of the whole engine and of one call.

use std::time::Duration;

/// Limits of the process, all with defaults that hold under attack.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// live sandboxes of all filters together, at least 1; a further one waits for at most half of its filter's `wall`.
    /// A transaction holds one for each filter it has asked. They cost address space (4 GiB each) and, alive, some
    /// 100 KiB of memory. Default 10,000.
    pub sandboxes: u32,
    /// octets of a `.wasm`. Default 64 MiB.
    pub max_wasm: u64,
    /// the largest `memory` that a filter may be given, octets; reserved as address space only. Default 256 MiB.
    pub max_memory: u64,
    /// elements of all tables of a sandbox. Default 50,000.
    pub table_elements: usize,
    /// how often running guests are looked at, at least 1 ms; a guest holds a thread that serves sockets for at most
    /// 1 ms and this. Default 1 ms.
    pub tick: Duration,
    /// CPU time of `configure` (and of instantiation) while a filter is loaded. Default 20 s.
    pub configure_time: Duration,
    /// real time of the same. Default 60 s.
    pub configure_wall: Duration,
    /// preallocated slots, or memory from the system at each fork; default is [`Allocation::Pool`]
    pub allocation: Allocation,
    /// of one call
    pub call: CallLimits,
}

/// Where sandboxes get their memory from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Allocation {
    /// slots reserved at start; falls back to `OnDemand` where the address space does not suffice
    #[default]
    Pool,
    /// from the system at each fork
    OnDemand,
}

/// What one call of a filter (one stage of one transaction) may cost the host, besides CPU, wall and memory.
#[derive(Clone, Debug)]
pub struct CallLimits {
    /// calls into the host; one more is a failure. Default 1,000,000.
    pub host_calls: u32,
    /// octets a guest may hand over in one call or return. Default 1 MiB; more is a failure.
    pub argument: usize,
    /// octets handed to the guest by all reads of a call; beyond it reads answer `limit`. Default 1 GiB.
    pub read: u64,
    /// octets of the text of one part; larger ones answer `limit`. Default 8 MiB.
    pub part_text: usize,
    /// log lines, stdout and stderr included; further ones are dropped and counted. Default 100.
    pub log_lines: u32,
    /// log lines of a sandbox in all its calls. Default 1000.
    pub log_lines_for_life: u32,
    /// octets of one log line; the rest is cut. Default 1024.
    pub log_line: usize,
    /// entries of the score. Default 100.
    pub scores: usize,
    /// notes set. Default 32.
    pub notes: usize,
    /// octets of a note's value. Default 1024.
    pub note: usize,
    /// the sum of `pace.hold`; what is over is cut. Default 30 s.
    pub pace: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            sandboxes: 10_000,
            max_wasm: 64 << 20,
            max_memory: 256 << 20,
            table_elements: 50_000,
            tick: Duration::from_millis(1),
            configure_time: Duration::from_secs(20),
            configure_wall: Duration::from_secs(60),
            allocation: Allocation::Pool,
            call: CallLimits::default(),
        }
    }
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            host_calls: 1_000_000,
            argument: 1 << 20,
            read: 1 << 30,
            part_text: 8 << 20,
            log_lines: 100,
            log_lines_for_life: 1000,
            log_line: 1024,
            scores: 100,
            notes: 32,
            note: 1024,
            pace: Duration::from_secs(30),
        }
    }
}
