//! Permission `body`: the message as octets (header section, empty line, body), at the stage `message`.

use crate::Error;
use crate::host::body as host;

/// Octets the host hands out in one call.
pub const CHUNK: u32 = 64 * 1024;

/// Size of the message in octets.
pub fn size() -> u32 {
    host::size()
}

/// At most [`CHUNK`] octets from `offset` on; short at the end, empty past it.
///
/// # Errors
/// [`Error::NotNow`] before the message is complete, [`Error::NotGranted`].
pub fn read(offset: u32, length: u32) -> Result<Vec<u8>, Error> {
    host::read(offset, length)
}

/// The whole message in chunks of up to [`CHUNK`] octets; ends after the last octet or the first error.
pub fn chunks() -> Chunks {
    Chunks { next: Some(0) }
}

/// See [`chunks`].
#[derive(Clone, Debug)]
pub struct Chunks {
    next: Option<u32>,
}

impl Iterator for Chunks {
    type Item = Result<Vec<u8>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let offset = self.next.take()?;
        match read(offset, CHUNK) {
            Ok(chunk) if chunk.is_empty() => None,
            Ok(chunk) => {
                // One that is short is the last.
                if chunk.len() == CHUNK as usize {
                    self.next = offset.checked_add(CHUNK);
                }
                Some(Ok(chunk))
            }
            Err(error) => Some(Err(error)),
        }
    }
}
