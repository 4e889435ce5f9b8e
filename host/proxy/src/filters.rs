//! The filter directory: `NN-name.wasm` and `NN-name.toml`, asked in name order.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lazaret_mail::{Filter, LoadError, Loader, Policy, Source, Unloadable};

use crate::{Config, StartError};

/// Largest `.wasm` that is handed to the loader, in octets.
pub const WASM_LIMIT: u64 = 64 << 20;

/// Loads every filter of a directory, in the order they are asked, and says what is wrong with those that could not be
/// loaded. These take part all the same, with their `on-failure` answer (`defer` where their TOML cannot be read):
/// what a broken filter was to keep out does not come in.
pub async fn load_directory(
    directory: &Path,
    loader: &dyn Loader,
) -> (Vec<Arc<dyn Filter>>, Vec<LoadError>) {
    let mut filters: Vec<Arc<dyn Filter>> = Vec::new();
    let mut errors = Vec::new();
    let entries = match survey(directory) {
        Ok(entries) => entries,
        Err(error) => {
            // No chain at all would let everything in: mail waits until somebody has looked.
            let error = unreadable(directory, &error);
            filters.push(Arc::new(Unloadable::new(
                "filters",
                Policy::default(),
                &error.problem,
            )));
            return (filters, vec![error]);
        }
    };
    let names = twice(&entries);
    for (stem, entry) in &entries {
        let policy = policy(entry);
        let loaded = match &policy {
            Ok(policy) => load(directory, stem, entry, policy, &names, loader).await,
            Err(error) => Err(error.clone()),
        };
        filters.push(loaded.unwrap_or_else(|error| {
            let stand_in = Unloadable::new(name(stem), policy.unwrap_or_default(), &error.problem);
            errors.push(error);
            Arc::new(stand_in)
        }));
    }
    (filters, errors)
}

/// What a filter's TOML takes for granted must be there: a quarantine if it may quarantine, each of its `listeners`.
/// [`Proxy::bind`](crate::Proxy::bind) asks this of every filter.
pub fn fits(filter: &dyn Filter, config: &Config) -> Result<(), StartError> {
    let policy = filter.policy();
    if policy.may_quarantine() && config.quarantine.is_none() {
        return Err(StartError::NoQuarantine(filter.name().to_owned()));
    }
    let is_known = |name: &&String| {
        config
            .listeners
            .iter()
            .any(|listener| listener.name == **name)
    };
    match policy
        .listeners
        .iter()
        .flatten()
        .find(|name| !is_known(name))
    {
        None => Ok(()),
        Some(listener) => Err(StartError::NoListener {
            filter: filter.name().to_owned(),
            listener: listener.clone(),
        }),
    }
}

/// The files of one filter.
#[derive(Debug, Default)]
struct Entry {
    wasm: Option<PathBuf>,
    toml: Option<PathBuf>,
}

/// Files with other endings (lists, readmes) are the operator's own business.
fn survey(directory: &Path) -> io::Result<BTreeMap<String, Entry>> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for file in std::fs::read_dir(directory)? {
        let path = file?.path();
        let (Some(stem), Some(ending)) =
            (path.file_stem().and_then(|s| s.to_str()), path.extension())
        else {
            continue;
        };
        // Hidden files are what editors and copiers leave while they work.
        if stem.starts_with('.') {
            continue;
        }
        let stem = stem.to_owned();
        match ending.to_str() {
            Some("wasm") => entries.entry(stem).or_default().wasm = Some(path),
            Some("toml") => entries.entry(stem).or_default().toml = Some(path),
            _ => {}
        }
    }
    Ok(entries)
}

/// Names that two filters claim.
fn twice(entries: &BTreeMap<String, Entry>) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let names = entries.keys().map(|stem| name(stem));
    names
        .filter(|name| !seen.insert(*name))
        .map(str::to_owned)
        .collect()
}

/// `10-access` is `access`.
fn name(stem: &str) -> &str {
    match stem.split_once('-') {
        Some((number, name)) if is_number(number) && !name.is_empty() => name,
        _ => stem,
    }
}

fn is_number(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())
}

fn policy(entry: &Entry) -> Result<Policy, LoadError> {
    let Some(toml) = &entry.toml else {
        let wasm = entry.wasm.as_deref().unwrap_or(Path::new(""));
        let wanted = wasm.with_extension("toml");
        return Err(error(
            wasm,
            "has no .toml beside it",
            format!("write {}: it says what the filter may do", wanted.display()),
        ));
    };
    regular(toml)?;
    Policy::read(toml).map_err(|e| LoadError {
        file: match e.line {
            Some(line) => format!("{}:{line}", e.file.display()),
            None => e.file.display().to_string(),
        },
        problem: e.problem.clone(),
        cure: e.cure.unwrap_or_else(|| "correct it".to_owned()),
    })
}

async fn load(
    directory: &Path,
    stem: &str,
    entry: &Entry,
    policy: &Policy,
    twice: &BTreeSet<String>,
    loader: &dyn Loader,
) -> Result<Arc<dyn Filter>, LoadError> {
    let toml = entry.toml.as_deref().unwrap_or(directory);
    let name = name(stem);
    if name == stem {
        return Err(error(
            toml,
            "is not named NN-name",
            "begin the name with two digits, e.g. 10-access".to_owned(),
        ));
    }
    if twice.contains(name) {
        return Err(error(
            toml,
            &format!("two filters are named `{name}`"),
            "rename one after its number".to_owned(),
        ));
    }
    let Some(wasm) = &entry.wasm else {
        let cure = format!(
            "put {} back, or remove the .toml to remove the filter",
            toml.with_extension("wasm").display()
        );
        return Err(error(toml, "has no .wasm beside it", cure));
    };
    let octets = regular(wasm)?;
    if octets > WASM_LIMIT {
        let problem = format!("is {octets} octets large, the limit is {WASM_LIMIT}");
        return Err(error(
            wasm,
            &problem,
            "build it with opt-level = \"s\", lto and strip".to_owned(),
        ));
    }
    let source = Source {
        name: name.to_owned(),
        file: wasm.clone(),
        wasm: std::fs::read(wasm)
            .map_err(|e| unreadable(wasm, &e))?
            .into(),
        policy: policy.clone(),
    };
    loader.load(source).await
}

/// Octets of a regular file; links, pipes and the like are refused, for they may change or block under our hands.
fn regular(path: &Path) -> Result<u64, LoadError> {
    let metadata = std::fs::symlink_metadata(path).map_err(|e| unreadable(path, &e))?;
    match metadata.is_file() {
        true => Ok(metadata.len()),
        false => Err(error(
            path,
            "is not a regular file",
            "copy the file itself here".to_owned(),
        )),
    }
}

fn unreadable(path: &Path, e: &io::Error) -> LoadError {
    error(
        path,
        &format!("cannot be read: {e}"),
        "check that it exists and who may read it".to_owned(),
    )
}

fn error(file: &Path, problem: &str, cure: String) -> LoadError {
    LoadError {
        file: file.display().to_string(),
        problem: problem.to_owned(),
        cure,
    }
}
