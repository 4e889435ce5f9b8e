//! Where a message waits for its verdict: in memory up to a limit, then in an unlinked file. Nothing survives a crash,
//! and nothing needs to: the client has not been told 250 yet.

mod share;

use std::fs::File;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use lazaret_mail::Content;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::admission::network;
use share::{Share, Shares};

/// Octets are handed to the disk in blocks of this size: each is a hop to another thread, which costs more than the
/// writing if blocks are small. A message in a file has the memory of two, one that fills and one that is written.
const BLOCK: usize = 256 << 10;
/// In blocks of this size when many messages are in memory.
const SMALL_BLOCK: usize = 32 << 10;

/// Where messages are spooled, how much of all of them may be in memory, and how much there may be at all.
#[derive(Debug)]
pub(crate) struct Spooler {
    directory: PathBuf,
    room: Room,
    usage: Arc<Usage>,
}

/// How many octets of messages are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Room {
    /// of one message in memory
    pub(crate) memory_each: usize,
    /// of all messages in memory
    pub(crate) memory_total: usize,
    /// of all messages that have not been answered for, wherever they are
    pub(crate) in_flight: u64,
    /// of those, from one client
    pub(crate) in_flight_per_client: u64,
}

/// Which limit a message meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crowded {
    /// `in-flight`
    All,
    /// `in-flight-per-client`
    Client,
}

impl Crowded {
    /// As in the configuration.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Crowded::All => "in-flight",
            Crowded::Client => "in-flight-per-client",
        }
    }
}

/// Octets of messages now; shared by the spoolers of all configurations.
#[derive(Debug, Default)]
struct Usage {
    in_memory: AtomicUsize,
    in_files: AtomicUsize,
    in_flight: AtomicU64,
    shares: Arc<Shares>,
}

/// A message being received.
#[derive(Debug)]
pub(crate) struct Spool {
    waiting: BytesMut,
    file: Option<Arc<File>>,
    filed: u64,
    /// octets of a block
    block: usize,
    /// the block before, which gives its buffer back
    writing: Option<Writing>,
    reservation: Reservation,
}

type Writing = JoinHandle<io::Result<BytesMut>>;

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
    /// in memory
    octets: usize,
    /// 1 while the message is in a file
    files: usize,
    /// in memory and in files
    in_flight: u64,
    /// where they are counted for the client
    share: Arc<Share>,
}

impl Spooler {
    pub(crate) fn new(directory: PathBuf, room: Room) -> Arc<Self> {
        Self::with(directory, room, Arc::default())
    }

    /// The same by another configuration: what waits counts on.
    pub(crate) fn renewed(&self, directory: PathBuf, room: Room) -> Arc<Self> {
        Self::with(directory, room, Arc::clone(&self.usage))
    }

    fn with(directory: PathBuf, room: Room, usage: Arc<Usage>) -> Arc<Self> {
        Arc::new(Self {
            directory,
            room,
            usage,
        })
    }

    /// Which limit a message of this size from this client would meet. Not promised to it: it is asked again as its
    /// octets come.
    pub(crate) fn is_crowded(&self, client: IpAddr, octets: u64) -> Option<Crowded> {
        let of_client = self
            .usage
            .shares
            .now(network(client))
            .saturating_add(octets);
        self.room
            .met_by(self.in_flight().saturating_add(octets), of_client)
    }

    /// Octets of messages that have not been answered for.
    pub(crate) fn in_flight(&self) -> u64 {
        self.usage.in_flight.load(Ordering::Relaxed)
    }

    /// Octets in memory and messages in files, now.
    pub(crate) fn now(&self) -> (usize, usize) {
        let memory = self.usage.in_memory.load(Ordering::Relaxed);
        (memory, self.usage.in_files.load(Ordering::Relaxed))
    }

    /// Starts a message of this client.
    pub(crate) fn open(self: &Arc<Self>, client: IpAddr) -> Spool {
        let reservation = Reservation {
            spooler: Arc::clone(self),
            octets: 0,
            files: 0,
            in_flight: 0,
            share: self.usage.shares.of(network(client)),
        };
        Spool {
            waiting: BytesMut::new(),
            file: None,
            filed: 0,
            block: SMALL_BLOCK,
            writing: None,
            reservation,
        }
    }
}

