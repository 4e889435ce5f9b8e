//! The filter directory: `NN-name.wasm` and `NN-name.toml`, asked in name order; watched while it runs.

mod directory;
mod draft;
mod look;
mod needs;
pub mod report;
mod standing;
mod watch;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use lazaret_mail::{Filter, LoadError, Loader, Policy};

pub(crate) use directory::Directory;
pub(crate) use needs::Needs;
pub use needs::fits;
pub(crate) use standing::{Absent, Standing};
pub use watch::Reloader;
pub(crate) use watch::Watch;

use look::Look;

/// Largest `.wasm` that is handed to the loader, in octets.
pub const WASM_LIMIT: u64 = 64 << 20;

/// Loads every filter of a directory, in the order they are asked, and says what is wrong with those that could not be
/// loaded. These take part all the same, with their `on-failure` answer (`defer` where their TOML cannot be read):
/// what a broken filter was to keep out does not come in.
pub async fn load_directory(
    directory: &Path,
    loader: &dyn Loader,
) -> (Vec<Arc<dyn Filter>>, Vec<LoadError>) {
    let held = directory::load_once(directory, loader).await;
    let errors = held.iter().filter_map(|held| held.absent.clone()).collect();
    let filters = held.into_iter().map(|held| held.filter).collect();
    (filters, errors)
}

/// What an operator should hear whose directory has no filter: a disk that is not mounted looks the same.
pub fn no_filter_in(directory: &Path) -> String {
    let directory = directory.display();
    format!("{directory} holds no filter: mail is relayed without any until one is put there")
}

/// Is some filter of a directory granted `state`, by its TOML? Nothing is loaded. Blocks.
pub fn remember(directory: &Path) -> bool {
    let look = Look::at(directory, &BTreeSet::new());
    let tomls = look
        .entries
        .values()
        .filter_map(|entry| entry.toml.as_ref());
    let policies = tomls.filter_map(|(toml, _)| Policy::read(toml).ok());
    policies.into_iter().any(|policy| policy.has_state())
}

/// Why a directory cannot be listed.
fn absence(directory: &Path, look: &Look) -> Option<LoadError> {
    let (_, trouble) = look.trouble.as_ref()?;
    let cure = "check that it exists and who may read it".to_owned();
    let problem = format!("cannot be read: {trouble}");
    Some(draft::error(directory, &problem, cure))
}
