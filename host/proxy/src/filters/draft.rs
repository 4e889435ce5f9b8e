//! One filter's files, read once and judged before anything is compiled.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lazaret_config::{ByteSize, CONFIG_FILE_LIMIT, ConfigError};
use lazaret_mail::{LoadError, Policy, Source};
use sha2::{Digest, Sha256};

use super::WASM_LIMIT;
use super::look::{Entry, Stamp, stamp};

/// Says whether two filters are the same: of the name without its number, the component, the TOML and its lists.
pub(super) type Key = [u8; 32];

/// What a load depends on. Lists that the host holds are no part of the filter, and yet it is not loaded without them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin {
    pub(super) key: Key,
    /// of `[lists]`
    pub(super) held_lists: BTreeMap<PathBuf, Stamp>,
}

/// A filter as its files have it.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) origin: Origin,
    pub(super) source: Source,
}

/// A filter that cannot be read, and what is known of it all the same.
#[derive(Debug)]
pub(super) struct Unread {
    pub(super) policy: Option<Policy>,
    pub(super) error: LoadError,
    /// of what was compiled before, and failed
    pub(super) origin: Option<Origin>,
}

/// What reading one filter came to, and the lists it tried to read.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) lists: BTreeMap<PathBuf, Stamp>,
    pub(super) result: Result<Draft, Unread>,
}

/// `10-access` is `access`.
pub(super) fn name(stem: &str) -> &str {
    match stem.split_once('-') {
        Some((number, name)) if is_number(number) && !name.is_empty() => name,
        _ => stem,
    }
}

fn is_number(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Names that two filters claim.
pub(super) fn twice<'s>(stems: impl Iterator<Item = &'s String>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    stems
        .map(|stem| name(stem))
        .filter(|name| !seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

/// Reads the files of one filter; `twice` are the names that others claim too. Blocks.
pub(super) fn read(stem: &str, entry: &Entry, twice: &BTreeSet<String>) -> Reading {
    let mut lists = BTreeMap::new();
    let result = match policy(entry, &mut lists) {
        Err(error) => Err(Unread {
            policy: None,
            error,
            origin: None,
        }),
        Ok((text, policy)) => draft(stem, entry, twice, &text, &policy).map_err(|error| Unread {
            policy: Some(policy),
            error,
            origin: None,
        }),
    };
    Reading { lists, result }
}

/// The TOML's text and what it says.
fn policy(
    entry: &Entry,
    lists: &mut BTreeMap<PathBuf, Stamp>,
) -> Result<(Bytes, Policy), LoadError> {
    let Some((toml, _)) = &entry.toml else {
        let wasm = entry.wasm.as_ref().map_or(Path::new(""), |(path, _)| path);
        let wanted = wasm.with_extension("toml");
        let cure = format!("write {}: it says what the filter may do", wanted.display());
        return Err(error(wasm, "has no .toml beside it", cure));
    };
    let octets = octets(
        toml,
        CONFIG_FILE_LIMIT,
        "a filter's TOML has a few hundred octets",
    )?;
    let text = std::str::from_utf8(&octets).map_err(|_| {
        let cure = "save it as UTF-8".to_owned();
        error(toml, "is not UTF-8 text", cure)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reading = |list: &Path| {
        lists.insert(list.to_owned(), stamp(list));
    };
    let policy = Policy::parse_noting(toml, text, &mut reading).map_err(told)?;
    Ok((octets, policy))
}

/// A list that cannot be read is cited with its own file.
fn told(e: ConfigError) -> LoadError {
    let at = match e.line {
        Some(line) => format!("{}:{line}", e.file.display()),
        None => e.file.display().to_string(),
    };
    let cure = e.cure.unwrap_or_else(|| "correct it".to_owned());
    LoadError::new(Path::new(&at), e.problem, cure)
}

fn draft(
    stem: &str,
    entry: &Entry,
    twice: &BTreeSet<String>,
    toml: &[u8],
    policy: &Policy,
) -> Result<Draft, LoadError> {
    let name = name(stem);
    let file = entry.toml.as_ref().map_or(Path::new(""), |(path, _)| path);
    if name == stem {
        let cure = "begin the name with two digits, e.g. 10-access".to_owned();
        return Err(error(file, "is not named NN-name", cure));
    }
    if twice.contains(name) {
        let problem = format!("two filters are named `{name}`");
        let cure = "rename one after its number".to_owned();
        return Err(error(file, &problem, cure));
    }
    let Some((wasm, _)) = &entry.wasm else {
        let back = file.with_extension("wasm");
        let cure = format!(
            "put {} back, or remove the .toml to remove the filter",
            back.display()
        );
        return Err(error(file, "has no .wasm beside it", cure));
    };
    let advice = "build it with opt-level = \"s\", lto and strip";
    let octets = octets(wasm, WASM_LIMIT, advice)?;
    let lists = policy.lists.iter();
    Ok(Draft {
        origin: Origin {
            key: key([name.as_bytes(), toml, policy.config.as_bytes(), &octets]),
            held_lists: lists
                .map(|list| (list.file.clone(), stamp(&list.file)))
                .collect(),
        },
        source: Source {
            name: name.to_owned(),
            file: wasm.clone(),
            wasm: octets,
            policy: policy.clone(),
        },
    })
}

fn key(parts: [&[u8]; 4]) -> Key {
    let mut hash = Sha256::new();
    for part in parts {
        // Its length first: no part can pass for the end of another.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A regular file, whole. Links, pipes and the like are refused, for they may change or block under our hands.
fn octets(path: &Path, limit: u64, advice: &str) -> Result<Bytes, LoadError> {
    let metadata = std::fs::symlink_metadata(path).map_err(|e| unreadable(path, &e))?;
    if !metadata.is_file() {
        let cure = "copy the file itself here".to_owned();
        return Err(error(path, "is not a regular file", cure));
    }
    let mut octets = Vec::new();
    let file = File::open(path).map_err(|e| unreadable(path, &e))?;
    file.take(limit + 1)
        .read_to_end(&mut octets)
        .map_err(|e| unreadable(path, &e))?;
    if octets.len() as u64 > limit {
        let size = ByteSize::mib(metadata.len().div_ceil(1 << 20));
        let problem = format!("is {size} large, the limit is {}", ByteSize(limit));
        return Err(error(path, &problem, advice.to_owned()));
    }
    Ok(octets.into())
}

pub(super) fn unreadable(path: &Path, e: &io::Error) -> LoadError {
    error(
        path,
        &format!("cannot be read: {e}"),
        "check that it exists and who may read it".to_owned(),
    )
}

pub(super) fn error(file: &Path, problem: &str, cure: String) -> LoadError {
    LoadError::new(file, problem, cure)
}
