//! `lazaret.toml`: read, completed with defaults, checked as a whole before anything starts.
//!
//! Each part of the proxy is given its own part of the configuration; nobody holds the whole.

mod backend;
mod certificate;
mod dns;
mod limits;
mod listener;
mod log;
mod recipients;
mod roots;
mod state;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lazaret_config::{ConfigError, Source, Span, Spanned};
use lazaret_mail::Mode;
use rustls::RootCertStore;
use serde::Deserialize;

pub use backend::{BackendConfig, BackendTls, Identity};
pub use certificate::Certificates;
pub use dns::Resolvers;
pub use limits::{Deadlines, Limits, Reload};
pub use listener::{
    Balancers, ClientCertificates, LeastTls, ListenerConfig, ListenerTls, Others, TlsTerms,
};
pub use log::LogLevels;
pub use recipients::{Domains, Recipients};
pub use state::State;

/// What each key may look like.
const EXAMPLES: &str = include_str!("config/examples.toml");

/// How long a shutdown waits where the backend is quick.
const LEAST_GRACE: Duration = Duration::from_secs(30);

/// The whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// the file it was read from
    pub path: PathBuf,
    /// our own name: greeting, Received fields, EHLO to the backend
    pub hostname: String,
    /// the filter directory; None runs without filters
    pub filters: Option<PathBuf>,
    /// where filters remember; None refuses filters that are granted `state`
    pub state: Option<State>,
    /// who vouches for what filters reach by TLS, the state's server too; None: Mozilla's authorities
    pub services_ca: Option<Arc<RootCertStore>>,
    /// where quarantined messages go; None refuses filters that are granted `quarantine`
    pub quarantine: Option<PathBuf>,
    /// where large messages wait for their verdict, in unlinked files; default: the system's directory for temporary files
    pub spool: PathBuf,
    /// where code compiled from filters is kept for the next start; None: nothing is kept. Made with mode 0700 by whoever
    /// writes there first
    pub cache: Option<PathBuf>,
    /// of all filters: `Observe` goes before each filter's own mode, `Enforce` leaves it. Default `Enforce`
    pub mode: Mode,
    /// how changes of filters are noticed
    pub reload: Reload,
    /// when our own Received field is added
    pub trace: Trace,
    /// how long running transactions may take after a shutdown was asked for; default as long as the
    /// backend's `accept`, at least 30 s
    pub grace: Duration,
    /// at least one
    pub listeners: Vec<ListenerConfig>,
    /// the mail server behind us
    pub backend: BackendConfig,
    /// who is asked about names
    pub dns: Resolvers,
    /// sizes and counts
    pub limits: Limits,
    /// times
    pub deadlines: Deadlines,
    /// what is worth a line in the log
    pub log: LogLevels,
    /// where `/healthz`, `/status` and `/metrics` are served; default nowhere
    pub admin: Vec<SocketAddr>,
    /// where `/healthz` and `/metrics` alone are served, to other hosts too; default nowhere
    pub health: Option<SocketAddr>,
    /// the socket by which `lazaret filters` reaches this proxy; None: a place derived from `path`, see
    /// [`control`](crate::control)
    pub control: Option<PathBuf>,
}

/// When our own Received field is added (RFC 5321 section 4.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trace {
    /// unless the client's identity was passed on and nothing was edited: then the backend's own field tells the truth
    #[default]
    Auto,
    /// to every message
    Always,
    /// to none; loops are still counted
    Never,
}

impl Config {
    /// Reads and checks a configuration file. Certificates and lists it names are read too.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::check(&Source::read(path)?)
    }

    /// The same for text as if it stood in `path`: relative paths start from that file's directory.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::check(&Source::new(path, text))
    }

    /// `FILE:LINE: ` where this address is written; nothing if the file has changed meanwhile.
    pub(crate) fn place_of_address(&self, address: SocketAddr) -> String {
        self.place(|text| text.parse() == Ok(address))
    }

    /// `FILE:LINE: ` where this path is written; nothing if it is not.
    pub(crate) fn place_of_path(&self, path: &Path) -> String {
        let base = self.path.parent().unwrap_or(Path::new(""));
        self.place(|text| base.join(text) == path || Path::new(text) == path)
    }

    fn place(&self, is_meant: impl Fn(&str) -> bool) -> String {
        let line = Source::read(&self.path).ok();
        let line = line.and_then(|source| source.line_where(is_meant));
        line.map_or_else(String::new, |line| {
            format!("{}:{line}: ", self.path.display())
        })
    }

    fn check(source: &Source) -> Result<Self, ConfigError> {
        let written: Written = source.parse_like(EXAMPLES)?;
        let base = source.directory();
        let listeners = listener::check_all(source, base, written.listener)?;
        let backend = written.backend.check(source, &listeners)?;
        let health = written.admin.check_health(source)?;
        let config = Self {
            path: source.path().to_owned(),
            hostname: check_hostname(source, &written.hostname)?,
            filters: directory(source, written.filters)?,
            state: state::check(source, written.state)?,
            services_ca: written
                .services_ca
                .map(|ca| roots::read(source, &ca))
                .transpose()?,
            quarantine: directory(source, written.quarantine)?,
            spool: directory(source, written.spool)?.unwrap_or_else(std::env::temp_dir),
            cache: cache(source, written.cache)?,
            trace: written.trace,
            grace: written
                .grace
                .map_or(backend.accept.max(LEAST_GRACE), |s| s.0),
            backend,
            listeners,
            dns: written.dns.check(source)?,
            limits: written.limits.check(source)?,
            log: written.log.check(source)?,
            deadlines: written.deadlines.check(source)?,
            mode: written.mode.into(),
            reload: written.reload.check(source)?,
            control: written.admin.control.as_ref().map(|path| base.join(path)),
            health,
            admin: written.admin.check(source)?,
        };
        Ok(config)
    }
}

