//! One proxy for the whole set: a listener for each attack, and one for a client that does nothing wrong.

use std::collections::{BTreeMap, HashMap};
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use lazaret_engine::{Engine, EngineSettings, inspect};
use tempfile::TempDir;
use toml::{Table, Value};

use super::attack::{Attack, Guest, Point};
use super::sink::Sink;
use super::witness;
use crate::{Proxy, guests};

/// The listener of the good client; the filter `innocent` is asked there, and no other.
pub const GOOD: &str = "good";

/// What all have, unless the attack says otherwise.
const POLICY: &str =
    "memory = \"8 MiB\"\nwall = \"15s\"\non-failure = \"defer\"\nbreaker = { failures = 0 }";

/// Stands for a policy: what it prints in `configure` besides.
pub const PRINTS: &str = "print-in-configure";

/// A proxy, its backend, and where each attack's listener is.
#[derive(Debug)]
pub struct Site {
    /// the backend
    pub sink: Sink,
    proxy: Proxy,
    /// the puppets are one component with other configurations: compiled once
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
        root.insert("state".into(), "memory".into());
        let mut builder = Proxy::before(sink.address()).set_table(root);
        builder = builder.engine(engine.expect("an engine"));
        for (number, cast) in casts(attacks).into_iter().enumerate() {
            let wasm = octets(cast[0]);
            let policy = policy_of(&cast, &wasm);
            let name = format!("filters.d/10-cast-{number}");
            builder = builder
                .file(&format!("{name}.wasm"), &wasm)
                .file(&format!("{name}.toml"), policy.as_bytes());
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

/// Those that one filter can play: each that is made from text is a filter of its own; what the puppet does at one point
/// under one policy and with as much time is one filter, which tells its attacks apart by their listeners.
fn casts(attacks: &[Attack]) -> Vec<Vec<&Attack>> {
    let mut casts = Vec::new();
    let mut told: BTreeMap<(Point, &str, Duration), Vec<&Attack>> = BTreeMap::new();
    for attack in attacks {
        match attack.guest {
            Guest::Forged(_) => casts.push(vec![attack]),
            Guest::Told(_) => told
                .entry((attack.point, attack.policy, attack.time()))
                .or_default()
                .push(attack),
        }
    }
    casts.extend(told.into_values());
    casts
}

/// The `.toml` of a filter that plays these attacks, each at the listener of its name.
fn policy_of(cast: &[&Attack], wasm: &[u8]) -> String {
    let names: Vec<String> = cast.iter().map(|attack| attack.name()).collect();
    let mut policy = rights(cast[0], wasm, names);
    if let Guest::Told(_) = cast[0].guest {
        policy.insert("config".into(), Value::Table(parts(cast)));
    }
    policy.to_string()
}

/// The `.toml` of an attack on its own, at that listener.
pub fn policy(attack: &Attack, wasm: &[u8], listener: &str) -> String {
    let mut policy = rights(attack, wasm, vec![listener.to_owned()]);
    if let Guest::Told(step) = &attack.guest {
        policy.insert("config".into(), Value::Table(script(attack.point, step)));
    }
    policy.to_string()
}

/// What it may, and where it is asked.
fn rights(attack: &Attack, wasm: &[u8], listeners: Vec<String>) -> Table {
    let mut policy: Table = POLICY.parse().expect("valid TOML");
    let own = match attack.policy {
        PRINTS => "",
        own => own,
    };
    let own: Table = own.parse().unwrap_or_else(|error| panic!("{own}: {error}"));
    let time = format!("{}ms", attack.time().as_millis());
    policy.insert("time".into(), time.into());
    policy.extend(own);
    policy.insert("listeners".into(), listeners.into());
    policy.insert("grant".into(), grants(wasm).into());
    if let Guest::Told(_) = attack.guest {
        policy.insert("stages".into(), vec![attack.point.name()].into());
    }
    policy
}

/// The `[config]` of a puppet that plays all these.
fn parts(cast: &[&Attack]) -> Table {
    let mut parts = Table::new();
    for attack in cast {
        if let Guest::Told(step) = &attack.guest {
            parts.insert(attack.name(), Value::Table(script(attack.point, step)));
        }
    }
    let mut config = match cast[0].policy {
        PRINTS => "configure = { do = [{ print = 1 }, { complain = 1 }] }",
        _ => "",
    }
    .parse::<Table>()
    .expect("valid TOML");
    config.insert("listeners".into(), Value::Table(parts));
    config
}

/// Everything it asks for, edits and points as an operator would narrow them.
fn grants(wasm: &[u8]) -> Vec<String> {
    let Ok(seen) = inspect(wasm) else {
        return Vec::new();
    };
    let named = seen.requests().map(|permission| match permission.name() {
        "edit-headers" => "edit-headers:X-*".to_owned(),
        "score" => "score:-100..100".to_owned(),
        // Where nobody listens.
        "http" => "http:127.0.0.1:9".to_owned(),
        name => name.to_owned(),
    });
    named.collect()
}

/// The step at its point, for evil mail only where there is mail.
fn script(point: Point, step: &str) -> Table {
    let when = match point {
        Point::Connect | Point::Disconnect | Point::Configure => "",
        _ => "when = \"evil\", ",
    };
    let text = format!("{} = [{{ {when}{step} }}]", point.name());
    text.parse()
        .unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hostile::set;

    #[test]
    fn few_filters_play_all_that_the_puppet_does() {
        let attacks = set::asked();
        let casts = casts(&attacks);
        assert_eq!(casts.iter().map(Vec::len).sum::<usize>(), attacks.len());
        let told: Vec<_> = casts
            .iter()
            .filter(|cast| matches!(cast[0].guest, Guest::Told(_)))
            .collect();
        assert!((10..80).contains(&told.len()), "{} puppets", told.len());
        for cast in told {
            let shared = |attack: &Attack| (attack.point, attack.policy, attack.time());
            let alike = |attack: &&Attack| shared(attack) == shared(cast[0]);
            assert!(cast.iter().all(alike));
            let parts = parts(cast);
            assert_eq!(parts["listeners"].as_table().unwrap().len(), cast.len());
        }
    }
}
