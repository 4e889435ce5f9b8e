//! The life of the proxy: bind everything, run, drain.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use lazaret_config::Span;
use lazaret_mail::{Chain, ClientNames, LoadError, Loader};
use lazaret_metrics::Registry;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::admin;
use crate::caretaker;
use crate::config::{Config, LogLevels};
use crate::control::{self, Control};
use crate::filters::{self, Directory, Needs, Reloader, Standing, Watch};
use crate::handed::Handed;
use crate::listener::Listener;
use crate::metrics;
use crate::site::{Shutdown, Site, Sites};
use crate::tls;
use crate::workers::Workers;

/// What is cut off ends within this time, unless its thread stands.
const STANDSTILL: Duration = Duration::from_secs(5);

/// A proxy that is bound and has its filters, and serves once it [runs](Self::run).
pub struct Proxy {
    sites: Arc<Sites>,
    listeners: Vec<Listener>,
    load_errors: Vec<LoadError>,
    watch: Watch,
    reloader: Reloader,
    control: Option<Control>,
    admin: Vec<TcpListener>,
    health: Option<TcpListener>,
    shutdown: watch::Sender<Shutdown>,
    workers: Arc<Workers>,
}

/// How things are with a proxy, for those who ask while it runs.
#[derive(Clone)]
pub struct Pulse {
    sites: Arc<Sites>,
    runtimes: Vec<Handle>,
}

impl Pulse {
    /// What the configuration, as it holds now, wants to be logged.
    pub fn log_levels(&self) -> LogLevels {
        self.sites.now().log.clone()
    }

    /// How long transactions may go on once it is told to stop.
    pub fn grace(&self) -> Duration {
        self.sites.now().grace
    }

    /// Resolves once each thread that carries sessions has carried a task: never, if one of them stands.
    pub async fn turn(&self) {
        let turns = self.runtimes.iter().map(|runtime| runtime.spawn(async {}));
        // An error: it has come to its end.
        drop(join_all(turns.collect::<Vec<_>>()).await);
    }

    /// `12 clients, generation 3`, and what is wrong.
    pub fn line(&self) -> String {
        let site = self.sites.now();
        let (clients, generation) = (site.admission.now(), site.chain.load().generation());
        let mut line = format!("{clients} clients, generation {generation}");
        if let Some(trouble) = site.degraded().first() {
            line.push_str("; degraded: ");
            line.push_str(trouble.lines().next().unwrap_or_default());
        }
        line
    }
}

impl std::fmt::Debug for Pulse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pulse({})", self.line())
    }
}

/// Why a proxy does not start. The configuration itself was right.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// somebody else has the port, or we may not have it
    #[error("{place}listener `{listener}` cannot listen on {address}: {source}{}", advice(.source))]
    Listen {
        /// `FILE:LINE: ` where it is written, or nothing
        place: String,
        /// its name
        listener: String,
        /// where
        address: SocketAddr,
        /// the system's words
        source: io::Error,
    },
    /// whoever started us listens where we do not
    #[error(
        "a socket at {0} was handed over (LISTEN_FDS), and no listener has that address: add it to `listen`, or take it out of the .socket unit"
    )]
    Handed(SocketAddr),
    /// the spool or the quarantine cannot be written
    #[error(
        "{place}files cannot be written to {directory}: {source}; choose another directory or give this user the right to"
    )]
    Unwritable {
        /// `FILE:LINE: ` where it is written, or nothing
        place: String,
        /// where
        directory: PathBuf,
        /// the system's words
        source: io::Error,
    },
    /// the system has none for us
    #[error(
        "threads for sessions cannot be started: {0}; see the limits on tasks and files (TasksMax=, LimitNOFILE=)"
    )]
    Threads(io::Error),
    /// the control socket that the configuration names
    #[error("{place}the control socket {path} cannot be made: {source}")]
    Control {
        /// `FILE:LINE: ` where it is written, or nothing
        place: String,
        /// where
        path: PathBuf,
        /// why
        source: io::Error,
    },
    /// a filter may quarantine, and there is no place for it
    #[error(
        "filter `{0}` may quarantine, but there is no quarantine: add `quarantine = \"DIRECTORY\"`, or take the verdict from the filter"
    )]
    NoQuarantine(String),
    /// a filter is granted `state`, and there is nowhere to keep it
    #[error(
        "filter `{0}` is granted `state`, but there is nowhere to keep it: add `state = \"state.redb\"` (or \"redis://..\", or \"memory\"), or deny it `state`"
    )]
    NoState(String),
    /// a filter is meant for a listener that does not exist, and would never be asked
    #[error(
        "filter `{filter}` has `listeners = [\"{listener}\"]`, but no [[listener]] has that name: correct one of them"
    )]
    NoListener {
        /// its name
        filter: String,
        /// the name it gives
        listener: String,
    },
}

