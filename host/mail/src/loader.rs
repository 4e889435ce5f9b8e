//! The seam between the filter directory (proxy) and the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Clues, Filter, Policy};

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
#[error("{file}: {problem}; {cure}{clues}")]
pub struct LoadError {
    /// the file at fault, `.wasm` or `.toml`
    pub file: String,
    /// what is wrong
    pub problem: String,
    /// what the operator or the author does about it
    pub cure: String,
    /// where the filter was if its own code failed, and what it said
    pub clues: Box<Clues>,
}

impl LoadError {
    /// About a file, before any code of a filter ran.
    pub fn new(file: &Path, problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            file: file.display().to_string(),
            problem: problem.into(),
            cure: cure.into(),
            clues: Box::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_one_line_with_what_its_author_needs() {
        let mut error = LoadError::new(Path::new("10-a.wasm"), "configure failed: trap", "mend it");
        assert_eq!(
            error.to_string(),
            "10-a.wasm: configure failed: trap; mend it"
        );
        error.clues.stderr = vec!["panicked at src/lib.rs:3:".into(), "no list".into()];
        error.clues.backtrace = vec!["read at src/lib.rs:3".into(), "configure +0x12".into()];
        assert_eq!(
            error.to_string(),
            "10-a.wasm: configure failed: trap; mend it [it wrote: panicked at src/lib.rs:3: / no list; \
             it was in: read at src/lib.rs:3 < configure +0x12]"
        );
    }
}
