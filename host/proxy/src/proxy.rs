//! The life of the proxy: bind everything, run, drain.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use lazaret_mail::{Chain, LoadError, Loader};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::admin;
use crate::admission::Admission;
use crate::backend::Backend;
use crate::config::{Config, ListenerConfig};
use crate::control::{self, Control};
use crate::filters::{self, Directory, Needs, Reloader, Standing, Watch};
use crate::listener::Listener;
use crate::site::{Counters, Door, Observers, Site};
use crate::spool::Spooler;

/// A proxy that is bound and has its filters, and serves once it [runs](Self::run).
pub struct Proxy {
    site: Arc<Site>,
    listeners: Vec<Listener>,
    load_errors: Vec<LoadError>,
    watch: Watch,
    reloader: Reloader,
    control: Option<Control>,
    admin: Vec<TcpListener>,
    grace: Duration,
    shutdown: watch::Sender<bool>,
}

/// Why a proxy does not start. The configuration itself was right.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// somebody else has the port, or we may not have it
    #[error("listener `{listener}` cannot listen on {address}: {source}{}", advice(.source))]
    Listen {
        /// its name
        listener: String,
        /// where
        address: SocketAddr,
        /// the system's words
        source: io::Error,
    },
    /// the spool or the quarantine cannot be written
    #[error(
        "files cannot be written to {directory}: {source}; choose another directory or give this user the right to"
    )]
    Unwritable {
        /// where
        directory: PathBuf,
        /// the system's words
        source: io::Error,
    },
    /// the control socket that the configuration names
    #[error("the control socket {path} cannot be made: {source}")]
    Control {
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

impl Proxy {
    /// Binds every listener and loads every filter. Nothing is accepted before all of that went well; a filter that
    /// cannot be loaded takes part with its `on-failure` answer, see [`Self::load_errors`].
    pub async fn bind(config: Config, loader: Arc<dyn Loader>) -> Result<Self, StartError> {
        check_directories(&config)?;
        let directory = open_directory(&config, loader).await?;
        let load_errors = directory.as_ref().map_or_else(Vec::new, Directory::errors);
        for error in &load_errors {
            tracing::error!(%error, "filter not loaded");
        }
        // Before the listeners: whoever finds that we listen finds the control socket, too.
        let control = control::bind(&config)?;
        let listeners = listen(&config.listeners)?;
        let admin = listen_admin(&config.admin)?;
        let (shutdown, asked) = watch::channel(false);
        let grace = config.grace;
        let standing = Standing::new(config.mode);
        let chain = standing.next(directory.as_ref());
        standing.publish(directory.as_ref());
        let (watch, reloader) = watch_files(&config, directory);
        let site = Arc::new(site(config, chain, standing, asked));
        if let Some(control) = &control {
            control.recall(&site);
        }
        Ok(Self {
            site,
            listeners,
            load_errors,
            watch,
            reloader,
            control,
            admin,
            grace,
            shutdown,
        })
    }

    /// Asks the running proxy to look at its files, from anywhere.
    pub fn reloader(&self) -> Reloader {
        self.reloader.clone()
    }

    /// Where each listener listens, by name; ports the system chose (`:0`) are filled in.
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let address =
            |listener: &Listener| Some((listener.name().to_owned(), listener.address().ok()?));
        self.listeners.iter().filter_map(address).collect()
    }

    /// The filters that are asked now.
    pub fn chain(&self) -> Arc<Chain> {
        self.site.chain.load_full()
    }

    /// What is wrong with the filters that could not be loaded.
    pub fn load_errors(&self) -> &[LoadError] {
        &self.load_errors
    }

    /// Serves until `shutdown` resolves; then closes the listeners, tells idle clients 421, and waits at most `grace`
    /// for running transactions before it cuts them off.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let mut running = JoinSet::new();
        for listener in self.listeners {
            running.spawn(listener.run(Arc::clone(&self.site), self.grace));
        }
        let mut beside = JoinSet::new();
        for listener in self.admin {
            beside.spawn(admin::serve(listener, Arc::clone(&self.site)));
        }
        if let Some(control) = self.control {
            beside.spawn(control.serve(Arc::clone(&self.site)));
        }
        beside.spawn(Arc::clone(&self.site.backend).look_after());
        let watch = beside.spawn(self.watch.run(Arc::clone(&self.site)));
        shutdown.await;
        watch.abort();
        tracing::info!(clients = self.site.admission.now(), "draining");
        self.shutdown.send_replace(true);
        while running.join_next().await.is_some() {}
        self.site.backend.take_leave().await;
    }
}

/// Can the spool and the quarantine be written? Found out now, not when the first large message comes.
pub fn check_directories(config: &Config) -> Result<(), StartError> {
    let directories = [Some(&config.spool), config.quarantine.as_ref()];
    let mut named = directories.into_iter().flatten();
    named.try_for_each(|directory| check_writable(directory))
}

fn check_writable(directory: &Path) -> Result<(), StartError> {
    let written = tempfile::tempfile_in(directory);
    written.map(drop).map_err(|source| StartError::Unwritable {
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
    for filter in &directory.filters() {
        filters::fits(&**filter, config)?;
    }
    Ok(Some(directory))
}

fn watch_files(config: &Config, directory: Option<Directory>) -> (Watch, Reloader) {
    let listeners = config.listeners.iter();
    let certificates = listeners.filter_map(|listener| listener.tls.certificates().cloned());
    let certificates = certificates.collect();
    Watch::new(directory, certificates, config.path.clone(), config.reload)
}

fn listen(configs: &[ListenerConfig]) -> Result<Vec<Listener>, StartError> {
    let mut listeners = Vec::new();
    for config in configs {
        let door = Arc::new(Door::new(config.clone()));
        for address in &config.listen {
            let failed = |source| StartError::Listen {
                listener: config.name.clone(),
                address: *address,
                source,
            };
            listeners.push(Listener::bind(Arc::clone(&door), *address).map_err(failed)?);
        }
    }
    Ok(listeners)
}

fn listen_admin(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, StartError> {
    let listen = |address: &SocketAddr| {
        let socket = std::net::TcpListener::bind(address)?;
        socket.set_nonblocking(true)?;
        TcpListener::from_std(socket)
    };
    let failed = |address: &SocketAddr, source| StartError::Listen {
        listener: "admin".to_owned(),
        address: *address,
        source,
    };
    addresses
        .iter()
        .map(|address| listen(address).map_err(|source| failed(address, source)))
        .collect()
}

fn site(
    config: Config,
    chain: Arc<Chain>,
    standing: Standing,
    shutdown: watch::Receiver<bool>,
) -> Site {
    let limits = config.limits;
    Site {
        backend: Backend::new(config.backend, config.hostname.clone()),
        hostname: config.hostname,
        chain: ArcSwap::new(chain),
        no_filters: Chain::new(0, Vec::new()),
        admission: Admission::new(limits.connections, limits.connections_per_client),
        spooler: Spooler::new(config.spool, limits.spool_memory, limits.spool_memory_total),
        quarantine: config.quarantine,
        deadlines: config.deadlines,
        trace: config.trace,
        observers: Observers::new(limits.observers),
        counters: Counters::default(),
        limits,
        standing,
        shutdown,
    }
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
