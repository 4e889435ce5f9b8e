//! Compiled code on disk, so that a restart compiles nothing and a changed list compiles little.
//!
//! The directory is private to our user: it holds native code that is run, and snapshots that hold what was in
//! `[config]`. What is not ours, or open to others, is refused. Every entry is written aside and renamed, carries a sum
//! over its key and its octets, and is only taken under the exact key it was written with; one that is damaged is as good as none.

mod directory;
mod entry;
mod functions;
mod key;

use std::fs::{self, DirEntry, File, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

pub use directory::CacheError;
pub use functions::Functions;
pub use key::{Key, Makings};

/// What unfinished files are called; they become entries by being renamed.
const UNFINISHED: &str = "unfinished-";
/// Nobody writes for so long: what is unfinished after it was left by a process that died.
const LEFT_BEHIND: Duration = Duration::from_secs(3600);

/// A directory of entries.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
    size: u64,
}

impl Cache {
    /// Makes the directory where it is missing. `size` is how many octets it may hold.
    pub fn open(dir: &Path, size: u64) -> Result<Self, CacheError> {
        directory::make_private(dir)?;
        Ok(Self {
            dir: dir.to_owned(),
            size,
        })
    }

    /// Where it is, and how many octets it may hold.
    pub fn place(&self) -> (PathBuf, u64) {
        (self.dir.clone(), self.size)
    }

    /// The octets of an entry; none if there is none, or if it is damaged or not ours.
    pub fn read(&self, key: &Key) -> Option<Vec<u8>> {
        let name = key.file_name();
        let path = self.dir.join(&name);
        let file = open_private(&path)?;
        let body = entry::read(&file, &name);
        match &body {
            // The order in which entries are removed is that of their times.
            Some(_) => drop(file.set_modified(SystemTime::now())),
            None => {
                tracing::warn!(file = %path.display(), "an entry of the cache is damaged: it is made anew");
            }
        }
        body
    }

    /// Keeps an entry, made of these parts, and removes what is over the size. A disk that is full costs time at the
    /// next start, so it is a warning and no error.
    pub fn write(&self, key: &Key, parts: &[&[u8]]) {
        let written = self.write_aside(key, parts);
        if let Err(error) = written {
            tracing::warn!(dir = %self.dir.display(), %error, "the cache cannot be written");
        }
        if let Err(error) = self.sweep() {
            tracing::warn!(dir = %self.dir.display(), %error, "the cache cannot be swept");
        }
    }

    fn write_aside(&self, key: &Key, parts: &[&[u8]]) -> io::Result<()> {
        let (aside, mut file) = self.unfinished()?;
        let name = key.file_name();
        let written = entry::write(&mut file, &name, parts)
            .and_then(|()| file.flush())
            .and_then(|()| fs::rename(&aside, self.dir.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written
    }

    /// A file of a name that no other process has: where containers share a cache, all of them are number 1.
    fn unfinished(&self) -> io::Result<(PathBuf, File)> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let chance = RandomState::new().hash_one(count);
        let name = format!("{UNFINISHED}{}-{count}-{chance:016x}", std::process::id());
        let aside = self.dir.join(name);
        let file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&aside)?;
        Ok((aside, file))
    }

    /// Removes the least recently used entries until the rest fits.
    fn sweep(&self) -> io::Result<()> {
        let files = fs::read_dir(&self.dir)?.collect::<io::Result<Vec<_>>>()?;
        let mut held: Vec<Held> = files.iter().filter_map(Held::of).collect();
        held.sort();
        let mut octets: u64 = held.iter().map(|held| held.octets).sum();
        for one in held {
            if octets > self.size || one.used.is_none() {
                one.remove()?;
                octets -= one.octets;
            }
        }
        Ok(())
    }
}

/// A file that was made here. The directory may hold what is somebody else's, and that is nobody's to remove.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    /// None: it was left unfinished
    used: Option<SystemTime>,
    octets: u64,
    path: PathBuf,
}

impl Held {
    /// None for what is not ours, what somebody is writing, and what was removed meanwhile.
    fn of(file: &DirEntry) -> Option<Self> {
        let name = file.file_name();
        let name = name.to_str()?;
        let about = file.metadata().ok().filter(Metadata::is_file)?;
        let used = about.modified().ok()?;
        let left = || is_unfinished(name) && used.elapsed().is_ok_and(|age| age >= LEFT_BEHIND);
        let used = match key::is_entry(name) {
            true => Some(used),
            false if left() => None,
            false => return None,
        };
        Some(Self {
            used,
            octets: about.len(),
            path: file.path(),
        })
    }

    /// Others sweep, too.
    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A process, a count, and, since there is one, a random number of 16 digits.
fn is_unfinished(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(UNFINISHED) else {
        return false;
    };
    let is_of =
        |part: &str, digit: fn(&u8) -> bool| !part.is_empty() && part.as_bytes().iter().all(digit);
    let is_number = |part| is_of(part, u8::is_ascii_digit);
    match rest.split('-').collect::<Vec<_>>()[..] {
        [process, count] => is_number(process) && is_number(count),
        [process, count, chance] => {
            let is_chance = chance.len() == 16 && is_of(chance, u8::is_ascii_hexdigit);
            is_number(process) && is_number(count) && is_chance
        }
        _ => false,
    }
}

/// An entry's file, if it is a regular file of ours that nobody else may touch.
fn open_private(path: &Path) -> Option<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits();
    let opened = File::options()
        .read(true)
        .write(true)
        .custom_flags(flags.cast_signed())
        .open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "an entry of the cache cannot be opened");
            return None;
        }
    };
    let about = file.metadata().ok()?;
    if about.is_file() && directory::is_ours(&about) && about.mode() & 0o077 == 0 {
        return Some(file);
    }
    tracing::warn!(
        file = %path.display(),
        "an entry of the cache is not ours, or open to others: it is not used; remove it"
    );
    None
}

/// May this directory be the cache? Makes it where it is missing.
///
/// # Errors
/// It cannot be made, is not ours, or is open to others; the error says what to do.
pub fn check_cache(dir: &Path) -> Result<(), CacheError> {
    directory::make_private(dir)
}
