//! One proxy for the whole set: a listener for each attack, and one for a client that does nothing wrong.

use std::collections::HashMap;
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use lazaret_engine::{Engine, EngineSettings, inspect};
use tempfile::TempDir;
use toml::{Table, Value};

use super::attack::{Attack, Guest, Point};
use super::sink::Sink;
use super::witness;
use crate::{Proxy, guests};

/// CPU that a stage of a hostile filter is given.
pub const TIME: std::time::Duration = std::time::Duration::from_millis(10);
/// The listener of the good client; the filter `innocent` is asked there, and no other.
pub const GOOD: &str = "good";

/// What all have, unless the attack says otherwise.
const POLICY: &str = "time = \"10ms\"\nmemory = \"8 MiB\"\nwall = \"5s\"\non-failure = \"defer\"";

/// A proxy, its backend, and where each attack's listener is.
#[derive(Debug)]
pub struct Site {
    /// the backend
    pub sink: Sink,
    proxy: Proxy,
    /// hundreds of them are one component with another configuration: compiled once
    _cache: TempDir,
    addresses: HashMap<String, SocketAddr>,
}

impl Site {
    /// Loads the filters of all these attacks.
    pub fn start(attacks: &[Attack], settings: EngineSettings) -> Self {
        witness::listen();
        let private = Permissions::from_mode(0o700);
        let cache = tempfile::Builder::new().permissions(private).tempdir();
        let cache = cache.expect("a temporary directory");
        let engine = Engine::new(EngineSettings {
            cache: Some(cache.path().to_owned()),
            ..settings
        });
        let sink = Sink::start();
        let names: Vec<String> = attacks.iter().map(Attack::name).collect();
        let listeners = names.iter().map(String::as_str).chain([GOOD]).map(listener);
        let mut root = Table::new();
        root.insert("listener".into(), Value::Array(listeners.collect()));
        let mut builder = Proxy::before(sink.address()).set_table(root);
        builder = builder.engine(engine.expect("an engine"));
        for (attack, name) in attacks.iter().zip(&names) {
            let wasm = octets(attack);
            let policy = policy(attack, &wasm, name);
            builder = builder
                .file(&format!("filters.d/10-{name}.wasm"), &wasm)
                .file(&format!("filters.d/10-{name}.toml"), policy.as_bytes());
        }
        let innocent = guests::Guest::Minimal.octets();
        let proxy = builder
            .file("filters.d/20-innocent.wasm", &innocent)
            .file("filters.d/20-innocent.toml", b"listeners = [\"good\"]")
            .start();
        let names = names.into_iter().chain([GOOD.to_owned()]);
        let addresses = names
            .map(|name| (name.clone(), proxy.address(&name)))
            .collect();
        Self {
            sink,
            proxy,
            _cache: cache,
            addresses,
        }
    }

    /// Where the listener of that name is.
    pub fn address(&self, name: &str) -> SocketAddr {
        self.addresses[name]
    }

    /// How many messages with this token are in the quarantine; they are removed by it.
    pub fn quarantined(&self, token: &str) -> usize {
        let line = format!("Subject: {token}\r\n");
        let mut files = self.proxy.quarantine("eml");
        // Another attacker may just have removed its own.
        files.retain(|file| {
            std::fs::read(file)
                .is_ok_and(|octets| memchr::memmem::find(&octets, line.as_bytes()).is_some())
        });
        for file in &files {
            let _ = std::fs::remove_file(file);
            let _ = std::fs::remove_file(file.with_extension("json"));
        }
        files.len()
    }
}

fn listener(name: &str) -> Value {
    let mut table = Table::new();
    table.insert("name".into(), name.into());
    table.insert("listen".into(), vec!["127.0.0.1:0"].into());
    table.insert("tls".into(), "off".into());
    table.insert("recipients".into(), vec!["example.org"].into());
    Value::Table(table)
}

/// The component of an attack.
pub fn octets(attack: &Attack) -> Vec<u8> {
    match &attack.guest {
        Guest::Forged(forge) => forge.at(attack.point),
        Guest::Told(_) => guests::Guest::Puppet.octets(),
    }
}

/// Its `.toml`, for the listener of that name.
pub fn policy(attack: &Attack, wasm: &[u8], listener: &str) -> String {
    let mut policy: Table = POLICY.parse().expect("valid TOML");
    let prints = attack.policy == "print-in-configure";
    let own = if prints { "" } else { attack.policy };
    let own: Table = own
        .parse()
        .unwrap_or_else(|error| panic!("{}: {error}", attack.policy));
    policy.extend(own);
    policy.insert("listeners".into(), vec![listener].into());
    policy.insert("grant".into(), grants(wasm).into());
    if let Guest::Told(step) = &attack.guest {
        policy.insert("stages".into(), vec![attack.point.name()].into());
        policy.insert(
            "config".into(),
            Value::Table(script(attack.point, step, prints)),
        );
    }
    policy.to_string()
}

/// Everything it asks for, edits and points as an operator would narrow them.
fn grants(wasm: &[u8]) -> Vec<String> {
    let Ok(seen) = inspect(wasm) else {
        return Vec::new();
    };
    let named = seen.requests().map(|permission| match permission.name() {
        "edit-headers" => "edit-headers:X-*".to_owned(),
        "score" => "score:-100..100".to_owned(),
        name => name.to_owned(),
    });
    named.collect()
}

/// The puppet's `[config]`: the step, for evil mail only where there is mail.
fn script(point: Point, step: &str, prints: bool) -> Table {
    let when = match point {
        Point::Connect | Point::Disconnect | Point::Configure => "",
        _ => "when = \"evil\", ",
    };
    let prints = match prints {
        true => "configure = { do = [{ print = 1 }, { complain = 1 }] }\n",
        false => "",
    };
    let text = format!("{prints}{} = [{{ {when}{step} }}]", point.name());
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}
