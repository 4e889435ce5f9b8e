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
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::admission::network;
use crate::workers::on_disk;
use share::{Share, Shares};

/// Octets are handed to the disk in blocks of this size: each is a hop to another thread, which costs more than the
/// writing if blocks are small. A message on its way into a file has the
/// memory of two, one that fills and one that is written.
const BLOCK: usize = 256 << 10;
/// In blocks of this size when half of the memory for all messages is in use. A message that reaches it is no small one.
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
    /// counted in memory: of the message, or of its buffers while it goes to a file
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
            if self.make_room(octets.len()) {
                self.waiting.extend_from_slice(octets);
                return Ok(());
            }
            self.begin_file().await?;
        }
        self.fill_blocks(octets).await
    }

    /// Room in memory for so many more octets; false if there is none. A message that is no small one gets the buffer of
    /// a block at once, all of it counted, and keeps it when it goes to a file: one that doubles would leave its smaller
    /// ones behind. Smaller ones, and what one may have beyond a block, count by their octets.
    fn make_room(&mut self, octets: usize) -> bool {
        let most = BLOCK.min(self.reservation.spooler.room.memory_each);
        let needed = self.waiting.len() + octets;
        if needed <= self.reservation.octets {
            return true;
        }
        if (SMALL_BLOCK..=most).contains(&needed) && self.reservation.grow(most) {
            self.waiting.reserve(most - self.waiting.len());
            return true;
        }
        self.reservation.grow(needed)
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

    /// Only whole blocks are written before the end: file systems take them in larger pieces than what lies across their pages.
    async fn fill_blocks(&mut self, octets: &[u8]) -> io::Result<()> {
        let mut rest = octets;
        loop {
            if self.waiting.len() >= self.block {
                let whole = self.waiting.len() / self.block * self.block;
                // Not split off: what is left of a buffer would keep all of it, and hide how large it is.
                let begun = BytesMut::from(&self.waiting[whole..]);
                self.waiting.truncate(whole);
                self.file_waiting().await?;
                self.waiting.reserve(self.block);
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
        let content = match self.file.take() {
            Some(file) => {
                self.reservation.release_memory();
                Content::File(file, self.filed)
            }
            None => Content::Memory(std::mem::take(&mut self.waiting).freeze()),
        };
        Ok(Spooled {
            content,
            _reservation: self.reservation.take(),
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
        self.writing = Some(on_disk(move || write_all(&file, &block).map(|()| block)));
        Ok(())
    }

    /// The block before is written; an empty buffer, its own unless that is larger than a block.
    async fn written(&mut self) -> io::Result<BytesMut> {
        let Some(writing) = &mut self.writing else {
            return Ok(BytesMut::new());
        };
        let written = writing.await;
        self.writing = None;
        let mut buffer = written.map_err(io::Error::other)??;
        buffer.clear();
        Ok(match buffer.capacity() <= self.block {
            true => buffer,
            false => BytesMut::new(),
        })
    }
}

/// A client that hangs up does not stop the disk: the block that is being written takes its memory until it is, and on a
/// disk that is slow or stands still, clients who come and go are not to pile up blocks that nobody counts.
impl Drop for Spool {
    fn drop(&mut self) {
        let writing = self.writing.take();
        let writing = writing.filter(|writing| !writing.is_finished());
        if let (Some(writing), Ok(runtime)) = (writing, Handle::try_current()) {
            let reservation = self.reservation.take();
            runtime.spawn(async move {
                // Nobody wants to know any more how it went.
                let _ = writing.await;
                drop(reservation);
            });
        }
    }
}

impl Reservation {
    /// All that is counted; behind it nothing is.
    fn take(&mut self) -> Self {
        let none = Self {
            spooler: Arc::clone(&self.spooler),
            octets: 0,
            files: 0,
            in_flight: 0,
            share: Arc::clone(&self.share),
        };
        std::mem::replace(self, none)
    }

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
    on_disk(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
