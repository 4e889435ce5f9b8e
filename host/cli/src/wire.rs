//! The only place where the engine and the proxy meet.

use std::fmt;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use lazaret_config::Source;
use lazaret_engine::{CacheError, Engine, EngineSettings, Preparer};
use lazaret_mail::{Called, ClientNames, Loader};
use lazaret_proxy::config::{Resolvers, State};
use lazaret_proxy::{Config, Handed, Proxy, filters};
use lazaret_services::{Fault, Lies, Services, Settings, Trust, dns, http, state};

use crate::exit::Failure;
use crate::figures;

/// What `/proc` calls the running program, also when its file was replaced by an upgrade meanwhile.
const OURSELVES: &str = "/proc/self/exe";

/// How long a client with a silent name server waits for the reply to its first RCPT: then the backend hears that its name is
/// not known now.
const NAME_PATIENCE: Duration = Duration::from_secs(3);

/// What filters are given of the outside world by this configuration.
async fn services(config: &Config) -> Result<Services, Failure> {
    let at = |key| move |fault| Failure::usage(placed(config, key, fault));
    let trust = config.services_ca.clone();
    let trust = trust.map(Trust::of).unwrap_or_default();
    let names = dns::Names::open(&names(&config.dns)).map_err(at(&["dns", "zone"]))?;
    let state = remembered(config, &trust).await?;
    let http = http::Client::new(names.clone(), trust);
    Ok(Services::of(names, http, state))
}

/// What keeps state. In the usual place nothing is made before a filter is granted `state`: most have none.
async fn remembered(config: &Config, trust: &Trust) -> Result<state::Store, Failure> {
    let place = memory(config.state.as_ref());
    if is_usual(config) && !remembers(config) {
        return Ok(state::Store::later(place, trust.clone()));
    }
    let opened = state::Store::open(&place, trust).await;
    opened.map_err(|fault| match fault.lies {
        Lies::InConfiguration => Failure::usage(of_state(config, fault)),
        Lies::InMachine => Failure::temporary(of_state(config, fault)),
    })
}

fn is_usual(config: &Config) -> bool {
    matches!(config.state, Some(State::Usual(_)))
}

/// Is a filter granted `state`?
fn remembers(config: &Config) -> bool {
    config.filters.as_deref().is_some_and(filters::remember)
}

fn of_state(config: &Config, fault: Fault) -> String {
    match is_usual(config) {
        true => format!("{fault} (it is the usual place: name another with `state`)"),
        false => placed(config, &["state"], fault),
    }
}

/// What is wrong with a value that was well written, with the place where it stands.
pub fn placed(config: &Config, key: &[&str], why: impl fmt::Display) -> String {
    let line = Source::read(&config.path).ok();
    match line.and_then(|source| source.line_of_key(key)) {
        Some(line) => format!("{}:{line}: {why}", config.path.display()),
        None => why.to_string(),
    }
}

/// Who checks may be another user than the service: its cache is not used for him, and none is made in a directory that is
/// not his own.
pub fn cache_to_look_at(config: &Config) -> Result<Option<&Path>, Failure> {
    let Some(cache) = config.cache.as_deref().filter(|cache| may_be_made(cache)) else {
        return Ok(None);
    };
    match lazaret_engine::check_cache(cache) {
        Ok(()) => Ok(Some(cache)),
        Err(CacheError::NotOurs(_)) => Ok(None),
        Err(error) => Err(Failure::usage(placed(config, &["cache"], error))),
    }
}

/// Or is there.
fn may_be_made(cache: &Path) -> bool {
    let user = rustix::process::geteuid().as_raw();
    let is_ours = |parent: &Path| parent.metadata().is_ok_and(|it| it.uid() == user);
    cache.exists() || cache.parent().is_some_and(is_ours)
}

/// Whether the services could open what keeps state, as far as that is seen without opening it: a proxy may run that has it.
pub fn can_remember(config: &Config) -> Result<(), Failure> {
    if is_usual(config) && !remembers(config) {
        return Ok(());
    }
    let fault = state::can_be(&memory(config.state.as_ref()));
    fault.map_err(|fault| Failure::usage(of_state(config, fault)))
}

/// Without a place nothing is remembered: filters that are granted `state` are refused then.
fn memory(named: Option<&State>) -> state::Place {
    match named {
        Some(State::File(path)) => state::Place::File(path.clone()),
        Some(State::Usual(path)) => state::Place::Usual(path.clone()),
        Some(State::Redis(address)) => state::Place::Redis(address.clone()),
        Some(State::Memory) | None => state::Place::Memory,
    }
}

fn names(resolvers: &Resolvers) -> dns::Settings {
    match resolvers {
        Resolvers::Servers(servers) => dns::Settings::Servers(servers.clone()),
        Resolvers::Zone(file) => dns::Settings::Zone(file.clone()),
        Resolvers::System => dns::Settings::System,
    }
}

