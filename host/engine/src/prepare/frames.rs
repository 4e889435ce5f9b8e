//! What parent and child say to each other, in the frames of [`pipe`](super::pipe).

use lazaret_mail::{Clues, LoadError};
use serde::{Deserialize, Serialize};

pub use super::pipe::{read, write};
use super::{Head, Order, Step};
use crate::contract::Permission;
use crate::inspect::Inspection;

/// From the parent.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToChild {
    /// the first frame; its octets are the configuration and then the component
    Prepare {
        /// what shall be done
        order: Box<Order>,
        /// octets of the configuration
        config: u64,
        /// of the program that ordered it
        version: String,
    },
    /// the answer to `Seen`: these are denied
    Settled(Vec<Permission>),
}

/// From the child.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromChild {
    /// a step begins
    Step(Step),
    /// what the component is; the child waits for `Settled`
    Seen(Box<Inspection>),
    /// a line for the log
    Said {
        /// of the line, e.g. `WARN`
        level: String,
        /// by the guest, or by us?
        by: Voice,
        /// made printable
        message: String,
    },
    /// the last frame; its octets are the table of lines and then the code
    Made {
        /// what it is
        head: Box<Head>,
        /// how often something was compiled
        compiled: u32,
    },
    /// the last frame
    Refused {
        /// what is wrong
        problem: String,
        /// what to do
        cure: String,
        /// of the clues: what a limit was about
        detail: Option<String>,
        /// of the clues
        stderr: Vec<String>,
        /// of the clues
        backtrace: Vec<String>,
    },
}

/// Whose words a line in the log has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Voice {
    /// the filter's
    Guest,
    /// ours
    Host,
}

impl FromChild {
    /// A load error on its way; the parent knows the file.
    pub fn refused(error: LoadError) -> Self {
        let Clues {
            detail,
            stderr,
            backtrace,
        } = *error.clues;
        FromChild::Refused {
            problem: error.problem,
            cure: error.cure,
            detail,
            stderr,
            backtrace,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_comes_back_and_a_cut_or_huge_one_does_not() {
        let mut pipe = Vec::new();
        write(&mut pipe, &FromChild::Step(Step::Freezing), &[b"ab", b"c"]).unwrap();
        let read_all = |octets: &[u8], most| read::<FromChild>(&mut &*octets, most);
        let (head, octets) = read_all(&pipe, 3).unwrap().unwrap();
        assert!(matches!(head, FromChild::Step(Step::Freezing)));
        assert_eq!(octets, b"abc");
        assert!(read_all(b"", 3).unwrap().is_none());
        assert!(read_all(&pipe, 2).is_err(), "over its limit");
        for cut in 8..pipe.len() {
            assert!(read_all(&pipe[..cut], 3).is_err(), "cut at {cut}");
        }
        assert!(read_all(&[0xff; 64], u64::MAX).is_err());
    }

    /// What the fuzz target `frames` found or began with: no panic, whatever a child writes.
    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("frames", |octets| {
            super::super::pipe::checks::frames(octets);
            let mut input = octets;
            while let Ok(Some((_, octets))) = read::<FromChild>(&mut input, 1000) {
                assert!(octets.len() <= 1000);
            }
        });
    }
}
