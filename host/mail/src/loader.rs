//! The seam between the filter directory (proxy) and the engine.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Filter, Policy};

/// What a filter is made from. Its octets are read once, by whoever watches the files, so that what was looked at is what
/// is loaded.
#[derive(Clone, Debug)]
pub struct Source {
    /// the name without its number, e.g. `access`
    pub name: String,
    /// where the octets are from, for messages only
    pub file: PathBuf,
    /// the component
    pub wasm: Bytes,
    /// what the operator wrote
    pub policy: Policy,
}

/// Turns a component and its policy into a filter.
#[async_trait]
pub trait Loader: Send + Sync {
    /// Checks, compiles and configures. Takes from milliseconds to minutes; never blocks an async thread.
    async fn load(&self, source: Source) -> Result<Arc<dyn Filter>, LoadError>;
}

/// Why a filter could not be loaded: what is wrong and what to do about it. No raw linker error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}; {cure}")]
pub struct LoadError {
    /// the file at fault, `.wasm` or `.toml`
    pub file: String,
    /// what is wrong
    pub problem: String,
    /// what the operator or the author does about it
    pub cure: String,
}
