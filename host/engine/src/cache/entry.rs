//! One file: a mark, the number of octets, a sum over its name and them, the octets.

use std::fs::File;
use std::io::{Read, Write};

use sha2::{Digest, Sha256};

/// The first octets of each entry. Another layout of entries gets another number.
const MARK: &[u8; 16] = b"lazaret-cache-2\n";
/// Octets before the body.
const HEAD: usize = MARK.len() + 8 + 32;

/// Writes a body made of these parts, of the entry of that name.
pub fn write(file: &mut File, name: &str, parts: &[&[u8]]) -> std::io::Result<()> {
    let mut sum = sum_of(name);
    parts.iter().for_each(|part| sum.update(part));
    let octets: u64 = parts.iter().map(|part| part.len() as u64).sum();
    file.write_all(MARK)?;
    file.write_all(&octets.to_le_bytes())?;
    file.write_all(&sum.finalize())?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

/// The body, if it is whole and was written under that name.
pub fn read(mut file: &File, name: &str) -> Option<Vec<u8>> {
    let mut head = [0; HEAD];
    file.read_exact(&mut head).ok()?;
    let (mark, head) = head.split_at(MARK.len());
    let (octets, sum) = head.split_at(8);
    let octets = u64::from_le_bytes(octets.try_into().ok()?);
    let held = file.metadata().ok()?.len().checked_sub(HEAD as u64)?;
    if mark != MARK || octets != held {
        return None;
    }
    let mut body = Vec::with_capacity(usize::try_from(octets).ok()?);
    file.take(octets).read_to_end(&mut body).ok()?;
    let found = sum_of(name).chain_update(&body).finalize();
    (found.as_slice() == sum).then_some(body)
}

/// Names are of one length for each kind, and no kind begins another.
fn sum_of(name: &str) -> Sha256 {
    Sha256::new_with_prefix(name)
}
