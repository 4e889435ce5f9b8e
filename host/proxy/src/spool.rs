//! Where a message waits for its verdict: in memory up to a limit, then in an unlinked file. Nothing survives a crash,
//! and nothing needs to: the client has not been told 250 yet.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use lazaret_mail::Content;
use tokio::task::spawn_blocking;

/// Octets are handed to the disk in blocks of this size; a message in a file keeps no more in memory.
const BLOCK: usize = 32 << 10;

/// Where messages are spooled, and how much of all of them may be in memory.
#[derive(Debug)]
pub(crate) struct Spooler {
    directory: PathBuf,
    memory_each: usize,
    memory_total: usize,
    in_memory: AtomicUsize,
    in_files: AtomicUsize,
}

/// A message being received.
#[derive(Debug)]
pub(crate) struct Spool {
    waiting: BytesMut,
    file: Option<Arc<File>>,
    filed: u64,
    reservation: Reservation,
}

/// A message received whole; the memory it takes is counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Spooled {
    /// its octets
    pub(crate) content: Content,
    _reservation: Reservation,
}

#[derive(Debug)]
struct Reservation {
    spooler: Arc<Spooler>,
    octets: usize,
    /// 1 while the message is in a file
    files: usize,
}

impl Spooler {
    pub(crate) fn new(directory: PathBuf, memory_each: usize, memory_total: usize) -> Arc<Self> {
        Arc::new(Self {
            directory,
            memory_each,
            memory_total,
            in_memory: AtomicUsize::new(0),
            in_files: AtomicUsize::new(0),
        })
    }

    /// Octets in memory and messages in files, now.
    pub(crate) fn now(&self) -> (usize, usize) {
        let memory = self.in_memory.load(Ordering::Relaxed);
        (memory, self.in_files.load(Ordering::Relaxed))
    }

    /// Starts a message.
    pub(crate) fn open(self: &Arc<Self>) -> Spool {
        let reservation = Reservation {
            spooler: Arc::clone(self),
            octets: 0,
            files: 0,
        };
        Spool {
            waiting: BytesMut::new(),
            file: None,
            filed: 0,
            reservation,
        }
    }
}

impl Spool {
    /// Adds octets. An error is the disk's: full, or broken.
    pub(crate) async fn push(&mut self, octets: &[u8]) -> io::Result<()> {
        if self.file.is_none() && !self.reservation.grow(self.waiting.len() + octets.len()) {
            let directory = self.reservation.spooler.directory.clone();
            // Unlinked from the start (O_TMPFILE): no name to guess, nothing left behind.
            self.file = Some(Arc::new(
                blocking(move || tempfile::tempfile_in(directory)).await?,
            ));
            self.reservation.file();
        }
        self.waiting.extend_from_slice(octets);
        if self.waiting.len() >= BLOCK && self.file.is_some() {
            self.file_waiting().await?;
        }
        Ok(())
    }

    /// The first octets of what was pushed.
    pub(crate) async fn head(&mut self, octets: usize) -> io::Result<Bytes> {
        self.file_waiting().await?;
        match &self.file {
            None => Ok(Bytes::copy_from_slice(&self.waiting[..octets])),
            Some(file) => {
                let content = Content::File(Arc::clone(file), self.filed);
                blocking(move || content.read_at(0, octets)).await
            }
        }
    }

    /// The message is complete.
    pub(crate) async fn finish(mut self) -> io::Result<Spooled> {
        self.file_waiting().await?;
        let content = match self.file {
            Some(file) => Content::File(file, self.filed),
            None => Content::Memory(self.waiting.freeze()),
        };
        Ok(Spooled {
            content,
            _reservation: self.reservation,
        })
    }

    async fn file_waiting(&mut self) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        let (file, block) = (Arc::clone(file), self.waiting.split().freeze());
        self.filed += block.len() as u64;
        blocking(move || write_all(&file, &block)).await?;
        self.reservation.release();
        Ok(())
    }
}

