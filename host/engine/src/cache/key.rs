//! What an entry depends on. Whatever can change the outcome is in the key, so no entry is ever wrong, only unused.

use std::hash::{Hash, Hasher};

use lazaret_mail::Policy;
use sha2::{Digest, Sha256};
use wasmtime::Engine;

use crate::prepare::Plan;
use crate::settings::EngineSettings;

/// Counts up whenever the way of preparing or the layout of entries changes without the version of the program.
const ISSUE: u32 = 6;

const PREPARED: &str = "prepared";
const INSTRUMENTED: &str = "instrumented";
const FUNCTIONS: &str = "functions";
const LATEST: &str = "latest";

/// Is it the name of an entry, of this program or an earlier one?
pub(super) fn is_entry(name: &str) -> bool {
    let (kind, hash) = name.split_once('-').unwrap_or_default();
    let is_hash = hash.len() == 64 && hash.bytes().all(|octet| octet.is_ascii_hexdigit());
    is_hash && [PREPARED, INSTRUMENTED, FUNCTIONS, LATEST].contains(&kind)
}

/// The name of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    kind: &'static str,
    hash: [u8; 32],
}

/// What a prepared filter is made from.
pub struct Makings<'a> {
    /// sha256 of the component
    pub wasm: &'a [u8; 32],
    /// rights, limits and configuration
    pub policy: &'a Policy,
    /// limits of the engine
    pub settings: &'a EngineSettings,
    /// what it is made into
    pub plan: Plan,
}

impl Key {
    /// Of a prepared filter.
    pub fn prepared(engine: &Engine, makings: &Makings<'_>) -> Self {
        let Makings {
            wasm,
            policy,
            settings,
            plan,
        } = makings;
        let mut sum = Sum::of(engine);
        sum.part(*wasm);
        sum.part(&format!("{plan:?}"));
        if *plan == Plan::Snapshot {
            sum.part(&policy.config);
            sum.part(&policy.memory.to_le_bytes());
            sum.part(&format!("{:?}", policy.deny));
            sum.part(&settings.table_elements.to_le_bytes());
            sum.part(&settings.max_memory.to_le_bytes());
        }
        sum.key(PREPARED)
    }

    /// Of a compiled component to which wizer added its readers: `wasm` is its hash.
    pub fn instrumented(engine: &Engine, wasm: &[u8; 32]) -> Self {
        let mut sum = Sum::of(engine);
        sum.part(wasm);
        sum.key(INSTRUMENTED)
    }

    /// Of the compiled functions of the component with that hash.
    pub fn functions(wasm: &[u8; 32]) -> Self {
        // Each function has a key of its own, which holds the compiler and its settings.
        let mut sum = Sum::new();
        sum.part(wasm);
        sum.key(FUNCTIONS)
    }

    /// Of the hash of the component that the filter of this name was last.
    pub fn latest(name: &str) -> Self {
        let mut sum = Sum::new();
        sum.part(name);
        sum.key(LATEST)
    }

    /// The entry's file in the cache.
    pub fn file_name(&self) -> String {
        let hex: String = self
            .hash
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        format!("{}-{hex}", self.kind)
    }
}

/// A sum over parts, each with its length.
struct Sum(Sha256);

impl Sum {
    fn new() -> Self {
        let mut sum = Self(Sha256::new());
        sum.part(env!("CARGO_PKG_VERSION"));
        sum.part(&ISSUE.to_le_bytes());
        sum
    }

    fn of(engine: &Engine) -> Self {
        let mut sum = Self::new();
        engine.precompile_compatibility_hash().hash(&mut sum);
        sum
    }

    fn part(&mut self, part: &(impl AsRef<[u8]> + ?Sized)) {
        let part = part.as_ref();
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    fn key(self, kind: &'static str) -> Key {
        Key {
            kind,
            hash: self.0.finalize().into(),
        }
    }
}

/// wasmtime gives its settings as something that can be hashed; a word of 64 bits would be too short a name.
impl Hasher for Sum {
    fn write(&mut self, octets: &[u8]) {
        self.part(octets);
    }

    fn finish(&self) -> u64 {
        0
    }
}
