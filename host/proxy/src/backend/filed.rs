//! A spooled message on its way out, block by block. It was written a moment ago, so nearly always the system has it in
//! memory still: then it is read where we are, without a hop to a thread that may wait for the disk.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use rustix::io::{ReadWriteFlags, preadv2};

use crate::workers::on_disk;

/// Octets of a block.
const BLOCK: usize = 256 << 10;

/// Blocks of a file, one after the other in the same buffer.
#[derive(Debug)]
pub(super) struct Blocks {
    file: Arc<File>,
    /// of the next block
    offset: u64,
    /// where the file ends
    end: u64,
    buffer: Vec<u8>,
}

impl Blocks {
    /// From `offset` to `end`.
    pub(super) fn new(file: Arc<File>, offset: u64, end: u64) -> Self {
        let length = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
        Self {
            file,
            offset,
            end,
            buffer: vec![0; length.min(BLOCK)],
        }
    }

    /// The next block; None behind the last. A file that is shorter than it was said to be is an error: part of a message
    /// must never pass for the whole.
    pub(super) async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let left = usize::try_from(self.end.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        if left == 0 {
            return Ok(None);
        }
        self.buffer.resize(left.min(BLOCK), 0);
        let here = self.read_now();
        if here < self.buffer.len() {
            self.read_rest(here).await?;
        }
        self.offset += self.buffer.len() as u64;
        Ok(Some(&self.buffer))
    }

    /// Reads what is in memory; how many octets of the block that is. Not every file system can tell: then none.
    fn read_now(&mut self) -> usize {
        let room = &mut [IoSliceMut::new(&mut self.buffer)];
        preadv2(&self.file, room, self.offset, ReadWriteFlags::NOWAIT).unwrap_or(0)
    }

    /// Reads the block from `from` on, where waiting is allowed.
    async fn read_rest(&mut self, from: usize) -> io::Result<()> {
        let (file, offset) = (Arc::clone(&self.file), self.offset + from as u64);
        let mut buffer = std::mem::take(&mut self.buffer);
        let read = on_disk(move || {
            let read = file.read_exact_at(&mut buffer[from..], offset);
            read.map(|()| buffer)
        });
        self.buffer = read.await.map_err(io::Error::other)??;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(octets: &[u8]) -> Arc<File> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(octets).unwrap();
        Arc::new(file)
    }

    async fn all(mut blocks: Blocks) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        while let Some(block) = blocks.next().await? {
            octets.extend_from_slice(block);
        }
        Ok(octets)
    }

    #[tokio::test]
    async fn blocks_are_the_file_from_any_place() {
        for length in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, BLOCK * 3 + 7] {
            let octets: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            for offset in [0, 1, BLOCK - 1, BLOCK, length] {
                let blocks = Blocks::new(file(&octets), offset as u64, length as u64);
                let expected = octets.get(offset..).unwrap_or_default();
                assert!(all(blocks).await.unwrap() == expected, "{offset}, {length}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_not_in_memory_is_read_behind_what_is() {
        let octets: Vec<u8> = (0..BLOCK + 9).map(|n| (n % 251) as u8).collect();
        for from in [0, 1, 4096] {
            let mut blocks = Blocks::new(file(&octets), 5, octets.len() as u64);
            blocks.read_now();
            blocks.buffer[from..].fill(0);
            blocks.read_rest(from).await.unwrap();
            assert!(blocks.buffer == octets[5..5 + BLOCK], "{from}");
        }
    }

    #[tokio::test]
    async fn a_truncated_file_is_an_error() {
        let mut blocks = Blocks::new(file(&[b'x'; BLOCK + 5]), 0, BLOCK as u64 + 6);
        assert_eq!(blocks.next().await.unwrap().map(<[u8]>::len), Some(BLOCK));
        assert!(blocks.next().await.is_err());
        assert!(blocks.next().await.is_err(), "it never ends by itself");
    }
}