impl StartError {
    /// May the same configuration do later? An address that fails over to this host, a disk that is full.
    pub fn is_for_now(&self) -> bool {
        use io::ErrorKind as Kind;
        match self {
            StartError::Threads(_) => true,
            StartError::Listen { source, .. } => source.kind() == Kind::AddrNotAvailable,
            StartError::Unwritable { source, .. } => {
                matches!(source.kind(), Kind::StorageFull | Kind::QuotaExceeded)
            }
            _ => false,
        }
    }
}

impl Proxy {
    /// Binds every listener and loads every filter. Nothing is accepted before all of that went well; a filter that
    /// cannot be loaded takes part with its `on-failure` answer, see [`Self::load_errors`].
    pub async fn bind(config: Config, loader: Arc<dyn Loader>) -> Result<Self, StartError> {
        Self::bind_with(config, loader, Handed::default()).await
    }

    /// The same, with sockets that listen already at some or all of these addresses.
    pub async fn bind_with(
        config: Config,
        loader: Arc<dyn Loader>,
        mut handed: Handed,
    ) -> Result<Self, StartError> {
        check_directories(&config)?;
        let directory = open_directory(&config, loader).await?;
        let load_errors = directory.as_ref().map_or_else(Vec::new, Directory::errors);
        for error in &load_errors {
            tracing::error!(%error, "filter not loaded");
        }
        tls::draw();
        // Before the listeners: whoever finds that we listen finds the control socket and the admin port, too.
        let control = control::bind(&config)?;
        let mut beside = |address: &_| listen_beside(&config, address, &mut handed);
        let health = config.health.as_ref().map(&mut beside).transpose()?;
        let admin = config.admin.iter().map(beside).collect::<Result<_, _>>()?;
        let listeners = listen(&config, &mut handed)?;
        for trouble in expired(&config) {
            tracing::error!("{trouble}");
        }
        handed.all_taken()?;
        let (shutdown, asked) = watch::channel(Shutdown::No);
        let standing = Standing::new(config.mode);
        let chain = standing.next(directory.as_ref());
        standing.publish(directory.as_ref());
        let site = Site::new(&config, chain, standing, asked);
        // Once the limit on descriptors is raised.
        let workers = Workers::start().map_err(StartError::Threads)?;
        let (watch, reloader) = Watch::new(directory, config);
        if let Some(control) = &control {
            control.recall(&site);
        }
        let sites = Sites::new(site);
        metrics::tell(&sites);
        Ok(Self {
            sites,
            listeners,
            load_errors,
            watch,
            reloader,
            control,
            admin,
            health,
            shutdown,
            workers: Arc::new(workers),
        })
    }

    /// Asks the running proxy to look at its files, from anywhere.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// How things are, from anywhere.
    pub fn pulse(&self) -> Pulse {
        Pulse {
            sites: Arc::clone(&self.sites),
            runtimes: self.workers.runtimes(),
        }
    }

    /// Where each listener listens, by name; ports the system chose (`:0`) are filled in.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let address =
            |listener: &Listener| Some((listener.name().to_owned(), listener.address().ok()?));
        self.listeners.iter().filter_map(address).collect()
    }

    /// Where the admin port is, in the order of the configuration.
    pub fn admin_addresses(&self) -> Vec<SocketAddr> {
        let addresses = self.admin.iter().map(TcpListener::local_addr);
        addresses.filter_map(Result::ok).collect()
    }

    /// Where `/healthz` and `/metrics` alone are.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health.as_ref()?.local_addr().ok()
    }

    /// What it counts; others add theirs, e.g. whoever runs the filters.
    pub fn metrics(&self) -> Arc<Registry> {
        Arc::clone(&self.sites.now().metrics.registry)
    }

    /// Whom to ask what does not work of the services that filters use, for `/status` and `/healthz`. The first one named
    /// is asked.
    pub fn ask_services(&self, tell: impl Fn() -> Vec<String> + Send + Sync + 'static) {
        // Shared by all generations of the site.
        let _ = self.sites.now().services.set(Box::new(tell));
    }

    /// Whom to ask what a client is called, where the backend is to be told and no filter found it out. The first one named
    /// stays.
    pub fn ask_names(&self, names: Arc<dyn ClientNames>) {
        let _ = self.sites.now().names.set(names);
    }

    /// The filters that are asked now.
    pub fn chain(&self) -> Arc<Chain> {
        self.sites.now().chain.load_full()
    }

    /// What is wrong with the filters that could not be loaded.
    pub fn load_errors(&self) -> &[LoadError] {
        &self.load_errors
    }

    /// Serves until `shutdown` resolves; then closes the listeners, tells idle clients 421, and waits at most `grace`
    /// for running transactions before it cuts them off.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut running = JoinSet::new();
        // Not on a thread that carries sessions: who comes need not wait for what filters do there.
        for listener in self.listeners {
            running.spawn(listener.run(Arc::clone(&self.sites), Arc::clone(&self.workers)));
        }
        let mut beside = JoinSet::new();
        for listener in self.admin {
            beside.spawn(admin::serve(listener, admin::all(&self.sites)));
        }
        if let Some(listener) = self.health {
            beside.spawn(admin::serve(listener, admin::health_only(&self.sites)));
        }
        if let Some(control) = self.control {
            beside.spawn(control.serve(Arc::clone(&self.sites)));
        }
        beside.spawn(caretaker::keep_backends(Arc::clone(&self.sites)));
        let watch = beside.spawn(self.watch.run(Arc::clone(&self.sites)));
        tokio::select! {
            () = shutdown => {}
            () = mind(&mut beside, &self.sites) => {}
        }
        watch.abort();
        tracing::info!(clients = self.sites.now().admission.now(), "draining");
        self.shutdown.send_replace(Shutdown::Asked);
        let rest = async { while running.join_next().await.is_some() {} };
        if timeout(self.sites.now().grace, rest).await.is_err() {
            self.shutdown.send_replace(Shutdown::Due);
            // A thread that stands never ends what it carries.
            let rest = async { while running.join_next().await.is_some() {} };
            if timeout(STANDSTILL, rest).await.is_err() {
                tracing::error!("a thread stands: what it carried is cut off without a word");
                running.detach_all();
            }
        }
        self.sites.now().backend.take_leave().await;
        self.sites.now().observers.come_to_an_end().await;
        self.workers.end().await;
    }
}

