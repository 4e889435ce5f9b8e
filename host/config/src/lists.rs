use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::ConfigError;

/// Most octets of a file named by `{ lines = .. }` or `{ file = .. }`.
pub const LIST_FILE_LIMIT: u64 = 16 << 20;

/// A list written in place, or kept one entry a line in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a list of strings, or { lines = \"file\" }"
)]
pub enum LineList {
    /// `["a", "b"]`
    Inline(Vec<String>),
    /// `{ lines = "file" }`
    File(LineFile),
}

/// `{ lines = "file" }`: one entry a line, blank lines and lines starting with `#` left out.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineFile {
    /// relative to the file that names it
    pub lines: PathBuf,
}

impl LineList {
    /// The entries. `base_dir` is the directory of the file that holds this list. A file that is missing, larger than `limit`
    /// octets or not UTF-8 is an error.
    pub fn load(&self, base_dir: &Path, limit: u64) -> Result<Vec<String>, ConfigError> {
        match self {
            LineList::Inline(entries) => Ok(entries.clone()),
            LineList::File(file) => read_list(&base_dir.join(&file.lines), limit),
        }
    }
}

/// The entries of a list file of at most `limit` octets: trimmed lines that are neither empty nor comments.
pub fn read_list(path: &Path, limit: u64) -> Result<Vec<String>, ConfigError> {
    let text = read_text(path, limit)?;
    let entries = text.lines().map(str::trim);
    let entries = entries.filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(entries.map(str::to_owned).collect())
}

/// A whole regular file of at most `limit` octets as UTF-8, without a byte order mark.
pub fn read_text(path: &Path, limit: u64) -> Result<String, ConfigError> {
    let unreadable = |e: std::io::Error| ConfigError::new(path, format!("cannot be read: {e}"));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    // A pipe or a terminal would block us at start.
    if !metadata.is_file() {
        return Err(ConfigError::new(path, "is not a regular file"));
    }
    let mut octets = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit + 1)
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    if octets.len() as u64 > limit {
        let problem = format!("is larger than the limit of {}", crate::ByteSize(limit));
        return Err(ConfigError::new(path, problem).cure("take out what is not needed"));
    }
    decode(path, octets)
}

fn decode(path: &Path, octets: Vec<u8>) -> Result<String, ConfigError> {
    match String::from_utf8(octets) {
        Ok(text) => Ok(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_owned(),
            None => text,
        }),
        Err(e) => {
            let valid = &e.as_bytes()[..e.utf8_error().valid_up_to()];
            let line = valid.iter().filter(|octet| **octet == b'\n').count() + 1;
            Err(ConfigError::new(path, "is not UTF-8 text").at(line))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_file_is_trimmed_and_without_comments() {
        let dir = tempfile::tempdir().unwrap();
        let text = "\u{feff}# domains\n\n  example.org \r\nexample.net # kept\n";
        std::fs::write(dir.path().join("domains.txt"), text).unwrap();
        let list = LineList::File(LineFile {
            lines: "domains.txt".into(),
        });
        assert_eq!(
            list.load(dir.path(), LIST_FILE_LIMIT),
            Ok(vec![
                "example.org".to_owned(),
                "example.net # kept".to_owned()
            ])
        );
    }

    #[test]
    fn a_missing_list_file_is_named() {
        let list = LineList::File(LineFile {
            lines: "no.txt".into(),
        });
        let error = list
            .load(Path::new("/nowhere"), LIST_FILE_LIMIT)
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/nowhere/no.txt: cannot be read: "),
            "{error}"
        );
    }

    #[test]
    fn too_large_not_utf8_and_not_a_file_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("list");
        std::fs::write(&path, b"ab").unwrap();
        assert!(
            read_text(&path, 1)
                .unwrap_err()
                .problem
                .contains("limit of 1 B")
        );
        assert_eq!(read_text(&path, 2).as_deref(), Ok("ab"));
        std::fs::write(&path, b"a\n\xff").unwrap();
        assert_eq!(read_text(&path, 9).unwrap_err().line, Some(2));
        assert_eq!(
            read_text(dir.path(), 9).unwrap_err().problem,
            "is not a regular file"
        );
    }
}
