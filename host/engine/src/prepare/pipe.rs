//! Frames on a pipe: a JSON head and octets, each with its length before it. Knows nothing of what they say.

use std::io::{self, ErrorKind, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(test)]
#[path = "../../tests/checks/frames.rs"]
pub mod checks;

/// Octets of a head.
const MAX_HEAD: u64 = 16 << 20;

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