impl Room {
    /// The limit that so many octets of all and of one client are over.
    fn met_by(&self, all: u64, of_client: u64) -> Option<Crowded> {
        match () {
            () if of_client > self.in_flight_per_client => Some(Crowded::Client),
            () if all > self.in_flight => Some(Crowded::All),
            () => None,
        }
    }
}

impl Spool {
    /// Adds octets. An error is the disk's, full or broken, or says that too many octets are in flight.
    pub(crate) async fn push(&mut self, octets: &[u8]) -> io::Result<()> {
        self.reservation.admit(octets.len() as u64)?;
        if self.file.is_none() {
            if self.reservation.grow(self.waiting.len() + octets.len()) {
                self.make_room(octets.len());
                self.waiting.extend_from_slice(octets);
                return Ok(());
            }
            self.begin_file().await?;
        }
        self.fill_blocks(octets).await
    }

    /// A message that is no small one gets the buffer of a block at once, and keeps it when it goes to a file: one that
    /// doubles would leave its smaller ones behind.
    fn make_room(&mut self, octets: usize) {
        let most = BLOCK.min(self.reservation.spooler.room.memory_each);
        let needed = self.waiting.len() + octets;
        if needed > self.waiting.capacity() && (SMALL_BLOCK..=most).contains(&needed) {
            self.waiting.reserve(most - self.waiting.len());
        }
    }

    /// From here on in a file, block by block.
    async fn begin_file(&mut self) -> io::Result<()> {
        let directory = self.reservation.spooler.directory.clone();
        // Unlinked from the start (O_TMPFILE): no name to guess, nothing left behind.
        let file = blocking(move || tempfile::tempfile_in(directory)).await?;
        self.file = Some(Arc::new(file));
        self.reservation.file();
        if self.reservation.count_buffers(2 * BLOCK) {
            self.block = BLOCK;
        }
        Ok(())
    }

    /// Only whole blocks are written: file systems take them in larger pieces than what lies across their pages.
    async fn fill_blocks(&mut self, octets: &[u8]) -> io::Result<()> {
        let mut rest = octets;
        loop {
            if self.waiting.len() >= self.block {
                let whole = self.waiting.len() / self.block * self.block;
                let begun = self.waiting.split_off(whole);
                self.file_waiting().await?;
                self.waiting.extend_from_slice(&begun);
            }
            if rest.is_empty() {
                return Ok(());
            }
            let room = self.block - self.waiting.len();
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.waiting.reserve(room);
            self.waiting.extend_from_slice(now);
            rest = later;
        }
    }

    /// The first octets of what was pushed.
    pub(crate) async fn head(&mut self, octets: usize) -> io::Result<Bytes> {
        self.file_all().await?;
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
        self.file_all().await?;
        let content = match self.file {
            Some(file) => {
                self.reservation.release_memory();
                Content::File(file, self.filed)
            }
            None => Content::Memory(self.waiting.freeze()),
        };
        Ok(Spooled {
            content,
            _reservation: self.reservation,
        })
    }

    /// Whatever was pushed is in the file, if there is one.
    async fn file_all(&mut self) -> io::Result<()> {
        self.file_waiting().await?;
        self.written().await.map(drop)
    }

    /// Has what waits written, once the block before is.
    async fn file_waiting(&mut self) -> io::Result<()> {
        let Some(file) = self.file.clone().filter(|_| !self.waiting.is_empty()) else {
            return Ok(());
        };
        let next = self.written().await?;
        let block = std::mem::replace(&mut self.waiting, next);
        self.filed += block.len() as u64;
        self.writing = Some(spawn_blocking(move || {
            write_all(&file, &block).map(|()| block)
        }));
        Ok(())
    }

    /// The block before is written; an empty buffer, its own unless that has grown to what a message may have in memory.
    async fn written(&mut self) -> io::Result<BytesMut> {
        let Some(writing) = self.writing.take() else {
            return Ok(BytesMut::new());
        };
        let mut buffer = writing.await.map_err(io::Error::other)??;
        buffer.clear();
        Ok(match buffer.capacity() <= BLOCK {
            true => buffer,
            false => BytesMut::new(),
        })
    }
}

