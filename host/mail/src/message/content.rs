use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

/// Octets of a received message, in memory or in an unlinked file. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Content {
    /// up to the spool's memory limit
    Memory(Bytes),
    /// an unlinked file; length in octets
    File(Arc<File>, u64),
}

impl Content {
    /// Octets.
    pub fn len(&self) -> u64 {
        match self {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File(_, len) => *len,
        }
    }

    /// Nothing in it?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// At most `length` octets from `offset`; short at the end, empty past it. A file that is shorter than it was
    /// said to be is an error: part of a message must never pass for the whole.
    pub fn read_at(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let left = self.len().saturating_sub(offset);
        let length = usize::try_from(left).map_or(length, |left| left.min(length));
        if length == 0 {
            return Ok(Bytes::new());
        }
        match self {
            Content::Memory(bytes) => {
                // `left` is not 0, so the offset lies inside the memory.
                let start = offset as usize;
                Ok(bytes.slice(start..start + length))
            }
            Content::File(file, _) => {
                let mut octets = BytesMut::zeroed(length);
                file.read_exact_at(&mut octets, offset)?;
                Ok(octets.freeze())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn both(octets: &[u8]) -> [Content; 2] {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(octets).unwrap();
        [
            Content::Memory(Bytes::copy_from_slice(octets)),
            Content::File(Arc::new(file), octets.len() as u64),
        ]
    }

    #[test]
    fn reads_are_short_at_the_end_and_empty_past_it() {
        for content in both(b"0123456789") {
            for (offset, length, octets) in [
                (0, 4, &b"0123"[..]),
                (8, 4, b"89"),
                (10, 4, b""),
                (u64::MAX, 4, b""),
                (3, 0, b""),
                (0, usize::MAX, b"0123456789"),
            ] {
                assert_eq!(content.read_at(offset, length).unwrap(), octets);
            }
        }
    }

    #[test]
    fn a_truncated_file_is_an_error() {
        let content = Content::File(Arc::new(tempfile::tempfile().unwrap()), 10);
        assert!(content.read_at(0, 10).is_err());
    }
}
