//! Components for tests: those built from `tests/guests`, and broken ones made on the spot.

use std::path::PathBuf;

mod broken;

pub use broken::*;

/// A component to put into a filter directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guest {
    /// does what its `[config]` says; exports every stage and wants every permission
    Puppet,
    /// exports `on-rcpt` alone and wants nothing
    Minimal,
    /// tells at rcpt what its `configure` left: see `guests/frozen.rs`
    Frozen,
    /// reaches out at rcpt: see `guests/reacher.rs`
    Reacher,
    /// remembers, looks up and counts at rcpt: see `guests/keeper.rs`
    Keeper,
    /// asks a server at message: see `guests/scanner.rs`
    Scanner,
}

impl Guest {
    /// By the name a transcript uses.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "puppet" => Some(Guest::Puppet),
            "minimal" => Some(Guest::Minimal),
            "frozen" => Some(Guest::Frozen),
            "reacher" => Some(Guest::Reacher),
            "keeper" => Some(Guest::Keeper),
            "scanner" => Some(Guest::Scanner),
            _ => None,
        }
    }

    /// Where it was built.
    pub fn path(self) -> PathBuf {
        match self {
            Guest::Puppet => env!("GUEST_PUPPET"),
            Guest::Minimal => env!("GUEST_MINIMAL"),
            Guest::Frozen => env!("GUEST_FROZEN"),
            Guest::Reacher => env!("GUEST_REACHER"),
            Guest::Keeper => env!("GUEST_KEEPER"),
            Guest::Scanner => env!("GUEST_SCANNER"),
        }
        .into()
    }

    /// The permissions it wants: each must be granted or denied.
    pub fn wants(self) -> &'static [&'static str] {
        match self {
            Guest::Puppet => &[
                "session",
                "envelope",
                "headers",
                "body",
                "parts",
                "edit-headers",
                "score",
                "notes",
                "pace",
            ],
            Guest::Reacher => &["session", "dns", "http"],
            Guest::Keeper => &["state", "lists", "metrics"],
            Guest::Scanner => &["http"],
            Guest::Minimal | Guest::Frozen => &[],
        }
    }

    /// The component.
    pub fn octets(self) -> Vec<u8> {
        std::fs::read(self.path()).expect("built by build.rs")
    }
}

/// The puppet in another build: what it says where `{build}` stands is in its octets.
///
/// # Panics
/// If `build` is not of seven letters, or the puppet has no such place.
pub fn puppet_of(build: &str) -> Vec<u8> {
    const PLACE: &[u8] = b"puppet is build-a";
    let mut wasm = Guest::Puppet.octets();
    let found = wasm.windows(PLACE.len()).position(|it| it == PLACE);
    let end = found.expect("it says which build it is") + PLACE.len();
    wasm[end - 7..end].copy_from_slice(build.as_bytes());
    wasm
}

/// A custom section at the end: the same program, other octets.
pub fn with_section(mut wasm: Vec<u8>, name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).expect("a short name");
    wasm.extend([0, length + 1, length]);
    wasm.extend(name.as_bytes());
    wasm
}