impl Reservation {
    /// Counts `octets` for this message; an error if that is more than may be in flight.
    fn admit(&mut self, octets: u64) -> io::Result<()> {
        let (usage, room) = (&self.spooler.usage, &self.spooler.room);
        let all = usage.in_flight.fetch_add(octets, Ordering::Relaxed) + octets;
        let of_client = self.share.add(octets);
        self.in_flight += octets;
        match room.met_by(all, of_client) {
            None => Ok(()),
            Some(crowded) => Err(io::Error::new(
                io::ErrorKind::QuotaExceeded,
                format!(
                    "`{}` is reached: {of_client} octets of this client, {all} of all",
                    crowded.key()
                ),
            )),
        }
    }

    /// Counts `octets` in memory for this message; false if that is more than is allowed.
    fn grow(&mut self, octets: usize) -> bool {
        let more = octets.saturating_sub(self.octets);
        let (in_memory, room) = (&self.spooler.usage.in_memory, &self.spooler.room);
        let before = in_memory.fetch_add(more, Ordering::Relaxed);
        let fits = octets <= room.memory_each && before + more <= room.memory_total;
        match fits {
            true => self.octets += more,
            false => drop(in_memory.fetch_sub(more, Ordering::Relaxed)),
        }
        fits
    }

    /// Counts the buffers of a message in a file in place of what was in memory. False, and nothing is counted, if that
    /// is more than half of what all messages may have: small ones need no file as long as there is memory.
    fn count_buffers(&mut self, octets: usize) -> bool {
        self.release_memory();
        let (in_memory, room) = (&self.spooler.usage.in_memory, &self.spooler.room);
        let before = in_memory.fetch_add(octets, Ordering::Relaxed);
        let fits = before + octets <= room.memory_total / 2;
        match fits {
            true => self.octets = octets,
            false => drop(in_memory.fetch_sub(octets, Ordering::Relaxed)),
        }
        fits
    }

    /// Counts the message among those in files.
    fn file(&mut self) {
        self.files = 1;
        let in_files = &self.spooler.usage.in_files;
        in_files.fetch_add(1, Ordering::Relaxed);
    }

    fn release_memory(&mut self) {
        let in_memory = &self.spooler.usage.in_memory;
        in_memory.fetch_sub(self.octets, Ordering::Relaxed);
        self.octets = 0;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release_memory();
        let in_flight = &self.spooler.usage.in_flight;
        in_flight.fetch_sub(self.in_flight, Ordering::Relaxed);
        self.share.take_back(self.in_flight);
        let in_files = &self.spooler.usage.in_files;
        in_files.fetch_sub(self.files, Ordering::Relaxed);
    }
}

/// The disk refused for want of room: the client hears 452, not 451.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

