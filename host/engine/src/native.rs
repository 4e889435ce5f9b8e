//! Native code that was compiled elsewhere becomes a component: the only unsafe code of the program.
#![allow(unsafe_code)]

use wasmtime::Engine;
use wasmtime::component::Component;

/// A compiled component in wasmtime's serialised form, of which we know who wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Native(Vec<u8>);

impl Native {
    /// To be called in three places only: where wasmtime just compiled it in this process, where a child process that we
    /// started from our own program wrote it into its pipe, and where an entry of our own private cache was checked.
    /// Never with octets of a filter directory, a message or a network.
    pub fn of_our_own(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// For a pipe or the cache.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Takes the code over. wasmtime refuses what was compiled by another version or with other settings.
    pub fn component(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: the octets are what `Component::serialize` or `Engine::precompile_component` of this version of
        // wasmtime gave, see `of_our_own`: a `Native` cannot be made from anything else. Who can change our child's
        // memory, its pipe or files of mode 0600 in a directory of mode 0700 of our user can as well change this
        // program. A sum over each cache entry finds what a failing disk did.
        unsafe { Component::deserialize(engine, &self.0) }
    }
}
