//! The fault table: everything that happens to a proxy but must not happen to mail.
//!
//! Each [`Row`] starts the program as a process of its own, lets it run quietly, hurts it while clients send, and closes the
//! books: what was accepted is at the backend once, what was refused is not, the others hardly noticed, and the process
//! holds what it held before.
//!
//! * [`rows`] has the rows, by what is hurt; [`ground`] is what a row is played on, [`mod@run`] plays it, [`report`] and
//!   [`page`] tell.
//! * [`load`], [`client`], [`letter`] send; [`ledger`] are the books; [`beside`] is the client that watches the clock;
//!   [`held`] is what a process holds, [`plays`] whether that comes to rest, [`gauges`] what it says so itself, [`signs`] what
//!   it tells its service manager, [`outside`] are the servers that filters ask.
//! * [`crowd`] is `cargo xtask crowd`: thousands of connections that are slow or idle.

use std::time::Duration;

use crate::program::Launch;
use crate::proxy::Builder;

pub mod beside;
pub mod cgroup;
pub mod client;
pub mod crowd;
pub mod gauges;
pub mod ground;
pub mod held;
pub mod ledger;
pub mod letter;
pub mod load;
pub mod outside;
pub mod page;
pub mod plays;
pub mod report;
pub mod rows;
pub mod run;
pub mod signs;

pub use ground::Ground;
pub use outside::Outside;
pub use run::{Outcome, run};

/// One fault.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// as in the table of the project's threats
    pub number: u8,
    /// in a few words
    pub fault: &'static str,
    /// changes the configuration
    pub site: fn(Builder, &Outside) -> Builder,
    /// how the program is started, or why it cannot be here
    pub launch: fn() -> Result<Launch, String>,
    /// who feels the fault
    pub neighbour: Neighbour,
    /// whether the process may end
    pub process: Process,
    /// hurts it; panics with what went wrong, or tells what was seen
    pub play: fn(&mut Ground) -> String,
}

/// The client beside the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Neighbour {
    /// must not notice: all its messages are accepted, and their 99th percentile is judged
    Spared,
    /// the same, but for this reply
    MayHear(u16),
    /// shares the fault, which is of all sessions
    Shares,
}

/// The process that is hurt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Process {
    /// never exits
    Stays,
    /// is ended by the row
    Ends,
}

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    /// messages of each row, at least
    pub messages: usize,
}

impl Scale {
    /// The whole table.
    pub const WHOLE: Scale = Scale { messages: 500 };
    /// For plain `cargo test`.
    pub const SHORT: Scale = Scale { messages: 80 };

    /// Is this the whole table, or more than it? Less is played beside other tests, on a machine that is late with
    /// everything: what is lost or doubled is judged the same, what took long less strictly.
    pub fn is_whole(self) -> bool {
        self.messages >= Scale::WHOLE.messages
    }

    /// How long something may take that may take so long in the whole table.
    pub fn patience(self, whole: Duration) -> Duration {
        match self.is_whole() {
            true => whole,
            false => whole * 6,
        }
    }

    /// One of so many parts of a row's messages, rounded up.
    pub fn share(self, parts: usize) -> usize {
        self.messages.div_ceil(parts)
    }

    /// How often something is to be done that is done so many times in the whole table.
    pub fn times(self, whole: usize) -> usize {
        (whole * self.messages / Scale::WHOLE.messages).max(1)
    }
}

impl Row {
    /// A row of an ordinary program with an ordinary configuration, whose neighbours are spared.
    pub const fn new(number: u8, fault: &'static str, play: fn(&mut Ground) -> String) -> Self {
        Self {
            number,
            fault,
            site: |builder, _| builder,
            launch: || {
                Ok(Launch {
                    by: Vec::new(),
                    environment: Vec::new(),
                    log: crate::program::Log::File,
                    sockets: crate::program::Sockets::Own,
                })
            },
            neighbour: Neighbour::Spared,
            process: Process::Stays,
            play,
        }
    }
}
