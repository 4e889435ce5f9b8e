//! Permission `parts`: the MIME tree (RFC 2045), parsed by the host, at the stage `message`.

use crate::Error;
pub use crate::bindings::permissions::lazaret::filter::parts::Part;
use crate::body::CHUNK;
use crate::host::parts as host;

/// Every part, parents before their children.
///
/// # Errors
/// [`Error::Limit`] when the message exceeds the host's depth or part budget, or is built so that mail programs see
/// different parts or names in it (judge it as unparsed), and when all reads of the call reach 1 GiB;
/// [`Error::Unavailable`] when the host has no memory left for it now or cannot read the spool (defer),
/// [`Error::NotNow`] before the message is complete, [`Error::NotGranted`].
pub fn all() -> Result<Vec<Part>, Error> {
    host::all()
}

/// Decoded octets of a part, at most 64 KiB a call; short at the end, empty past it.
///
/// # Errors
/// [`Error::Invalid`] when there is no such part, else as [`all`].
pub fn read(part: u32, offset: u32, length: u32) -> Result<Vec<u8>, Error> {
    host::read(part, offset, length)
}

/// Decoded octets of a part from `offset` on, in as many calls as it takes; short at the end of the part.
///
/// # Errors
/// As [`read`].
pub fn read_all(part: u32, offset: u32, length: u32) -> Result<Vec<u8>, Error> {
    let mut octets = Vec::new();
    while let Some(missing @ 1..) = length.checked_sub(octets.len() as u32) {
        let chunk = read(
            part,
            offset.saturating_add(octets.len() as u32),
            missing.min(CHUNK),
        )?;
        if chunk.is_empty() {
            break;
        }
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}

/// A text part as UTF-8.
///
/// # Errors
/// [`Error::Invalid`] when there is no such text part, [`Error::Limit`] over 8 MiB of decoded octets, else as [`all`].
pub fn text(part: u32) -> Result<String, Error> {
    host::text(part)
}
