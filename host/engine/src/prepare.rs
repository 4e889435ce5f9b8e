//! From the octets of a filter to native code that starts configured: inspect, compile, configure, snapshot.
//!
//! [`prepare`] does it, on one thread and some helpers for compiling. In production it runs in a child process under
//! limits of its own (`child` there, `parent` here, `frames` between them), because what it works on comes from a
//! stranger and compilers were not written for enemies: whatever becomes of the child, this program only reads the
//! answer, and a filter that ends its preparation is a filter that does not load.

mod child;
mod configure;
mod frames;
mod parent;
mod pipe;
mod progress;
mod relay;
mod renewable;
mod snapshot;
mod workshop;

use std::fmt;
use std::path::PathBuf;

use lazaret_mail::LoadError;
use serde::{Deserialize, Serialize};

use crate::contract::Permission;
use crate::inspect::{Inspection, Preparation};
use crate::lines::Lines;
use crate::native::Native;
use crate::settings::{CallLimits, PrepareLimits};

pub use child::serve_preparation;
pub use parent::in_child;
pub use progress::{Progress, Watch};
pub use renewable::{GROUND, Ground, RESTORE, RUNS};
pub use workshop::prepare;

/// What shall be prepared, and under which limits. The octets of the component and its configuration go beside it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// the filter's name
    pub name: String,
    /// configured at once, or only compiled
    pub plan: Plan,
    /// octets of linear memory that the filter may use
    pub memory: u64,
    /// the largest `memory` that any filter may have
    pub max_memory: u64,
    /// elements of all its tables
    pub table_elements: usize,
    /// of one call
    pub call: CallLimits,
    /// of the preparation
    pub limits: PrepareLimits,
    /// where compiled code is kept, and how many octets of it
    pub cache: Option<(PathBuf, u64)>,
}

/// What a preparation ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Plan {
    /// a snapshot where one can be made
    Snapshot,
    /// the component as it is
    Plain,
}

/// How far a preparation has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// for its turn
    #[default]
    Waiting,
    /// reading its types
    Inspecting,
    /// to native code
    Compiling,
    /// running its start functions and `configure`
    Configuring,
    /// copying its memory
    Freezing,
    /// the same again, with that memory
    Finishing,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Waiting => "waiting for its turn",
            Step::Inspecting => "inspecting it",
            Step::Compiling => "compiling it",
            Step::Configuring => "running its configure",
            Step::Freezing => "taking its snapshot",
            Step::Finishing => "compiling its snapshot",
        })
    }
}

/// A prepared filter.
#[derive(Clone, Debug)]
pub struct Product {
    /// what it is
    pub seen: Inspection,
    /// how its sandboxes will start
    pub preparation: Preparation,
    /// where used ones can be put back: the memory they start with
    pub ground: Option<Ground>,
    /// how often a component had to be compiled for it
    pub compiled: u32,
    /// lines of its source, for backtraces
    pub lines: Lines,
    /// what sandboxes are made from
    pub code: Native,
}

/// A product without its lines and its code, which follow it in the cache and on the way from a child.
#[derive(Debug, Serialize, Deserialize)]
pub struct Head {
    seen: Inspection,
    preparation: Preparation,
    ground: Option<Ground>,
    /// octets of the table of lines that follows
    lines: usize,
}

impl Product {
    /// All but lines and code.
    pub fn head(&self) -> Head {
        Head {
            seen: self.seen.clone(),
            preparation: self.preparation.clone(),
            ground: self.ground,
            lines: self.lines.octets().len(),
        }
    }

    /// What a head says, with the lines and the code that follow it; None where they are fewer than it says.
    pub fn made(head: Head, compiled: u32, mut octets: Vec<u8>) -> Option<Self> {
        if head.lines > octets.len() {
            return None;
        }
        let code = octets.split_off(head.lines);
        Some(Self {
            seen: head.seen,
            preparation: head.preparation,
            ground: head.ground,
            compiled,
            lines: Lines::from_octets(octets),
            code: Native::of_our_own(code),
        })
    }

    /// The head for the cache, as octets.
    pub fn head_octets(&self) -> Vec<u8> {
        let head = serde_json::to_vec(&self.head()).expect("plain data is always JSON");
        let length = u32::try_from(head.len()).expect("names are shortened");
        [&length.to_le_bytes()[..], &head].concat()
    }

    /// From an entry of our cache: a head, lines and code.
    pub fn from_octets(mut octets: Vec<u8>) -> Option<Self> {
        let length = u32::from_le_bytes(*octets.first_chunk()?);
        let end = usize::try_from(length).ok()?.checked_add(4)?;
        let head: Head = serde_json::from_slice(octets.get(4..end)?).ok()?;
        octets.drain(..end);
        Self::made(head, 0, octets)
    }
}

/// Whoever ordered a preparation: hears how far it is, and settles rights between inspection and compilation, so that
/// a filter without its rights costs no compiling.
pub trait Desk {
    /// The next step begins.
    fn step(&mut self, step: Step);
    /// Which permissions are linked to a stub that says no; or the filter is refused.
    fn settle(&mut self, seen: &Inspection) -> Result<Vec<Permission>, LoadError>;
}
