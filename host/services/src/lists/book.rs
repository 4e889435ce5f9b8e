//! One list: its file, and what was read of it last.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::Kind;
use super::table::{LINE, Table, broken, parse};
use crate::{Fault, Refused};

/// Octets of a file, at most.
const FILE: u64 = 512 << 20;

/// Differs if a file was written or replaced: device, inode, size, times of content and entry. None: not there.
type Stamp = Option<[i128; 5]>;

pub struct Book {
    path: PathBuf,
    kind: Kind,
    table: RwLock<Arc<Table>>,
    /// held while the file is read, which may take as long as it likes
    watched: Mutex<Watched>,
    /// never held while anything waits: health is asked where mail is carried
    trouble: Mutex<Option<String>>,
}

struct Watched {
    /// what was read, or could not be
    tried: Stamp,
    /// what was seen last
    seen: Stamp,
}

impl Book {
    /// Reads it. Blocks.
    pub fn open(path: PathBuf, kind: Kind) -> Result<Self, Fault> {
        let tried = stamp(&path);
        let table = read(&path, kind)?;
        Ok(Self {
            path,
            kind,
            table: RwLock::new(Arc::new(table)),
            watched: Mutex::new(Watched { tried, seen: tried }),
            trouble: Mutex::default(),
        })
    }

    /// Reads it again if it changed and is still. Blocks.
    pub fn look(&self) {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = stamp(&self.path);
        let is_still = std::mem::replace(&mut watched.seen, seen) == seen;
        if watched.tried == seen || !is_still {
            return;
        }
        let read = read(&self.path, self.kind);
        // Written while it was read: the next look will find it still.
        if stamp(&self.path) != seen {
            return;
        }
        watched.tried = seen;
        match read {
            Ok(table) => {
                let entries = table.len();
                *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
                *self.trouble_now() = None;
                tracing::info!(list = %self.path.display(), entries, "list read again");
            }
            Err(fault) => {
                tracing::error!(%fault, "a list changed and cannot be read: what was read before stays");
                *self.trouble_now() = Some(fault.to_string());
            }
        }
    }

    pub fn trouble(&self) -> Option<String> {
        self.trouble_now().clone()
    }

    fn trouble_now(&self) -> MutexGuard<'_, Option<String>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn lookup(&self, entry: &str) -> Result<Option<String>, Refused> {
        // No line is longer. Of a stranger's megabyte each dot would be a search.
        if entry.len() > LINE {
            return Ok(None);
        }
        let table = self
            .table
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        table.find(entry)
    }
}

fn read(path: &Path, kind: Kind) -> Result<Table, Fault> {
    parse(path, &text(path)?, kind)
}

fn text(path: &Path) -> Result<String, Fault> {
    let shown = path.display();
    let unreadable = |error: &dyn std::fmt::Display| {
        let problem = format!("the list {shown} cannot be read: {error}");
        Fault::new(problem, "check that it exists and who may read it")
    };
    let metadata = std::fs::metadata(path).map_err(|e| unreadable(&e))?;
    if !metadata.is_file() {
        return Err(unreadable(&"it is not a regular file"));
    }
    if metadata.len() > FILE {
        let problem = format!("the list {shown} is over {} MiB", FILE >> 20);
        return Err(Fault::new(problem, "split it"));
    }
    let mut octets = Vec::new();
    let file = File::open(path).map_err(|e| unreadable(&e))?;
    file.take(FILE)
        .read_to_end(&mut octets)
        .map_err(|e| unreadable(&e))?;
    let text = String::from_utf8(octets).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|octet| **octet == b'\n').count() + 1;
        broken(path, line, "not UTF-8 text")
    })?;
    match text.strip_prefix('\u{feff}') {
        Some(rest) => Ok(rest.to_owned()),
        None => Ok(text),
    }
}

/// Wherever a link leads: those who keep lists elsewhere change where it leads.
fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    let time = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    Some([
        metadata.dev().into(),
        metadata.ino().into(),
        metadata.len().into(),
        time(metadata.mtime(), metadata.mtime_nsec()),
        time(metadata.ctime(), metadata.ctime_nsec()),
    ])
}
