//! What parent and child say to each other: frames of a JSON head and octets, each with its length before it.

use std::io::{self, ErrorKind, Read, Write};

use lazaret_mail::{Clues, LoadError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Order, Step};
use crate::contract::Permission;
use crate::inspect::{Inspection, Preparation};

/// Octets of a head.
const MAX_HEAD: u64 = 16 << 20;

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
        seen: Box<Inspection>,
        /// how it starts
        preparation: Preparation,
        /// how often something was compiled
        compiled: u32,
        /// octets of the table of lines
        lines: usize,
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

/// Writes a frame; its octets are the parts, one after the other.
pub fn write(out: &mut impl Write, head: &impl Serialize, parts: &[&[u8]]) -> io::Result<()> {
    let head = serde_json::to_vec(head)?;
    let octets: u64 = parts.iter().map(|part| part.len() as u64).sum();
    out.write_all(&(head.len() as u64).to_le_bytes())?;
    out.write_all(&octets.to_le_bytes())?;
    out.write_all(&head)?;
    parts.iter().try_for_each(|part| out.write_all(part))?;
    out.flush()
}

/// Reads a frame with at most `most` octets; none where the other side ended between two frames.
pub fn read<T: DeserializeOwned>(
    input: &mut impl Read,
    most: u64,
) -> io::Result<Option<(T, Vec<u8>)>> {
    let Some(head) = length(input)? else {
        return Ok(None);
    };
    let octets = length(input)?.ok_or(ErrorKind::UnexpectedEof)?;
    if head > MAX_HEAD || octets > most {
        return Err(io::Error::other("a frame is too large"));
    }
    let head = serde_json::from_slice(&exactly(input, head)?)?;
    Ok(Some((head, exactly(input, octets)?)))
}

fn length(input: &mut impl Read) -> io::Result<Option<u64>> {
    let mut octets = [0; 8];
    match input.read_exact(&mut octets) {
        Ok(()) => Ok(Some(u64::from_le_bytes(octets))),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

/// Grows with what really comes: the length is only the other side's word.
fn exactly(input: &mut impl Read, octets: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    input.take(octets).read_to_end(&mut read)?;
    if read.len() as u64 == octets {
        return Ok(read);
    }
    Err(ErrorKind::UnexpectedEof.into())
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
}