fn write_all(mut file: &File, block: &[u8]) -> io::Result<()> {
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

    fn spooler(memory_each: usize, memory_total: usize) -> Arc<Spooler> {
        let room = Room {
            memory_each,
            memory_total,
            in_flight: 1 << 30,
            in_flight_per_client: 1 << 30,
        };
        Spooler::new(std::env::temp_dir(), room)
    }

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    async fn spooled(spooler: &Arc<Spooler>, chunks: &[&[u8]]) -> Spooled {
        let mut spool = spooler.open(CLIENT);
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
        for (memory_total, block) in [(1, SMALL_BLOCK), (4 * BLOCK, BLOCK)] {
            let mut spool = spooler(1, memory_total).open(CLIENT);
            for _ in 0..256 {
                spool.push(&[b'x'; 4096]).await.unwrap();
                assert!(spool.waiting.capacity() <= block);
            }
        }
    }

    #[tokio::test]
    async fn large_blocks_are_counted_and_leave_half_of_the_memory() {
        let spooler = spooler(1, 8 * BLOCK);
        let mut spools: Vec<Spool> = (0..3).map(|_| spooler.open(CLIENT)).collect();
        for spool in &mut spools {
            spool.push(b"12").await.unwrap();
        }
        let blocks: Vec<usize> = spools.iter().map(|spool| spool.block).collect();
        assert_eq!(blocks, [BLOCK, BLOCK, SMALL_BLOCK]);
        assert_eq!(spooler.now(), (4 * BLOCK, 3));
        let whole = spools.pop().unwrap().finish().await.unwrap();
        let other = spools.pop().unwrap().finish().await.unwrap();
        assert_eq!(spooler.now(), (2 * BLOCK, 3));
        drop((spools, whole, other));
        assert_eq!(spooler.now(), (0, 0));
    }

    #[tokio::test]
    async fn octets_are_the_same_in_blocks_of_any_size() {
        let octets: Vec<u8> = (0..3 * BLOCK + 77).map(|n| (n % 251) as u8).collect();
        for (each, total) in [
            (1, 1),
            (1, 8 * BLOCK),
            (BLOCK, 8 * BLOCK),
            (2 * BLOCK + 9, 8 * BLOCK),
        ] {
            for size in [1000, 65_536, BLOCK, octets.len()] {
                let chunks: Vec<&[u8]> = octets.chunks(size).collect();
                let spooled = spooled(&spooler(each, total), &chunks).await;
                assert!(matches!(spooled.content, Content::File(..)));
                let read = spooled.content.read_at(0, usize::MAX).unwrap();
                assert!(read == octets, "{each} of {total}, pieces of {size}");
            }
        }
    }

    #[tokio::test]
    async fn what_had_a_large_buffer_gives_it_back_with_the_file() {
        let mut spool = spooler(300 << 10, 300 << 10).open(CLIENT);
        for _ in 0..80 {
            spool.push(&[b'x'; 4096]).await.unwrap();
        }
        assert!(spool.file.is_some());
        for _ in 0..80 {
            spool.push(&[b'x'; 4096]).await.unwrap();
        }
        assert!(spool.waiting.capacity() <= BLOCK, "{spool:?}");
    }

    #[tokio::test]
    async fn the_head_is_read_from_memory_and_from_a_file() {
        for each in [1, 99] {
            let mut spool = spooler(each, 99).open(CLIENT);
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
        let nowhere = "/nowhere/at/all".into();
        let spooler = spooler(1, 1).renewed(nowhere, spooler(1, 1).room);
        assert!(spooler.open(CLIENT).push(b"12").await.is_err());
    }

    #[tokio::test]
    async fn octets_in_flight_are_bounded_wherever_they_are_and_given_back() {
        let room = Room {
            memory_each: 4,
            memory_total: 99,
            in_flight: 10,
            in_flight_per_client: 10,
        };
        let spooler = Spooler::new(std::env::temp_dir(), room);
        let (mut first, mut second) = (spooler.open(CLIENT), spooler.open(OTHER));
        first.push(b"123456").await.unwrap();
        assert_eq!(spooler.is_crowded(OTHER, 4), None);
        assert_eq!(spooler.is_crowded(OTHER, 5), Some(Crowded::All));
        second.push(b"1234").await.unwrap();
        let full = second.push(b"5").await.unwrap_err();
        assert!(
            is_full(&full) && full.to_string().contains("`in-flight`"),
            "{full}"
        );
        drop(second);
        let whole = first.finish().await.unwrap();
        assert_eq!(spooler.in_flight(), 6);
        // Another configuration counts what waits under this one.
        let next = spooler.renewed(
            std::env::temp_dir(),
            Room {
                in_flight: 7,
                ..room
            },
        );
        assert_eq!(next.is_crowded(OTHER, 1), None);
        assert_eq!(next.is_crowded(OTHER, 2), Some(Crowded::All));
        drop(whole);
        assert_eq!(next.in_flight(), 0);
    }

    #[tokio::test]
    async fn one_client_has_its_share_of_what_is_in_flight() {
        let room = Room {
            memory_each: 4,
            memory_total: 99,
            in_flight: 10,
            in_flight_per_client: 6,
        };
        let spooler = Spooler::new(std::env::temp_dir(), room);
        let (mut first, mut second) = (spooler.open(CLIENT), spooler.open(CLIENT));
        first.push(b"1234").await.unwrap();
        second.push(b"12").await.unwrap();
        assert_eq!(spooler.is_crowded(CLIENT, 1), Some(Crowded::Client));
        let full = second.push(b"3").await.unwrap_err();
        assert!(
            is_full(&full) && full.to_string().contains("`in-flight-per-client`"),
            "{full}"
        );
        assert_eq!(spooler.is_crowded(OTHER, 3), None);
        spooler.open(OTHER).push(b"123").await.unwrap();
        drop((first, second));
        assert_eq!(spooler.is_crowded(CLIENT, 6), None);
        assert_eq!(spooler.in_flight(), 0);
    }
}