/// For `try` and `check`, which remember nothing and ask nobody: names are those of a zone file, or fail.
pub async fn aside(zone: Option<&Path>) -> Result<Services, Failure> {
    let settings = Settings {
        dns: zone.map_or(dns::Settings::Nobody, |file| {
            dns::Settings::Zone(file.to_owned())
        }),
        ..Settings::default()
    };
    Services::open(settings).await.map_err(Failure::usage)
}

/// An engine as every command uses it. Compiled code is kept in `cache`, or in the usual place of the user.
pub fn engine(cache: Option<&Path>, services: Services) -> Result<Arc<dyn Loader>, Failure> {
    Ok(sandboxes(cache, services)?)
}

/// The same, not only as a loader.
pub fn sandboxes(cache: Option<&Path>, services: Services) -> Result<Arc<Engine>, Failure> {
    let settings = EngineSettings {
        preparer: Preparer::Child {
            program: ourselves()?,
        },
        cache: place(cache)?,
        services,
        ..EngineSettings::default()
    };
    let engine = Engine::new(settings)
        .map_err(|e| Failure::temporary(format!("the WebAssembly engine cannot start: {e}")))?;
    Ok(engine)
}

/// The program that prepares filters is the one that runs.
fn ourselves() -> Result<PathBuf, Failure> {
    if Path::new(OURSELVES).exists() {
        return Ok(OURSELVES.into());
    }
    std::env::current_exe()
        .map_err(|e| Failure::temporary(format!("cannot find the running program: {e}")))
}

/// Where compiled code is kept. What the configuration names must be fit for it; the usual place is only used if it is.
fn place(named: Option<&Path>) -> Result<Option<PathBuf>, Failure> {
    if let Some(dir) = named {
        lazaret_engine::check_cache(dir).map_err(Failure::usage)?;
        return Ok(Some(dir.to_owned()));
    }
    let usual = usual_place(|name| std::env::var_os(name).map(PathBuf::from));
    let Some(dir) = usual else {
        tracing::info!(
            "no cache for compiled filters: each start compiles them; name one with `cache`"
        );
        return Ok(None);
    };
    match lazaret_engine::check_cache(&dir) {
        Ok(()) => Ok(Some(dir)),
        Err(error) => {
            tracing::warn!("{error}; filters are compiled at each start");
            Ok(None)
        }
    }
}

/// systemd's directory for us, else the user's own. A directory inside, because systemd's is open to others.
fn usual_place(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
    let ours = absolute("CACHE_DIRECTORY").map(|dir| dir.join("filters"));
    let of_user = || absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")));
    ours.or_else(|| Some(of_user()?.join("lazaret")))
}

/// What clients are called, for a backend that is to be told.
struct NamesOfClients(dns::Names);

#[async_trait]
impl ClientNames for NamesOfClients {
    async fn name_of(&self, address: IpAddr) -> Called {
        match self.0.name_of(address, NAME_PATIENCE).await {
            dns::Confirmed::Name(name) => Called::Name(name),
            dns::Confirmed::Nameless => Called::Nothing,
            dns::Confirmed::Unanswered => Called::Unanswered,
        }
    }
}

/// Loads the filters, listens, and counts; nothing is served before [`Proxy::run`].
pub async fn start(config: Config, handed: Handed) -> Result<(Proxy, Services), Failure> {
    let services = services(&config).await?;
    if let Some(cache) = &config.cache {
        let fit = lazaret_engine::check_cache(cache);
        fit.map_err(|error| Failure::usage(placed(&config, &["cache"], error)))?;
    }
    let engine = sandboxes(config.cache.as_deref(), services.clone())?;
    let loader: Arc<dyn Loader> = Arc::clone(&engine) as _;
    let proxy = Proxy::bind_with(config, loader, handed).await;
    let proxy = proxy.map_err(|error| match error.is_for_now() {
        true => Failure::temporary(error),
        false => Failure::usage(error),
    })?;
    figures::of_filters(&proxy.metrics(), &services);
    figures::of_sandboxes(&proxy.metrics(), &engine);
    proxy.ask_names(Arc::new(NamesOfClients(services.names().clone())));
    let told = services.clone();
    proxy.ask_services(move || told.troubles());
    Ok((proxy, services))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systemd_goes_before_the_user_and_relative_paths_are_nothing() {
        let place = |set: &[(&str, &str)]| {
            let set: Vec<_> = set
                .iter()
                .map(|(n, v)| ((*n).to_owned(), PathBuf::from(v)))
                .collect();
            usual_place(move |name| set.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
        };
        let home = ("HOME", "/home/mail");
        let cases = [
            (
                &[home, ("CACHE_DIRECTORY", "/var/cache/lazaret")][..],
                Some("/var/cache/lazaret/filters"),
            ),
            (&[home, ("XDG_CACHE_HOME", "/c")], Some("/c/lazaret")),
            (
                &[home, ("XDG_CACHE_HOME", "c")],
                Some("/home/mail/.cache/lazaret"),
            ),
            (&[("HOME", "")], None),
            (&[], None),
        ];
        for (set, expected) in cases {
            assert_eq!(place(set), expected.map(PathBuf::from), "{set:?}");
        }
    }
}
