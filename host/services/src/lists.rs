//! `lists`: large sets and maps from files, held once for all filters and sandboxes.

use std::path::PathBuf;

use crate::{Fault, Refused};

/// What the entries of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// compared as a whole, in any case
    Words,
    /// a domain holds all below it
    Domains,
    /// CIDR
    Networks,
}

/// One line under `[lists]` in a filter's TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// the filter's name for it
    pub name: String,
    /// what it holds
    pub kind: Kind,
    /// where
    pub file: PathBuf,
}

/// All lists of the process: one file is held once, whoever names it.
#[derive(Default)]
pub struct Library;

impl Library {
    /// The lists of one filter, read now and again when their files change.
    pub async fn shelf(&self, _lists: &[Definition]) -> Result<Shelf, Fault> {
        Ok(Shelf)
    }
}

/// The lists of one filter.
pub struct Shelf;

impl Shelf {
    /// Is the entry in the list of that name?
    pub fn contains(&self, _name: &str, _entry: &str) -> Result<bool, Refused> {
        Err(Refused::Invalid)
    }

    /// What stands behind it, of the most specific line that holds it.
    pub fn lookup(&self, _name: &str, _entry: &str) -> Result<Option<String>, Refused> {
        Err(Refused::Invalid)
    }
}