/// As the operator wrote it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Written {
    hostname: Spanned<String>,
    filters: Option<Spanned<PathBuf>>,
    state: Option<Spanned<state::Written>>,
    services_ca: Option<Spanned<PathBuf>>,
    quarantine: Option<Spanned<PathBuf>>,
    spool: Option<Spanned<PathBuf>>,
    cache: Option<Spanned<PathBuf>>,
    #[serde(default)]
    trace: Trace,
    grace: Option<Span>,
    #[serde(default)]
    listener: Vec<Spanned<listener::Written>>,
    backend: backend::Written,
    #[serde(default)]
    dns: dns::Written,
    #[serde(default)]
    limits: limits::Written,
    #[serde(default)]
    deadlines: limits::WrittenDeadlines,
    #[serde(default)]
    log: log::Written,
    #[serde(default)]
    admin: Admin,
    #[serde(default)]
    mode: ModeWord,
    #[serde(default)]
    reload: limits::WrittenReload,
}

/// Filters cannot be switched off from here: that would let everything in without a trace.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModeWord {
    #[default]
    Enforce,
    Observe,
}

impl From<ModeWord> for Mode {
    fn from(word: ModeWord) -> Self {
        match word {
            ModeWord::Enforce => Mode::Enforce,
            ModeWord::Observe => Mode::Observe,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Admin {
    #[serde(default)]
    listen: Vec<Spanned<String>>,
    health: Option<Spanned<String>>,
    control: Option<PathBuf>,
}

impl Admin {
    /// Nothing here asks for a password, so only loopback is allowed.
    fn check(self, source: &Source) -> Result<Vec<SocketAddr>, ConfigError> {
        once(source, self.listen.iter().chain(&self.health))?;
        self.listen.into_iter().map(|written| {
            let span = written.span();
            let address = socket_address(source, &written)?;
            if address.ip().is_loopback() {
                return Ok(address);
            }
            Err(source
                .error(span, format!("the admin port would listen on {address}, where others reach it without a password"))
                .cure("use a loopback address such as \"127.0.0.1:8025\", or `health` for a balancer or Prometheus elsewhere"))
        }).collect()
    }

    /// What is told there names no client and no mail: any address will do.
    fn check_health(&self, source: &Source) -> Result<Option<SocketAddr>, ConfigError> {
        let health = self.health.as_ref();
        health
            .map(|written| socket_address(source, written))
            .transpose()
    }
}

/// A name other hosts may see: letters, digits, hyphens, dots (RFC 5321 section 2.3.5).
fn check_hostname(source: &Source, written: &Spanned<String>) -> Result<String, ConfigError> {
    let name = written.get_ref();
    if name.is_ascii() && recipients::is_domain(name) {
        return Ok(name.clone());
    }
    Err(source
        .error(
            written.span(),
            format!("`{}` is not a host name", name.escape_debug()),
        )
        .cure("write the fully qualified name of this host, e.g. \"mx.example.org\""))
}

/// Resolves a directory against the file that names it and looks whether it is one.
fn directory(
    source: &Source,
    written: Option<Spanned<PathBuf>>,
) -> Result<Option<PathBuf>, ConfigError> {
    let Some(written) = written else {
        return Ok(None);
    };
    let path = source.directory().join(written.get_ref());
    if path.is_dir() {
        return Ok(Some(path));
    }
    let shown = path.display();
    let (problem, cure) = match path.exists() {
        true => (
            format!("{shown} is not a directory"),
            "name a directory".to_owned(),
        ),
        false => (
            format!("the directory {shown} does not exist"),
            format!("create it: mkdir -p {shown}"),
        ),
    };
    Err(source.error(written.span(), problem).cure(cure))
}

/// The directory for compiled code need not exist yet: whoever writes there first makes it private. The one above it must.
fn cache(
    source: &Source,
    written: Option<Spanned<PathBuf>>,
) -> Result<Option<PathBuf>, ConfigError> {
    let Some(named) = &written else {
        return Ok(None);
    };
    let path = source.directory().join(named.get_ref());
    let above = path.parent().is_some_and(Path::is_dir);
    match path.exists() || !above {
        true => directory(source, written),
        false => Ok(Some(path)),
    }
}

/// An address that stands there twice is a slip, and to listen on it twice fails later in words that help less.
fn once<'w>(
    source: &Source,
    written: impl IntoIterator<Item = &'w Spanned<String>>,
) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    let is_chosen_by_the_system = |address: &str| address.ends_with(":0");
    for address in written {
        let text = address.get_ref();
        if !seen.insert(text) && !is_chosen_by_the_system(text) {
            let problem = format!("the address `{}` stands here twice", text.escape_debug());
            return Err(source.error(address.span(), problem).cure("remove one"));
        }
    }
    Ok(())
}

/// `192.0.2.1:25` or `[2001:db8::1]:25`.
fn socket_address(source: &Source, written: &Spanned<String>) -> Result<SocketAddr, ConfigError> {
    written.get_ref().parse().map_err(|_| {
        source
            .error(
                written.span(),
                format!(
                    "`{}` is not an address with a port",
                    written.get_ref().escape_debug()
                ),
            )
            .cure("write e.g. \"0.0.0.0:25\" or \"[::]:25\"")
    })
}
