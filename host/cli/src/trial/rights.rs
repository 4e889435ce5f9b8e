//! The rights of the filters under trial: what the operator wrote, or all there are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lazaret_engine::{EngineSettings, Inspection, Permission};
use lazaret_mail::{Filter, Grant, Loader, Policy, Source, VerdictGrants, VerdictKind};

use crate::exit::Failure;

/// Filters to be asked, and what people should know about how they were loaded.
#[derive(Default)]
pub struct Loaded {
    /// in the order they are asked
    pub filters: Vec<Arc<dyn Filter>>,
    /// e.g. that generous rights were assumed
    pub notes: Vec<String>,
}

impl Loaded {
    /// Loads a filter directory as the proxy does; a filter that cannot be loaded takes part with its `on-failure` answer.
    pub async fn directory(&mut self, dir: &Path, loader: &dyn Loader) {
        let (filters, errors) = lazaret_proxy::filters::load_directory(dir, loader).await;
        self.filters.extend(filters);
        self.notes.extend(errors.iter().map(ToString::to_string));
    }

    /// Loads one filter; without a `.toml` beside it, it may do everything but is still limited in time and memory.
    pub async fn file(&mut self, wasm: &Path, loader: &dyn Loader) -> Result<(), Failure> {
        let (source, note) = source(wasm)?;
        self.notes.extend(note);
        let filter = loader.load(source).await?;
        self.filters.push(filter);
        Ok(())
    }

    /// Takes a filter out again.
    ///
    /// # Errors
    /// None of that name was loaded.
    pub fn leave_out(&mut self, name: &str) -> Result<(), Failure> {
        let loaded = self.filters.len();
        let names: Vec<_> = self.filters.iter().map(|it| it.name().to_owned()).collect();
        self.filters.retain(|filter| filter.name() != name);
        match self.filters.len() < loaded {
            true => Ok(()),
            false => Err(Failure::usage(format!(
                "--without {name}: no filter of that name is asked; there are {}",
                names.join(", ")
            ))),
        }
    }
}

/// A filter by its file, with the rights of the `.toml` beside it. Without one it may do everything but is still limited in
/// time and memory, and a note says so.
pub fn source(wasm: &Path) -> Result<(Source, Option<String>), Failure> {
    let toml = wasm.with_extension("toml");
    let (policy, note) = match toml.exists() {
        true => (Policy::read(&toml)?, None),
        false => (generous(wasm), Some(assumed(&toml))),
    };
    let source = Source {
        name: name(wasm),
        file: wasm.to_owned(),
        wasm: lazaret_engine::read_file(wasm, EngineSettings::default().max_wasm)?,
        policy,
    };
    Ok((source, note))
}

fn assumed(toml: &Path) -> String {
    format!(
        "{} does not exist: all it asks for and every verdict is granted",
        toml.display()
    )
}

/// `20-rules.wasm` is `rules`.
fn name(wasm: &Path) -> String {
    let stem = PathBuf::from(wasm.file_stem().unwrap_or_default());
    let stem = stem.to_string_lossy();
    match stem.split_once('-') {
        Some((number, name)) if number.chars().all(|c| c.is_ascii_digit()) => name.to_owned(),
        _ => stem.into_owned(),
    }
}

/// All that the component asks for, and every verdict. One that cannot be inspected is granted nothing; loading it will
/// say what is wrong with it.
fn generous(wasm: &Path) -> Policy {
    let asked = lazaret_engine::inspect_file(wasm, EngineSettings::default().max_wasm);
    let requests = asked.iter().flat_map(Inspection::requests);
    Policy {
        grant: requests.filter_map(grant).collect(),
        verdicts: VerdictGrants(VerdictKind::ALL.to_vec()),
        max_message: u64::MAX,
        ..Policy::default()
    }
}

/// As wide as it can be granted.
fn grant(permission: Permission) -> Option<Grant> {
    Some(match permission {
        Permission::Session => Grant::SessionName,
        Permission::Envelope => Grant::Envelope,
        Permission::Headers => Grant::Headers,
        Permission::Body => Grant::Body,
        Permission::Parts => Grant::Parts,
        Permission::EditHeaders => Grant::EditHeaders(Vec::new()),
        Permission::Score => Grant::Score(f64::MIN, f64::MAX),
        Permission::Notes => Grant::Notes,
        Permission::Pace => Grant::Pace,
        Permission::Dns => Grant::Dns(Vec::new()),
        Permission::State => Grant::State,
        // An origin is nobody's guess: it answers not-granted, whatever is asked.
        Permission::Http => Grant::Http(Vec::new()),
        Permission::Lists => Grant::Lists,
        Permission::Metrics => Grant::Metrics,
        Permission::Log | Permission::Entropy => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_known_without_its_number() {
        for (file, known) in [
            ("20-rules.wasm", "rules"),
            ("no-bulk.wasm", "no-bulk"),
            ("x.wasm", "x"),
        ] {
            assert_eq!(name(Path::new(file)), known);
        }
    }
}