impl Reservation {
    /// Counts `octets` for this message; false if that is more than is allowed.
    fn grow(&mut self, octets: usize) -> bool {
        let more = octets.saturating_sub(self.octets);
        let before = self.spooler.in_memory.fetch_add(more, Ordering::Relaxed);
        let fits = octets <= self.spooler.memory_each && before + more <= self.spooler.memory_total;
        match fits {
            true => self.octets += more,
            false => drop(self.spooler.in_memory.fetch_sub(more, Ordering::Relaxed)),
        }
        fits
    }

    /// Counts the message among those in files.
    fn file(&mut self) {
        self.files = 1;
        self.spooler.in_files.fetch_add(1, Ordering::Relaxed);
    }

    fn release(&mut self) {
        self.spooler
            .in_memory
            .fetch_sub(self.octets, Ordering::Relaxed);
        self.octets = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
        self.spooler
            .in_files
            .fetch_sub(self.files, Ordering::Relaxed);
    }
}

/// The disk refused for want of room: the client hears 452, not 451.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn write_all(mut file: &File, block: &Bytes) -> io::Result<()> {
    file.write_all(block)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spooler(each: usize, total: usize) -> Arc<Spooler> {
        Spooler::new(std::env::temp_dir(), each, total)
    }

    async fn spooled(spooler: &Arc<Spooler>, chunks: &[&[u8]]) -> Spooled {
        let mut spool = spooler.open();
        for chunk in chunks {
            spool.push(chunk).await.unwrap();
        }
        spool.finish().await.unwrap()
    }

    #[tokio::test]
    async fn small_stays_in_memory_and_large_goes_to_a_file() {
        let spooler = spooler(10, 100);
        let small = spooled(&spooler, &[b"12345", b"67890"]).await;
        assert!(matches!(&small.content, Content::Memory(octets) if &octets[..] == b"1234567890"));
        let large = spooled(&spooler, &[b"12345", b"678901"]).await;
        assert!(matches!(large.content, Content::File(_, 11)));
        assert_eq!(&large.content.read_at(0, 99).unwrap()[..], b"12345678901");
    }

    #[tokio::test]
    async fn memory_is_bounded_over_all_messages_and_given_back() {
        let spooler = spooler(10, 15);
        let first = spooled(&spooler, &[b"1234567890"]).await;
        let second = spooled(&spooler, &[b"123456"]).await;
        assert!(matches!(second.content, Content::File(..)));
        assert_eq!(spooler.now(), (10, 1));
        drop((first, second));
        assert_eq!(spooler.now(), (0, 0));
        assert!(matches!(
            spooled(&spooler, &[b"123456"]).await.content,
            Content::Memory(_)
        ));
    }

    #[tokio::test]
    async fn a_message_in_a_file_takes_little_memory() {
        let mut spool = spooler(1, 1).open();
        for _ in 0..64 {
            spool.push(&[b'x'; 4096]).await.unwrap();
            assert!(spool.waiting.len() <= 2 * BLOCK);
        }
    }

    #[tokio::test]
    async fn the_head_is_read_from_memory_and_from_a_file() {
        for each in [1, 99] {
            let mut spool = spooler(each, 99).open();
            spool.push(b"A: 1\r\n\r\nbo").await.unwrap();
            assert_eq!(&spool.head(8).await.unwrap()[..], b"A: 1\r\n\r\n");
            spool.push(b"dy").await.unwrap();
            let whole = spool.finish().await.unwrap();
            assert_eq!(
                &whole.content.read_at(0, 99).unwrap()[..],
                b"A: 1\r\n\r\nbody"
            );
        }
    }

    #[tokio::test]
    async fn blocks_are_filed_in_order() {
        let spooler = spooler(1, 1);
        let block: Vec<u8> = (0..BLOCK + 7).map(|n| (n % 251) as u8).collect();
        let spooled = spooled(&spooler, &[&block, b"tail"]).await;
        let read = spooled.content.read_at(0, BLOCK + 99).unwrap();
        assert_eq!(read.len(), BLOCK + 11);
        assert_eq!(&read[..BLOCK + 7], &block[..]);
        assert_eq!(&read[BLOCK + 7..], b"tail");
    }

    #[tokio::test]
    async fn a_spool_directory_that_is_gone_is_an_error() {
        let spooler = Spooler::new("/nowhere/at/all".into(), 1, 1);
        assert!(spooler.open().push(b"12").await.is_err());
    }
}
