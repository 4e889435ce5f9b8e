//! The proxy that all transcripts of one language are played against.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lazaret_tests::{BackendDouble, Client, Proxy, Transcript, proxy::Builder};
use serde::Deserialize;
use toml::Table;

/// `transcripts/setup.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Setup {
    /// in the clear, beside the kit's own
    listeners: Vec<String>,
    /// by file name
    filter: BTreeMap<String, Table>,
}

/// A running proxy with the reference filter of one language.
#[derive(Debug)]
pub struct Stage {
    proxy: Proxy,
    backend: BackendDouble,
}

impl Stage {
    /// Starts it; loading takes as long as it takes.
    pub fn new(component: &Path) -> Self {
        let directory = transcripts();
        let setup = std::fs::read_to_string(directory.join("setup.toml")).expect("the set-up");
        let setup: Setup = toml::from_str(&setup).unwrap_or_else(|error| panic!("{error}"));
        let component = std::fs::read(component).expect("a component that is there");
        let domains = std::fs::read(directory.join("domains.txt")).expect("the list of domains");
        let backend = BackendDouble::start();
        let builder = Proxy::before(backend.address())
            .listeners(&setup.listeners)
            .file("filters.d/domains.txt", &domains);
        let add = |builder: Builder, (name, policy): (&String, &Table)| {
            builder
                .file(&format!("filters.d/{name}.wasm"), &component)
                .file(
                    &format!("filters.d/{name}.toml"),
                    policy.to_string().as_bytes(),
                )
        };
        let proxy = setup.filter.iter().fold(builder, add).start();
        Self { proxy, backend }
    }

    /// Plays one transcript.
    pub fn play(&self, transcript: &Path) -> Result<(), String> {
        Transcript::read(transcript).play_at(&self.proxy, &self.backend)
    }

    /// What a transcript cannot say: octets of `entropy` differ from sandbox to sandbox, though all are made of one
    /// configured filter.
    pub fn draws_fresh_octets(&self) -> Result<(), String> {
        let (one, other) = (self.draw(), self.draw());
        match one != other && one.len() == 16 {
            true => Ok(()),
            false => Err(format!("two sandboxes drew {one} and {other}")),
        }
    }

    fn draw(&self) -> String {
        let mut client = Client::greeted(self.proxy.plain());
        let reply = client.ask("MAIL FROM:<try-random@example.com>", "550 5.7.1 *");
        let text = reply.text();
        text.split(' ').nth(2).unwrap_or_default().to_owned()
    }
}

/// `guest-sdk/reference/transcripts`
pub fn transcripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/reference/transcripts")
}
