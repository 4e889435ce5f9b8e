//! What filters may be granted of the outside world: names, state, HTTP, lists, metrics. Knows neither wasmtime nor a
//! client's socket.
//!
//! [`Services`] is there once for the process. Each filter gets a [`Reach`] of its own: what it was granted, under its own
//! name. Everything here waits without blocking a thread, and never longer than its own limits; what a caller drops is
//! abandoned at once.

pub mod dns;
pub mod http;
pub mod lists;
pub mod metrics;
pub mod state;
mod trust;

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinSet;

pub use trust::Trust;

/// Why a service did nothing for a filter. The contract's `error` without `not-now`, which only the engine can say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// beyond what the operator granted
    #[error("not granted")]
    NotGranted,
    /// a cap of this filter or of this call is used up
    #[error("limit")]
    Limit,
    /// nobody answers, or not in time
    #[error("unavailable")]
    Unavailable,
    /// the argument is not acceptable
    #[error("invalid")]
    Invalid,
}

/// What the services are made with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `[dns]`
    pub dns: dns::Settings,
    /// `state`
    pub state: state::Place,
    /// `services-ca`
    pub trust: Trust,
}

/// The services cannot be opened: what is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}; {cure}")]
pub struct Fault {
    /// what is wrong
    pub problem: String,
    /// what the operator does about it
    pub cure: String,
    /// who can
    pub lies: Lies,
}

/// Where a fault lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies {
    /// with the configuration, or with a file that it names: it stays until somebody mends that
    InConfiguration,
    /// with the machine, which has no room or no threads now: another time it may work
    InMachine,
}

impl Fault {
    /// Both halves in words.
    pub fn new(problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            problem: problem.into(),
            cure: cure.into(),
            lies: Lies::InConfiguration,
        }
    }

    /// The same, of a machine that is short of something.
    pub fn of_machine(problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self {
            lies: Lies::InMachine,
            ..Self::new(problem, cure)
        }
    }
}

/// What the operator granted one filter, and how far it goes. What was not granted is never asked here: the engine links
/// a stub in its place.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// `dns:..` and `dns-time`
    pub dns: dns::Grant,
    /// `http:..` and `http-time`
    pub http: http::Grant,
    /// permission `state`
    pub remembers: bool,
    /// `state-keys`, `state-size`
    pub state: state::Caps,
    /// how long its state may take in one call, all orders together, each of which has [`STORE_PATIENCE`] at most; None:
    /// as long as that
    pub state_time: Option<Duration>,
    /// `[lists]`
    pub lists: Vec<lists::Definition>,
}

/// All services of the process; cheap to clone.
#[derive(Clone)]
pub struct Services {
    parts: Arc<Parts>,
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Services")
    }
}

/// Nobody is asked for names, state is kept in memory.
impl Default for Services {
    fn default() -> Self {
        let names = dns::Names::nobody();
        let http = http::Client::new(names.clone(), Trust::default());
        Self::of(names, http, state::Store::default())
    }
}

struct Parts {
    dns: dns::Names,
    http: http::Client,
    state: state::Store,
    lists: lists::Library,
    metrics: metrics::Registry,
}

/// What one filter reaches. Shared by all its sandboxes.
pub struct Reach {
    /// permission `dns`
    pub dns: dns::Names,
    /// permission `http`
    pub http: http::Client,
    /// permission `state`
    pub state: state::Space,
    /// permission `lists`
    pub lists: lists::Shelf,
    /// permission `metrics`
    pub metrics: metrics::Meters,
    /// how far it goes
    pub grants: Grants,
}

impl Services {
    /// Opens them; the first query, fetch or key connects to what is elsewhere.
    pub async fn open(settings: Settings) -> Result<Self, Fault> {
        let names = dns::Names::open(&settings.dns)?;
        let state = state::Store::open(&settings.state, &settings.trust).await?;
        let http = http::Client::new(names.clone(), settings.trust);
        Ok(Self::of(names, http, state))
    }

    /// Of parts made elsewhere: names of a test, authorities of a test.
    pub fn of(dns: dns::Names, http: http::Client, state: state::Store) -> Self {
        Self {
            parts: Arc::new(Parts {
                dns,
                http,
                state,
                lists: lists::Library::default(),
                metrics: metrics::Registry::default(),
            }),
        }
    }

    /// What the filter of that name reaches: its lists are read here, and a state that [waits](state::Store::later) for the
    /// first filter that remembers something is opened. A new generation of a filter has the state and the
    /// metrics of the old one.
    pub async fn reach(&self, filter: &str, grants: Grants) -> Result<Reach, Fault> {
        let state = &self.parts.state;
        let state = match grants.remembers {
            true => state.opened().await?,
            false => state.clone(),
        };
        Ok(Reach {
            dns: self.parts.dns.clone(),
            http: self.parts.http.clone(),
            state: state.space(filter, grants.state),
            lists: self.parts.lists.shelf(&grants.lists).await?,
            metrics: self.parts.metrics.meters(filter),
            grants,
        })
    }

    /// Names, for the host's own questions.
    pub fn names(&self) -> &dns::Names {
        &self.parts.dns
    }

    /// Writes down what the state still holds back; call it before the process ends.
    pub async fn settle(&self) {
        self.parts.state.settle().await;
    }

    /// What does not work at the moment, in words: a store that is away, resolvers that say nothing, lists that changed and
    /// cannot be read.
    pub fn troubles(&self) -> Vec<String> {
        let mut troubles = self.parts.lists.troubles();
        troubles.extend(self.parts.state.trouble());
        troubles.extend(self.parts.dns.trouble());
        troubles
    }

    /// Counters and gauges of all filters, for the admin port.
    pub fn metrics(&self) -> &metrics::Registry {
        &self.parts.metrics
    }
}

/// Does `work` where sockets are served, whoever waits for it; dropped together with this future. None if it panicked.
async fn aside<T: Send + 'static>(
    runtime: Option<&Handle>,
    work: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let mut work_of_one = JoinSet::new();
    match runtime {
        Some(runtime) => work_of_one.spawn_on(work, runtime),
        None => work_of_one.spawn(work),
    };
    work_of_one.join_next().await?.ok()
}

/// How long a filter waits for a store, at most.
pub const STORE_PATIENCE: Duration = Duration::from_secs(2);
