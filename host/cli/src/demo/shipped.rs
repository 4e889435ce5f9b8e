//! Files that we bring along and the user may change: a file is written when it is missing or still as we wrote it.
//! What we wrote is remembered in `.shipped`, in the format of sha256sum.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const RECORD: &str = ".shipped";

/// A directory of shipped files.
#[derive(Debug)]
pub struct Shipped {
    dir: PathBuf,
    written: BTreeMap<String, String>,
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
    pub fn put(&mut self, name: &str, octets: &[u8]) -> io::Result<()> {
        let path = self.dir.join(name);
        let ours = match fs::read(&path) {
            Ok(present) => self.written.get(name) == Some(&digest(&present)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(error),
        };
        if ours {
            fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
            fs::write(&path, octets)?;
            self.written.insert(name.to_owned(), digest(octets));
        }
        Ok(())
    }

    /// Remembers what was written.
    pub fn close(self) -> io::Result<()> {
        let lines = self
            .written
            .iter()
            .map(|(name, digest)| format!("{digest}  {name}\n"));
        fs::write(self.dir.join(RECORD), lines.collect::<String>())
    }
}

fn digest(octets: &[u8]) -> String {
    let digest = Sha256::digest(octets);
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ship(dir: &Path, text: &str) {
        let mut shipped = Shipped::open(dir).unwrap();
        shipped.put("lists/a.txt", text.as_bytes()).unwrap();
        shipped.close().unwrap();
    }

    #[test]
    fn an_unchanged_file_is_renewed_and_a_changed_one_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lists/a.txt");
        ship(dir.path(), "one");
        ship(dir.path(), "two");
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        fs::write(&file, "mine").unwrap();
        ship(dir.path(), "three");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
        fs::remove_file(&file).unwrap();
        ship(dir.path(), "four");
        assert_eq!(fs::read_to_string(&file).unwrap(), "four");
    }

    #[test]
    fn a_file_that_was_there_before_us_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("lists")).unwrap();
        fs::write(dir.path().join("lists/a.txt"), "mine").unwrap();
        ship(dir.path(), "ours");
        assert_eq!(
            fs::read_to_string(dir.path().join("lists/a.txt")).unwrap(),
            "mine"
        );
    }
}
