//! Limits of the whole engine and of one call.

use std::path::PathBuf;
use std::time::Duration;

use lazaret_services::Services;
use serde::{Deserialize, Serialize};

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
    /// 1 ms and this, or as long as one instruction takes that fills its whole memory. Default 1 ms.
    pub tick: Duration,
    /// of preparing one filter
    pub prepare: PrepareLimits,
    /// who prepares filters; default is [`Preparer::InProcess`]
    pub preparer: Preparer,
    /// filters prepared at once; others wait. Default 2.
    pub preparations: usize,
    /// private directory for compiled code, made where it is missing; none by default
    pub cache: Option<PathBuf>,
    /// octets that it may hold; the least recently used are removed. Default 2 GiB.
    pub cache_size: u64,
    /// preallocated slots, or memory from the system at each fork; default is [`Allocation::Pool`]
    pub allocation: Allocation,
    /// of one call
    pub call: CallLimits,
    /// what filters may be granted of the outside; by default nobody is asked
    pub services: Services,
}

/// Who inspects, compiles, configures and takes snapshots.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Preparer {
    /// this process: for tests of the engine
    #[default]
    InProcess,
    /// a child process with limits of its own, one for each preparation
    Child {
        /// the program; run as `PROGRAM prepare ..`, it must end in [`crate::serve_preparation`]
        program: PathBuf,
    },
}

/// What the preparation of one filter may cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrepareLimits {
    /// CPU time of start functions, here and in each sandbox of a filter that cannot be a snapshot. Default 5 s.
    pub start_time: Duration,
    /// CPU time of `configure`. Default 20 s.
    pub configure_time: Duration,
    /// real time of start functions and `configure` together. Default 60 s.
    pub configure_wall: Duration,
    /// real time of everything; the child is killed then. Default 15 min: it gives way to all else, and what bounds its
    /// work is `cpu`.
    pub wall: Duration,
    /// CPU time of everything, all threads of the child together, in whole seconds. Default 5 min.
    pub cpu: Duration,
    /// octets of memory that the child may write to. Default 3 GiB.
    pub memory: u64,
    /// real time of trying the stages of a filter once it is prepared; what is left then is not tried. Default 10 s.
    pub trial_wall: Duration,
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
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// calls of `state`; further ones answer `limit`. Default 1000.
    pub state_calls: u32,
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
            prepare: PrepareLimits::default(),
            preparer: Preparer::InProcess,
            preparations: 2,
            cache: None,
            cache_size: 2 << 30,
            allocation: Allocation::Pool,
            call: CallLimits::default(),
            services: Services::default(),
        }
    }
}

impl Default for PrepareLimits {
    fn default() -> Self {
        Self {
            start_time: Duration::from_secs(5),
            configure_time: Duration::from_secs(20),
            configure_wall: Duration::from_secs(60),
            wall: Duration::from_secs(900),
            cpu: Duration::from_secs(300),
            memory: 3 << 30,
            trial_wall: Duration::from_secs(10),
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
            state_calls: 1000,
            pace: Duration::from_secs(30),
        }
    }
}
