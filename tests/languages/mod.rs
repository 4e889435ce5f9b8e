//! The reference filter in its languages: where its components are, and whether they are of this source.

pub mod beside;
mod sources;
mod stage;

use std::path::{Path, PathBuf};

use lazaret_engine::Permission;
use lazaret_mail::Stage as Asked;

pub use stage::{Stage, transcripts};

/// A language that the contract is held in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// built by this package's build script
    Rust,
    /// `guest-sdk/c`
    C,
    /// `guest-sdk/python`
    Python,
    /// `guest-sdk/javascript`
    JavaScript,
}

/// Why a language cannot be played.
#[derive(Debug)]
pub enum Absent {
    /// its component was not built: this is its toolchain
    NotBuilt(&'static str),
    /// its component is of another source
    Stale(String),
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 4] = [
        Language::Rust,
        Language::C,
        Language::Python,
        Language::JavaScript,
    ];

    /// As in `guest-sdk`.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::C => "c",
            Language::Python => "python",
            Language::JavaScript => "javascript",
        }
    }

    fn toolchain(self) -> &'static str {
        match self {
            Language::Rust => "rustc",
            Language::C => "zig",
            Language::Python => "componentize-py",
            Language::JavaScript => "componentize-qjs",
        }
    }

    /// Its component, if it is there and of this source.
    pub fn component(self) -> Result<PathBuf, Absent> {
        if self == Language::Rust {
            return Ok(env!("GUEST_REFERENCE").into());
        }
        let built = directory().join(self.name());
        let component = built.join("reference.wasm");
        if !component.is_file() {
            return Err(Absent::NotBuilt(self.toolchain()));
        }
        sources::check(self.name(), &built.join("reference.sources")).map_err(Absent::Stale)?;
        Ok(component)
    }
}

/// What lies outside of a transaction: transcripts cannot show it, and each service has tests of its own.
const OUTSIDE: [Permission; 5] = [
    Permission::Dns,
    Permission::State,
    Permission::Http,
    Permission::Lists,
    Permission::Metrics,
];

/// Everything else is in the reference filter: it exports every stage and asks for every permission, and for nothing else
/// but WASI, which is inert.
pub fn is_complete(component: &Path) -> Result<(), String> {
    let octets = std::fs::read(component).map_err(|error| error.to_string())?;
    let seen = lazaret_engine::inspect(&octets).map_err(|error| error.to_string())?;
    let unasked = Asked::ALL
        .into_iter()
        .find(|stage| !seen.stages.contains(*stage));
    if let Some(stage) = unasked {
        return Err(format!("the stage {} is not exported", stage.name()));
    }
    let unused = Permission::ALL
        .iter()
        .find(|it| !OUTSIDE.contains(it) && !seen.permissions.contains(it));
    unused.map_or(Ok(()), |it| Err(format!("the permission {it} is not used")))
}

/// Where `cargo xtask languages` puts what it builds: `languages` in cargo's target directory.
fn directory() -> PathBuf {
    lazaret_tests::peers::target().join("languages")
}

/// All rights and a configuration, as its own transcripts give it.
pub fn policy() -> String {
    let grant = "session envelope headers body parts edit-headers score notes pace";
    let grant: Vec<_> = grant.split(' ').collect();
    let domains = transcripts().join("domains.txt");
    format!(
        "grant = {grant:?}\ntime = '2s'\n[config]\ndomains = {{ lines = {domains:?} }}\npoints = 2.5\n"
    )
}
