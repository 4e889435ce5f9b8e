//! The real proxy, in this process, on ports of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::sync::{Arc, LazyLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lazaret_engine::{Engine, EngineSettings, Preparer};
use lazaret_services::dns::{Names, Zone};
use lazaret_services::{Services, Trust, http, state};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use toml::{Table, Value};

use crate::guests::Guest;
use crate::{Client, certificate, journal};

/// One engine for all proxies of this process, as one would serve all listeners of a real one.
static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Engine::new(settings()).expect("an engine"));

/// Compiled code of this build of the program, beside it: each component is compiled once, as in production.
static CACHE: LazyLock<PathBuf> = LazyLock::new(|| {
    let program = program();
    let built = program.metadata().and_then(|about| about.modified());
    let built = built.expect("a file system with times");
    let built = built
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let ours = program.with_file_name(format!("{CACHES}{}", built.as_nanos()));
    let beside = std::fs::read_dir(program.parent().expect("a file in a directory"));
    for entry in beside.into_iter().flatten().flatten() {
        let of_others =
            entry.path() != ours && entry.file_name().to_string_lossy().starts_with(CACHES);
        if of_others {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    ours
});

/// How the caches of all builds begin.
const CACHES: &str = "lazaret-test-cache-";

/// As the program sets its engine up: filters are prepared in child processes, and compiled code is kept.
pub fn settings() -> EngineSettings {
    EngineSettings {
        preparer: Preparer::Child { program: program() },
        cache: Some(CACHE.clone()),
        ..EngineSettings::default()
    }
}

/// An engine of its own, whose filters find names in this zone file and have a memory of their own.
pub fn engine_with_zone(zone: &str) -> Arc<Engine> {
    let zone = Zone::parse(zone).unwrap_or_else(|fault| panic!("{fault:?}"));
    let names = Names::of_zone(zone);
    let http = http::Client::new(names.clone(), Trust::default());
    let settings = EngineSettings {
        sandboxes: 64,
        services: Services::of(names, http, state::Store::default()),
        ..settings()
    };
    Engine::new(settings).expect("an engine")
}

/// The program, which cargo builds before any test of this package: beside the directory of the tests.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a running program");
    let built = test.ancestors().nth(2).expect("target/debug/deps/TEST");
    let program = built.join("lazaret-under-test");
    assert!(program.exists(), "{} is missing", program.display());
    program
}

/// The stages that a puppet's `[config]` may name.
const STAGES: [&str; 9] = [
    "connect",
    "hello",
    "auth",
    "mail",
    "rcpt",
    "headers",
    "message",
    "outcome",
    "disconnect",
];

/// A directory with a configuration and filters that is not running yet.
pub struct Builder {
    dir: TempDir,
    root: Table,
    engine: Option<Arc<Engine>>,
}

/// A running proxy; it drains when dropped.
#[derive(Debug)]
pub struct Proxy {
    dir: TempDir,
    addresses: Vec<(String, SocketAddr)>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Builder {
    /// A proxy before this backend, with the listeners `plain`, `starttls` and `implicit`, for
    /// recipients at example.org.
    pub fn new(backend: SocketAddr) -> Self {
        let dir = tempfile::Builder::new().prefix("lazaret-test-").tempdir();
        let dir = dir.expect("a temporary directory");
        for inner in ["filters.d", "quarantine"] {
            std::fs::create_dir(dir.path().join(inner)).expect("a fresh directory");
        }
        certificate::shared().write(dir.path());
        Self {
            dir,
            root: ordinary(backend),
            engine: None,
        }
    }

    /// Puts a guest into the filter directory, e.g. as `10-puppet`. `policy` is its TOML as an
    /// operator writes it; what the case is not about may be left out: permissions that are
    /// not named are granted, or denied if any is granted by name, and a puppet is asked at the stages
    /// its `[config]` names.
    pub fn filter(self, name: &str, guest: Guest, policy: &str) -> Self {
        let table: Table = policy
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        self.filter_table(name, guest, table)
    }

    /// The same, with the TOML parsed.
    pub fn filter_table(self, name: &str, guest: Guest, mut policy: Table) -> Self {
        complete(&mut policy, guest);
        self.file(&format!("filters.d/{name}.wasm"), &guest.octets())
            .file(
                &format!("filters.d/{name}.toml"),
                policy.to_string().as_bytes(),
            )
    }

    /// Puts a bundled filter into the filter directory under the name it is shipped with. `changes` is TOML as an operator
    /// writes it: its keys, and those of its `[config]`, replace what is shipped.
    pub fn bundled(self, name: &str, changes: &str) -> Self {
        let changes: Table = changes
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        self.bundled_table(name, changes)
    }

    /// The same, with the TOML parsed.
    pub fn bundled_table(self, name: &str, changes: Table) -> Self {
        let filter = bundled(name);
        let mut policy: Table = filter.policy.parse().expect("what is shipped is TOML");
        for (key, value) in changes {
            match (policy.get_mut(&key), value) {
                (Some(Value::Table(shipped)), Value::Table(changed)) => shipped.extend(changed),
                (_, value) => drop(policy.insert(key, value)),
            }
        }
        let file = |end: &str| format!("filters.d/{}.{end}", filter.file);
        let lists = filter.lists.iter();
        lists
            .fold(self, |builder, (name, text)| builder.list(name, text))
            .file(&file("wasm"), filter.wasm)
            .file(&file("toml"), policy.to_string().as_bytes())
    }

    /// A file that a filter's TOML names, by path relative to it.
    fn list(self, name: &str, text: &str) -> Self {
        let name = format!("filters.d/{name}");
        let directory = self.dir.path().join(&name);
        let directory = directory.parent().expect("it is in a directory");
        std::fs::create_dir_all(directory).expect("a writable directory");
        self.file(&name, text.as_bytes())
    }

    /// Code that any test of this build compiled is taken from there: for a proxy that is a process of its own.
    pub fn with_cache(self) -> Self {
        let cache = CACHE.display().to_string();
        self.set_table(Table::from_iter([("cache".to_owned(), cache.into())]))
    }

    /// A file in the proxy's directory.
    pub fn file(self, name: &str, octets: &[u8]) -> Self {
        std::fs::write(self.dir.path().join(name), octets).expect("a writable directory");
        self
    }

    /// Changes the configuration: keys of the root, of `[backend]`, `[limits]`, of `[listener]`, which
    /// stands for all three listeners, or of one, e.g. `[listener-starttls]`.
    pub fn set(self, toml: &str) -> Self {
        let table: Table = toml
            .parse()
            .unwrap_or_else(|error| panic!("{toml}: {error}"));
        self.set_table(table)
    }

    /// The same, with the TOML parsed.
    pub fn set_table(mut self, changes: Table) -> Self {
        for (key, value) in changes {
            let only = key.strip_prefix("listener-");
            match (only, self.root.get_mut(&key), value) {
                (Some(name), _, Value::Table(new)) => self.listener(name).extend(new),
                (_, Some(Value::Table(here)), Value::Table(new)) => here.extend(new),
                (_, Some(Value::Array(all)), Value::Table(new)) => {
                    let tables = all.iter_mut().filter_map(Value::as_table_mut);
                    tables.for_each(|listener| listener.extend(new.clone()));
                }
                (_, _, value) => {
                    self.root.insert(key, value);
                }
            }
        }
        self
    }

    /// More listeners, in the clear.
    pub fn listeners(mut self, names: &[String]) -> Self {
        let all = self.root.get_mut("listener").and_then(Value::as_array_mut);
        let more = names.iter().map(|name| listener(name, "off"));
        all.expect("the ordinary ones").extend(more);
        self
    }

    fn listener(&mut self, name: &str) -> &mut Table {
        let all = self.root.get_mut("listener").and_then(Value::as_array_mut);
        let mut tables = all.into_iter().flatten().filter_map(Value::as_table_mut);
        let named = |table: &&mut Table| table.get("name").and_then(Value::as_str) == Some(name);
        tables
            .find(named)
            .unwrap_or_else(|| panic!("no listener {name}"))
    }

    /// With an engine of its own.
    pub fn engine(mut self, engine: Arc<Engine>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Writes `lazaret.toml` and keeps the directory without starting anything.
    pub fn write(self) -> TempDir {
        let text = self.root.to_string();
        self.file("lazaret.toml", text.as_bytes()).dir
    }

    /// Starts it.
    pub fn start(self) -> Proxy {
        journal::keep();
        let engine = self.engine.clone();
        Proxy::start(self.write(), engine.unwrap_or_else(|| Arc::clone(&ENGINE)))
    }
}

impl Proxy {
    /// See [`Builder::new`].
    pub fn before(backend: SocketAddr) -> Builder {
        Builder::new(backend)
    }

    fn start(dir: TempDir, engine: Arc<Engine>) -> Self {
        let (started, when_started) = mpsc::channel();
        let (shutdown, when_shut) = oneshot::channel();
        let config = dir.path().join("lazaret.toml");
        let thread = std::thread::spawn(move || {
            let runtime = Runtime::new().expect("a runtime");
            runtime.block_on(run(config, engine, started, when_shut));
            runtime.shutdown_timeout(Duration::from_secs(1));
        });
        let addresses = when_started.recv().expect("the proxy starts");
        Self {
            dir,
            addresses,
            shutdown: Some(shutdown),
            thread: Some(thread),
        }
    }

    /// The address of the listener of that name.
    pub fn address(&self, listener: &str) -> SocketAddr {
        let found = self.addresses.iter().find(|(name, _)| name == listener);
        found.unwrap_or_else(|| panic!("no listener {listener}")).1
    }

    /// The listener without TLS.
    pub fn plain(&self) -> SocketAddr {
        self.address("plain")
    }

    /// Waits until it offers this keyword: one that has just started, on a busy machine, may not have heard yet what its
    /// backend offers.
    pub fn until_offered(&self, keyword: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut client = Client::connect(self.plain());
        client.expect("220 *");
        let mut offers = || client.ask("EHLO client.example.com", "250 *").text();
        while !offers().contains(keyword) {
            let in_time = Instant::now() < deadline;
            assert!(in_time, "the backend's {keyword} is never offered");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The files with that extension in its quarantine, in order of name.
    pub fn quarantine(&self, extension: &str) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(self.dir().join("quarantine")) else {
            return Vec::new();
        };
        let mut files: Vec<_> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|it| it == extension))
            .collect();
        files.sort();
        files
    }

    /// Tells it to end, and waits until it has.
    pub fn stop(&mut self) {
        drop(self.shutdown.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the proxy ends without a panic");
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn run(
    config: PathBuf,
    engine: Arc<Engine>,
    started: mpsc::Sender<Vec<(String, SocketAddr)>>,
    shutdown: oneshot::Receiver<()>,
) {
    let socket = config.with_file_name("control.sock");
    let mut config = lazaret_proxy::Config::read(&config).unwrap_or_else(|error| panic!("{error}"));
    // Not in the directory of a real one.
    config.control.get_or_insert(socket);
    let bound = lazaret_proxy::Proxy::bind(config, engine).await;
    let proxy = bound.unwrap_or_else(|error| panic!("{error}"));
    started.send(proxy.addresses()).expect("the test waits");
    // The sender is dropped to end it.
    let shutdown = async {
        let _ = shutdown.await;
    };
    proxy.run(shutdown).await;
}

fn bundled(name: &str) -> &'static lazaret_bundled::Bundled {
    let mut all = lazaret_bundled::ALL.iter().chain(&lazaret_bundled::FURTHER);
    let found = all.find(|filter| filter.name == name);
    found.unwrap_or_else(|| panic!("no filter {name} is brought along"))
}

fn listener(name: &str, tls: &str) -> Value {
    let mut table = Table::new();
    table.insert("name".into(), name.into());
    table.insert("listen".into(), vec!["127.0.0.1:0"].into());
    table.insert("tls".into(), tls.into());
    table.insert("recipients".into(), vec!["example.org"].into());
    if tls != "off" {
        table.insert("certificate".into(), "cert.pem".into());
        table.insert("private-key".into(), "key.pem".into());
    }
    Value::Table(table)
}

fn ordinary(backend: SocketAddr) -> Table {
    let mut root: Table = format!(
        r#"
        hostname = "{}"
        filters = "filters.d"
        quarantine = "quarantine"
        [backend]
        address = ["{backend}"]
        identity = "none"
        "#,
        certificate::NAME
    )
    .parse()
    .expect("valid TOML");
    // They are bound in this order: who finds `plain` finds all of them.
    let listeners = [
        ("starttls", "starttls"),
        ("implicit", "implicit"),
        ("plain", "off"),
    ];
    let listeners = listeners.map(|(name, tls)| listener(name, tls));
    root.insert("listener".into(), Value::Array(listeners.into()));
    root
}

/// Writes what a test left out of a filter's TOML.
fn complete(policy: &mut Table, guest: Guest) {
    let named = |key: &str| -> Vec<String> {
        let list = policy.get(key).and_then(Value::as_array);
        let names = list.into_iter().flatten().filter_map(Value::as_str);
        names
            .map(|name| name.split(':').next().unwrap_or_default().to_owned())
            .collect()
    };
    let (granted, denied) = (named("grant"), named("deny"));
    let rest: Vec<Value> = guest
        .wants()
        .iter()
        .filter(|want| !granted.iter().chain(&denied).any(|name| name == *want))
        .map(|want| Value::from(*want))
        .collect();
    let key = if granted.is_empty() { "grant" } else { "deny" };
    if !rest.is_empty() {
        let list = policy
            .entry(key)
            .or_insert_with(|| Value::Array(Vec::new()));
        list.as_array_mut()
            .expect("a list of permissions")
            .extend(rest);
    }
    subscribe(policy);
}

fn subscribe(policy: &mut Table) {
    let Some(config) = policy.get("config").and_then(Value::as_table) else {
        return;
    };
    let stages: Vec<Value> = STAGES
        .into_iter()
        .filter(|stage| config.contains_key(*stage))
        .map(Value::from)
        .collect();
    if !stages.is_empty() && !policy.contains_key("stages") {
        policy.insert("stages".into(), Value::Array(stages));
    }
}
