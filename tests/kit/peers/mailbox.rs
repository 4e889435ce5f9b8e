//! What all backends of others have in common: a port, a log, a Maildir.

use std::fmt::Debug;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a mail server may take to start, and to deliver.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A mail server of others that delivers into a Maildir.
pub trait Backend: Debug {
    /// With its version, e.g. `Postfix 3.7.11`.
    fn name(&self) -> String;

    /// Where it listens.
    fn address(&self) -> SocketAddr;

    /// Its log so far.
    fn log(&self) -> String;

    /// The directory of new messages.
    fn inbox(&self) -> PathBuf;

    /// How the fields begin that it puts on top itself, in order.
    fn own_fields(&self) -> &[&str];

    /// What in its reply to the end of data is its own name for the message.
    fn id_in<'r>(&self, reply: &'r str) -> &'r str;

    /// The messages delivered, once there are `count`; waits up to half a minute for them.
    fn arrived(&self, count: usize) -> Vec<Arrived> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let files = files_by_age(&self.inbox());
            if files.len() >= count || Instant::now() >= deadline {
                let own = self.own_fields();
                return files.iter().map(|file| Arrived::read(file, own)).collect();
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A message as it was delivered, with CRLF again at the end of each line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrived {
    /// the fields that the backend itself put on top
    pub own: Vec<u8>,
    /// everything below
    pub octets: Vec<u8>,
}

impl Arrived {
    fn read(file: &Path, own: &[&str]) -> Self {
        let stored = std::fs::read(file).expect("a delivered message");
        let mut octets = Vec::with_capacity(stored.len() + stored.len() / 40);
        for line in stored.split_inclusive(|octet| *octet == b'\n') {
            octets.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(line));
            octets.extend_from_slice(b"\r\n");
        }
        let body = octets.split_off(length_of(own, &octets));
        Self {
            own: octets,
            octets: body,
        }
    }
}

/// The length of the fields with these names, which must be on top.
fn length_of(names: &[&str], octets: &[u8]) -> usize {
    // Whatever is in the body, a header section is text.
    let text = String::from_utf8_lossy(octets);
    let mut lines = text.split_inclusive("\r\n").peekable();
    let mut length = 0;
    for name in names {
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with(name), "{first:?} where {name} should be");
        length += first.len();
        while let Some(folded) = lines.next_if(|line| line.starts_with([' ', '\t'])) {
            length += folded.len();
        }
    }
    length
}

pub(super) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The files of a directory, the oldest first.
fn files_by_age(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some((path.metadata().ok()?.modified().ok()?, path))
        })
        .collect();
    files.sort();
    files.into_iter().map(|(_, path)| path).collect()
}

/// Waits until somebody does; panics with what `log` says if nobody comes.
pub(super) fn wait_until_it_listens(address: SocketAddr, log: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        assert!(
            Instant::now() < deadline,
            "nobody listens at {address}:\n{}",
            log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
