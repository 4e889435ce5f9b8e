//! `state`: what a filter remembers across connections. Each filter has a space of its own.

use std::path::PathBuf;

use crate::{Fault, Refused};

/// Where state is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// in memory, gone with the process: `try`, `check` and tests
    #[default]
    Memory,
    /// redb
    File(PathBuf),
    /// `redis://..` or `rediss://..`
    Redis(String),
}

/// The most that one filter may keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// `state-keys`
    pub keys: u64,
    /// `state-size`: octets of keys and values together
    pub size: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            keys: 1_000_000,
            size: 256 << 20,
        }
    }
}

/// The state of all filters; cheap to clone.
#[derive(Clone)]
pub struct Store;

impl Store {
    /// Opens a file, or names the server that the first question connects to.
    pub async fn open(_place: &Place) -> Result<Self, Fault> {
        Ok(Self)
    }

    /// The space of the filter of that name.
    pub fn space(&self, _filter: &str, _caps: Caps) -> Space {
        Space
    }
}

/// What one filter remembers. Every function answers within [`crate::STORE_PATIENCE`].
#[derive(Clone)]
pub struct Space;

impl Space {
    /// The value, if there is one.
    pub async fn read(&self, _key: &str) -> Result<Option<Vec<u8>>, Refused> {
        Err(Refused::Unavailable)
    }

    /// Writes it, for `seconds` from now.
    pub async fn set(&self, _key: &str, _value: &[u8], _seconds: u32) -> Result<(), Refused> {
        Err(Refused::Unavailable)
    }

    /// Was it there?
    pub async fn remove(&self, _key: &str) -> Result<bool, Refused> {
        Err(Refused::Unavailable)
    }

    /// Adds, in one step; the sum.
    pub async fn increment(&self, _key: &str, _by: i32, _seconds: u32) -> Result<i32, Refused> {
        Err(Refused::Unavailable)
    }

    /// Writes `value` (None: removes) if what is there is `expected` (None: nothing). Was it?
    pub async fn compare_and_set(
        &self,
        _key: &str,
        _expected: Option<&[u8]>,
        _value: Option<&[u8]>,
        _seconds: u32,
    ) -> Result<bool, Refused> {
        Err(Refused::Unavailable)
    }
}
