//! What a component is, read from its types before a single instruction of it runs.

#[cfg(test)]
#[path = "../tests/checks/inspect.rs"]
mod checks;
mod faults;
mod features;
mod language;
mod preparation;
mod signature;
mod surface;

use lazaret_mail::{LoadError, Stage, StageSet};
use serde::{Deserialize, Serialize};

use crate::contract::{Name, Permission, Treatment, interface_stage, our_version};

pub use faults::fault;
pub use features::ALLOWED;
pub use preparation::Preparation;
use surface::Surface;

/// A component in words: its exports are its subscriptions, its imports its requests for permission.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    /// stages it exports
    #[serde(with = "preparation::stages")]
    pub stages: StageSet,
    /// does it take a configuration?
    pub configure: Configure,
    /// how sandboxes will come by their configured state, as far as can be said before it runs
    pub preparation: Preparation,
    /// permissions it asks for, in the order of the contract
    pub permissions: Vec<Permission>,
    /// WASI interfaces it imports, linked without any power; the first hundred
    pub inert: Vec<String>,
    /// exports that are no part of the contract and are ignored; the first hundred
    pub extra: Vec<String>,
    /// a guess from what its tools left, e.g. `Rust`
    pub language: Option<String>,
    /// octets
    pub size: u64,
    /// core instances that it is made of, at most
    pub core_instances: u32,
}

/// Does a component export `configure`?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Configure {
    /// it takes no configuration
    #[default]
    Absent,
    /// it takes the `[config]` table of its policy
    Exported,
}

/// Looks at a component: what it exports and imports. Any `.wasm` that cannot be a filter is refused with a message of
/// its own and the cure; `LoadError::file` is left empty for the caller, who knows it.
///
/// Takes time by size (a second for 20 MiB): call it where blocking is allowed.
pub fn inspect(wasm: &[u8]) -> Result<Inspection, LoadError> {
    faults::refuse_what_is_no_component(wasm)?;
    let surface = Surface::read(wasm).map_err(|_| faults::invalid(wasm))?;
    refuse_other_worlds(&surface)?;
    let checked = signature::validate(wasm)?;
    let mut seen = Inspection {
        size: wasm.len() as u64,
        language: language::guess(&surface.producers, wasm),
        core_instances: surface.core_instances,
        ..Inspection::default()
    };
    for import in &surface.imports {
        seen.add_import(import)?;
    }
    for export in &surface.exports {
        seen.add_export(export);
    }
    checked.refuse_other_signatures(&surface)?;
    seen.permissions.sort_unstable();
    seen.permissions.dedup();
    seen.preparation = Preparation::expected(seen.configure, &surface);
    Ok(seen)
}

impl Inspection {
    /// The permissions that the operator must grant or deny.
    pub fn requests(&self) -> impl Iterator<Item = Permission> {
        let asked = self.permissions.iter().copied();
        asked.filter(|p| p.treatment() != Treatment::Always)
    }

    fn add_import(&mut self, import: &str) -> Result<(), LoadError> {
        let name = Name::parse(import);
        match Permission::named(name.interface) {
            _ if name.is_inert() => remember(&mut self.inert, import),
            Some(permission) if name.is_ours() => self.permissions.push(permission),
            None if name.is_ours() && name.interface == "types" => {}
            _ => return Err(faults::unknown_import(import)),
        }
        Ok(())
    }

    fn add_export(&mut self, export: &str) {
        let name = Name::parse(export);
        match interface_stage(name.interface) {
            Some(stage) if name.is_ours() => self.stages.insert(stage),
            _ if export == "configure" => self.configure = Configure::Exported,
            _ => remember(&mut self.extra, export),
        }
    }
}

/// Names that are shown to people only: a component may have a million of them.
fn remember(names: &mut Vec<String>, name: &str) {
    const SHOWN: usize = 100;
    if names.len() < SHOWN {
        names.push(name.to_owned());
    }
}

/// Another version of our contract, or no word of it at all.
fn refuse_other_worlds(surface: &Surface) -> Result<(), LoadError> {
    let names = || surface.exports.iter().chain(&surface.imports);
    let ours = |name: &&String| Name::parse(name).is_ours();
    if let Some(other) = names().filter(ours).find(|n| !Name::parse(n).is_served()) {
        return Err(faults::other_version(other, &our_version()));
    }
    let is_stage = |name: &String| {
        let name = Name::parse(name);
        name.is_ours() && interface_stage(name.interface).is_some()
    };
    if surface.exports.iter().any(is_stage) {
        return Ok(());
    }
    Err(faults::other_world(&surface.exports))
}

/// The stages of a set as a list of words.
pub fn stage_names(stages: StageSet) -> String {
    let names: Vec<_> = stages.iter().map(Stage::name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const FILTER: &[u8] = include_bytes!("../../../fuzz/corpus/inspect/filter");

    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("inspect", checks::inspected);
        let seen = inspect(FILTER).expect("a filter");
        assert_eq!(stage_names(seen.stages), "message");
    }

    proptest! {
        #[test]
        fn a_damaged_filter_is_read_or_refused_in_words(
            damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..5),
        ) {
            let mut filter = FILTER.to_vec();
            for (at, octet) in damage {
                let at = at.index(filter.len());
                filter[at] = octet;
            }
            checks::inspected(&filter);
        }
    }
}
