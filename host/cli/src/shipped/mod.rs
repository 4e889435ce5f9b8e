//! Files that we bring along and the user may change: a file is written when it is missing or still as we wrote it.
//! What we wrote is remembered in `.shipped`, in the format of sha256sum.

mod filter;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use filter::stem;

const RECORD: &str = ".shipped";

/// A directory of shipped files.
#[derive(Debug)]
pub struct Shipped {
    dir: PathBuf,
    written: BTreeMap<String, String>,
}

/// What became of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// it was missing
    Written,
    /// it was ours, and is now as this program brings it
    Renewed,
    /// it is what this program brings, whoever wrote it
    Same,
    /// it is somebody else's, and other than what this program brings
    Kept,
}

impl Fate {
    /// `written`, `renewed`, `same` or `kept`.
    pub const fn word(self) -> &'static str {
        match self {
            Fate::Written => "written",
            Fate::Renewed => "renewed",
            Fate::Same => "same",
            Fate::Kept => "kept",
        }
    }
}

impl Shipped {
    /// Reads what was written before.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let record = match fs::read_to_string(dir.join(RECORD)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            other => other?,
        };
        let entries = record.lines().filter_map(|line| line.split_once("  "));
        Ok(Self {
            dir: dir.to_owned(),
            written: entries
                .map(|(digest, name)| (name.to_owned(), digest.to_owned()))
                .collect(),
        })
    }

    /// Writes the file, unless the user changed it. `name` is relative and may name a directory below.
    pub fn put(&mut self, name: &str, octets: &[u8]) -> io::Result<Fate> {
        let path = self.dir.join(name);
        let present = match fs::read(&path) {
            Ok(present) => Some(digest(&present)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let ours = digest(octets);
        let fate = match present {
            None => Fate::Written,
            Some(present) if present == ours => return Ok(Fate::Same),
            Some(present) if self.written.get(name) == Some(&present) => Fate::Renewed,
            Some(_) => return Ok(Fate::Kept),
        };
        fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
        replace(&path, octets)?;
        self.written.insert(name.to_owned(), ours);
        Ok(fate)
    }

    /// Remembers what was written.
    pub fn close(self) -> io::Result<()> {
        let lines = self
            .written
            .iter()
            .map(|(name, digest)| format!("{digest}  {name}\n"));
        replace(&self.dir.join(RECORD), lines.collect::<String>().as_bytes())
    }
}

/// In one step: a proxy that runs never reads half a file, and a full disk costs nobody the file that was there.
fn replace(path: &Path, octets: &[u8]) -> io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.new"));
    let written = fs::write(&beside, octets).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn digest(octets: &[u8]) -> String {
    let digest = Sha256::digest(octets);
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ship(dir: &Path, text: &str) -> Fate {
        let mut shipped = Shipped::open(dir).unwrap();
        let fate = shipped.put("lists/a.txt", text.as_bytes()).unwrap();
        shipped.close().unwrap();
        fate
    }

    #[test]
    fn an_unchanged_file_is_renewed_and_a_changed_one_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lists/a.txt");
        assert_eq!(ship(dir.path(), "one"), Fate::Written);
        assert_eq!(ship(dir.path(), "one"), Fate::Same);
        assert_eq!(ship(dir.path(), "two"), Fate::Renewed);
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        fs::write(&file, "mine").unwrap();
        assert_eq!(ship(dir.path(), "three"), Fate::Kept);
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        fs::remove_file(&file).unwrap();
        assert_eq!(ship(dir.path(), "four"), Fate::Written);
        assert_eq!(fs::read_to_string(&file).unwrap(), "four");
        let left = fs::read_dir(dir.path().join("lists")).unwrap().count();
        assert_eq!(left, 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_was_there_before_us_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lists")).unwrap();
        fs::write(dir.path().join("lists/a.txt"), "mine").unwrap();
        assert_eq!(ship(dir.path(), "ours"), Fate::Kept);
        assert_eq!(
            fs::read_to_string(dir.path().join("lists/a.txt")).unwrap(),
            "mine"
        );
    }

    /// It was theirs; that we would have written the same does not make it ours to change.
    #[test]
    fn a_file_that_happens_to_be_the_same_stays_theirs() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lists")).unwrap();
        fs::write(dir.path().join("lists/a.txt"), "one").unwrap();
        assert_eq!(ship(dir.path(), "one"), Fate::Same);
        assert_eq!(ship(dir.path(), "two"), Fate::Kept);
    }
}