/// What runs beside the mail ends with the proxy. One that ends before it has failed: mail goes on, and it is told.
async fn mind(beside: &mut JoinSet<()>, sites: &Sites) {
    while let Some(ended) = beside.join_next().await {
        let why = ended.map_or_else(|error| error.to_string(), |()| "it ended".to_owned());
        tracing::error!(
            why,
            "a part of the proxy is gone: mail goes on, but reloads, the control socket or the admin port may not; restart it, and report this"
        );
        sites.now().note_broken(&why);
    }
    std::future::pending().await
}

/// Certificates that clients who check will not take.
pub fn expired(config: &Config) -> Vec<String> {
    let terms = config.listeners.iter().filter_map(|it| it.tls.terms());
    terms
        .filter_map(|terms| terms.certificates.expired())
        .collect()
}

/// What works, but not as well as it may seem.
pub fn cautions(config: &Config) -> Vec<String> {
    let (grace, accept) = (config.grace, config.backend.accept);
    let cut_off = (grace < accept).then(|| {
        format!(
            "`grace` ({}) is less than `accept` ({}): a stop may cut off a message whose end of data is sent, and it arrives \
             twice; make it as long",
            Span(grace),
            Span(accept)
        )
    });
    cut_off.into_iter().collect()
}

/// Can the spool and the quarantine be written? Found out now, not when the first large message comes.
pub fn check_directories(config: &Config) -> Result<(), StartError> {
    let directories = [Some(&config.spool), config.quarantine.as_ref()];
    let mut named = directories.into_iter().flatten();
    named.try_for_each(|directory| check_writable(config, directory))
}

fn check_writable(config: &Config, directory: &Path) -> Result<(), StartError> {
    let written = tempfile::tempfile_in(directory);
    written.map(drop).map_err(|source| StartError::Unwritable {
        place: config.place_of_path(directory),
        directory: directory.to_owned(),
        source,
    })
}

async fn open_directory(
    config: &Config,
    loader: Arc<dyn Loader>,
) -> Result<Option<Directory>, StartError> {
    let Some(path) = &config.filters else {
        return Ok(None);
    };
    let directory = Directory::open(path.clone(), Needs::of(config), loader).await;
    if directory.filters().is_empty() {
        tracing::warn!("{}", filters::no_filter_in(path));
    }
    for filter in &directory.filters() {
        filters::fits(&**filter, config)?;
    }
    Ok(Some(directory))
}

fn listen(config: &Config, handed: &mut Handed) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    let whole = config;
    for (door, config) in config.listeners.iter().enumerate() {
        for address in &config.listen {
            let failed = |source| StartError::Listen {
                place: whole.place_of_address(*address),
                listener: config.name.clone(),
                address: *address,
                source,
            };
            let listener = match handed.take(*address) {
                Some(socket) => Listener::on(&config.name, door, socket),
                None => Listener::bind(&config.name, door, *address),
            };
            listeners.push(listener.map_err(failed)?);
        }
    }
    Ok(listeners)
}

/// A port of the admin's.
fn listen_beside(
    config: &Config,
    address: &SocketAddr,
    handed: &mut Handed,
) -> Result<TcpListener, StartError> {
    let mut listen = || {
        let socket = match handed.take(*address) {
            Some(socket) => socket,
            None => std::net::TcpListener::bind(address)?,
        };
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    };
    listen().map_err(|source| StartError::Listen {
        place: config.place_of_address(*address),
        listener: "admin".to_owned(),
        address: *address,
        source,
    })
}

fn advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::AddrInUse => {
            "; another process listens there: stop it or choose another port"
        }
        io::ErrorKind::PermissionDenied => "; ports below 1024 need root or CAP_NET_BIND_SERVICE",
        io::ErrorKind::AddrNotAvailable => "; no interface of this host has that address",
        _ => "",
    }
}
