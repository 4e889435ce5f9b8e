//! What the files of the filter directory look like from outside, so that a change is seen without reading them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Differs if a file was written, replaced, renamed over or given other rights: device, inode, size, and the times of
/// its content and of its entry, in nanoseconds. None: it cannot be looked at.
pub(super) type Stamp = Option<[i128; 5]>;

/// The files of one filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) wasm: Option<(PathBuf, Stamp)>,
    pub(super) toml: Option<(PathBuf, Stamp)>,
}

/// The filter files by their name without ending, and the lists they name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) lists: BTreeMap<PathBuf, Stamp>,
    /// why the directory cannot be listed
    pub(super) trouble: Option<(io::ErrorKind, String)>,
}

impl Look {
    /// Looks at a directory and at the lists known so far. Blocks as long as the file system does.
    pub(super) fn at(directory: &Path, lists: &BTreeSet<PathBuf>) -> Self {
        let (entries, trouble) = match survey(directory) {
            Ok(entries) => (entries, None),
            Err(error) => (BTreeMap::new(), Some((error.kind(), error.to_string()))),
        };
        let lists = lists.iter().map(|path| (path.clone(), stamp(path)));
        Self {
            entries,
            lists: lists.collect(),
            trouble,
        }
    }
}

/// Files with other endings (lists, readmes, `.wasm.tmp`) are the operator's own business.
fn survey(directory: &Path) -> io::Result<BTreeMap<String, Entry>> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for file in std::fs::read_dir(directory)? {
        let path = file?.path();
        let (Some(stem), Some(ending)) = (
            path.file_stem().and_then(|stem| stem.to_str()),
            path.extension().and_then(|ending| ending.to_str()),
        ) else {
            continue;
        };
        // Hidden files are what editors and copiers leave while they work.
        if stem.starts_with('.') || !matches!(ending, "wasm" | "toml") {
            continue;
        }
        // A link is judged by what it is, not by where it leads.
        let stamp = std::fs::symlink_metadata(&path).ok().map(mark);
        let is_wasm = ending == "wasm";
        let entry = entries.entry(stem.to_owned()).or_default();
        match is_wasm {
            true => entry.wasm = Some((path, stamp)),
            false => entry.toml = Some((path, stamp)),
        }
    }
    Ok(entries)
}

/// Of a list, wherever a link leads: those who keep lists elsewhere change where it leads.
pub(super) fn stamp(path: &Path) -> Stamp {
    std::fs::metadata(path).ok().map(mark)
}

fn mark(metadata: Metadata) -> [i128; 5] {
    let nanoseconds =
        |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
    [
        metadata.dev().into(),
        metadata.ino().into(),
        metadata.len().into(),
        nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
    ]
}
