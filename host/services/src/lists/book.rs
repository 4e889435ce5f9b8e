//! One list: its file, and what was read of it last.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::Kind;
use super::networks::Networks;
use super::words::Words;
use crate::{Fault, Refused};

/// Octets of a file, at most.
const FILE: u64 = 512 << 20;
/// Octets of a line, at most.
const LINE: usize = 2048;

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

enum Table {
    Words(Words),
    Domains(Words),
    Networks(Networks),
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

impl Table {
    fn find(&self, entry: &str) -> Result<Option<String>, Refused> {
        match self {
            Table::Words(words) => Ok(words.find(&entry.to_lowercase())),
            Table::Domains(domains) => Ok(find_domain(domains, entry)),
            Table::Networks(networks) => {
                let address = entry.trim_matches(['[', ']']).parse();
                let address = address.map_err(|_| Refused::Invalid)?;
                Ok(networks.find(address))
            }
        }
    }

    fn len(&self) -> usize {
        match self {
            Table::Words(words) | Table::Domains(words) => words.len(),
            Table::Networks(networks) => networks.len(),
        }
    }
}

/// The domain itself, then the one above it, and so on: the first is the most specific.
fn find_domain(domains: &Words, entry: &str) -> Option<String> {
    let entry = entry.to_lowercase();
    let mut name = entry.strip_suffix('.').unwrap_or(&entry);
    loop {
        if let Some(value) = domains.find(name) {
            return Some(value);
        }
        name = name.split_once('.')?.1;
    }
}

fn read(path: &Path, kind: Kind) -> Result<Table, Fault> {
    parse(path, &text(path)?, kind)
}

/// The text of the file at `path`, which errors name.
fn parse(path: &Path, text: &str, kind: Kind) -> Result<Table, Fault> {
    let mut entries = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.len() > LINE || line.bytes().any(|c| c.is_ascii_control() && c != b'\t') {
            let problem = format!("a line over {LINE} octets, or with control characters");
            return Err(broken(path, number, &problem));
        }
        let (entry, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim_start();
        let value = if value.starts_with('#') { "" } else { value };
        entries.push((number, entry, value));
    }
    let wrong = |(number, problem): (usize, String)| broken(path, number, &problem);
    match kind {
        Kind::Words => {
            let words = entries
                .into_iter()
                .map(|(_, word, value)| (word.to_lowercase(), value));
            Ok(Table::Words(Words::new(words)))
        }
        Kind::Domains => {
            let domains = entries.into_iter().map(|(number, entry, value)| {
                domain(entry).map(|domain| (domain, value)).ok_or_else(|| {
                    let problem = format!("`{}` is no domain", entry.escape_debug());
                    wrong((number, problem))
                })
            });
            let domains = domains.collect::<Result<Vec<_>, _>>()?;
            Ok(Table::Domains(Words::new(domains)))
        }
        Kind::Networks => Networks::new(entries).map(Table::Networks).map_err(wrong),
    }
}

/// In lower case, without a dot at its end, and without the `.` or `*.` that other lists have at the start.
fn domain(entry: &str) -> Option<String> {
    let name = entry
        .strip_prefix("*.")
        .or(entry.strip_prefix('.'))
        .unwrap_or(entry);
    let name = name.strip_suffix('.').unwrap_or(name).to_lowercase();
    let is_letter = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(is_letter);
    (name.len() <= 253 && name.split('.').all(is_label)).then_some(name)
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

fn broken(path: &Path, line: usize, problem: &str) -> Fault {
    let problem = format!("{}:{line}: {problem}", path.display());
    Fault::new(problem, "correct the line, or begin it with `#`")
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KINDS: [Kind; 3] = [Kind::Words, Kind::Domains, Kind::Networks];

    fn parsed(text: &str, kind: Kind) -> Result<Table, String> {
        parse(Path::new("list"), text, kind).map_err(|fault| fault.to_string())
    }

    proptest! {
        /// A file is understood, or refused by line and in words fit for a terminal.
        #[test]
        fn any_text_is_a_list_or_refused_by_line(
            text in "(#|[ \t]|\r|\n|\u{1b}|\u{85}|\u{202e}|[a-zA-Z0-9ü*._@:/-]{1,9}|192\\.0\\.2\\.0/2[0-9]|2001:db8::/[0-9]{1,3}){0,30}",
        ) {
            for kind in KINDS {
                match parsed(&text, kind) {
                    Ok(table) => prop_assert!(table.len() <= text.lines().count()),
                    Err(problem) => {
                        let rest = problem.strip_prefix("list:").expect("the file");
                        let line: usize = rest.split(':').next().unwrap().parse().unwrap();
                        prop_assert!((1..=text.lines().count()).contains(&line), "{problem}");
                        prop_assert!(!problem.contains(char::is_control), "{problem:?}");
                    }
                }
            }
        }

        /// Each line is found by its entry, with what stands behind it; of two equal ones the first.
        #[test]
        fn what_is_listed_is_found(
            entries in prop::collection::btree_map("[a-z0-9-]{1,9}(\\.[a-z0-9ü-]{1,9}){0,3}", "[a-z#]{0,3}|x  y", 1..20),
        ) {
            let lines: String = entries.iter().map(|(entry, value)| format!("{entry}\t {value}\n")).collect();
            for kind in [Kind::Words, Kind::Domains] {
                let table = parsed(&format!("{lines}{lines}"), kind).expect("a list");
                prop_assert_eq!(table.len(), entries.len());
                for (entry, value) in &entries {
                    let expected = if value.starts_with('#') { "" } else { value };
                    let found = table.find(&entry.to_uppercase());
                    prop_assert_eq!(found, Ok(Some(expected.to_owned())), "{}", entry);
                }
            }
        }

        /// An address is in the smallest of the networks that hold it.
        #[test]
        fn the_smallest_network_speaks(
            networks in prop::collection::btree_set((any::<u32>(), 0..=32_u8), 1..20),
            address: u32,
        ) {
            let trunc = |(address, length): &(u32, u8)| {
                let network = ipnet::Ipv4Net::new((*address).into(), *length).unwrap();
                network.trunc()
            };
            let networks: Vec<_> = networks.iter().map(trunc).collect();
            let near = networks[address as usize % networks.len()].addr();
            let lines: String = networks.iter().map(|it| format!("{it} {it}\n")).collect();
            let table = parsed(&lines, Kind::Networks).expect("a list");
            for address in [address.into(), near] {
                let holding = networks.iter().filter(|it| it.contains(&address));
                let smallest = holding.max_by_key(|it| it.prefix_len()).map(ToString::to_string);
                prop_assert_eq!(table.find(&address.to_string()), Ok(smallest));
            }
        }
    }
}
