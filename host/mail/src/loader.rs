//! The seam between the filter directory (proxy) and the engine.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Filter, Policy};

/// Turns a component and its policy into a filter.
#[async_trait]
pub trait Loader: Send + Sync {
    /// Reads, checks, compiles and configures `wasm` under the name `name`. Takes from milliseconds to minutes; never
    /// blocks an async thread.
    async fn load(
        &self,
        name: &str,
        wasm: &Path,
        policy: Policy,
    ) -> Result<Arc<dyn Filter>, LoadError>;
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
