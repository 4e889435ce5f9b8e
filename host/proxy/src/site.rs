//! What all sessions share, and what each listener adds.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use lazaret_mail::message::ParseRoom;
use lazaret_mail::{Chain, ClientNames, Observation, Session};
use lazaret_metrics::Registry;
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;

use crate::admission::Admission;
use crate::backend::Backend;
use crate::config::{Config, Deadlines, Limits, LogLevels, Trace};
use crate::descriptors;
use crate::door::Door;
use crate::explain::Decisions;
use crate::filters::{Absent, Standing};
use crate::metrics::Metrics;
use crate::spool::{Room, Spooler};

/// How far the end of the proxy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shutdown {
    No,
    /// asked for: who is between two transactions hears 421
    Asked,
    /// `grace` is over: who is in one, too
    Due,
}

impl Shutdown {
    /// Resolves once it has come so far. The sender lives as long as the proxy: an error means the same.
    pub(crate) async fn is(self, told: &mut watch::Receiver<Self>) {
        drop(told.wait_for(|now| *now >= self).await);
    }
}

/// Shared by all sessions that began under one configuration. What goes on through a change of it, counts above all, is
/// shared by all generations: hence the `Arc`s.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) hostname: String,
    /// the newest generation; a session takes it at connect and at each MAIL
    pub(crate) chain: Arc<ArcSwap<Chain>>,
    /// for trusted clients
    pub(crate) no_filters: Arc<Chain>,
    pub(crate) backend: Arc<Backend>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) spooler: Arc<Spooler>,
    pub(crate) quarantine: Option<PathBuf>,
    pub(crate) limits: Limits,
    pub(crate) deadlines: Deadlines,
    pub(crate) trace: Trace,
    pub(crate) log: LogLevels,
    /// how long sessions may go on after a shutdown was asked for
    pub(crate) grace: Duration,
    pub(crate) observers: Arc<Observers>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) decisions: Arc<Decisions>,
    /// what runs of the filter directory, and what is wrong with it
    pub(crate) standing: Arc<Standing>,
    /// what is wrong with the services that filters use
    pub(crate) services: Services,
    /// who knows what clients are called
    pub(crate) names: Arc<OnceLock<Arc<dyn ClientNames>>>,
    /// one for each listener, in the order of the configuration at start
    pub(crate) doors: Vec<Arc<Door>>,
    /// why the configuration file, as it is now, does not hold
    pub(crate) outdated: Arc<Mutex<Option<String>>>,
    /// what of the proxy is gone until it is restarted
    broken: Arc<OnceLock<String>>,
    pub(crate) shutdown: watch::Receiver<Shutdown>,
}

/// Tells what does not work at the moment of the services that filters use, in words.
pub(crate) type Services = Arc<OnceLock<Box<dyn Fn() -> Vec<String> + Send + Sync>>>;

/// The site as the configuration has it now. Whoever serves somebody takes it once and keeps it to the end.
pub(crate) struct Sites {
    now: ArcSwap<Site>,
    changed: Notify,
}

impl Sites {
    pub(crate) fn new(site: Site) -> Arc<Self> {
        Arc::new(Self {
            now: ArcSwap::from_pointee(site),
            changed: Notify::new(),
        })
    }

    pub(crate) fn now(&self) -> Arc<Site> {
        self.now.load_full()
    }

    /// From the next session on.
    pub(crate) fn replace(&self, site: Site) {
        self.now.store(Arc::new(site));
        self.changed.notify_waiters();
    }

    /// Resolves once it was replaced, from this call on.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }
}

impl Site {
    /// The site by this configuration, before the first session.
    pub(crate) fn new(
        config: &Config,
        chain: Arc<Chain>,
        standing: Standing,
        shutdown: watch::Receiver<Shutdown>,
    ) -> Self {
        let limits = config.limits.clone();
        ParseRoom::shared().limit(limits.parse_memory);
        let metrics = Metrics::new(Registry::new());
        Self {
            backend: Backend::new(
                config.backend.clone(),
                config.hostname.clone(),
                &metrics.legs,
            ),
            hostname: config.hostname.clone(),
            chain: Arc::new(ArcSwap::new(chain)),
            no_filters: Chain::new(0, Vec::new()),
            admission: Admission::new(descriptors::sessions(config), limits.connections_per_client),
            spooler: Spooler::new(config.spool.clone(), room(&limits)),
            quarantine: config.quarantine.clone(),
            deadlines: config.deadlines.clone(),
            trace: config.trace,
            log: config.log.clone(),
            grace: config.grace,
            observers: Arc::new(Observers::new(limits.observers)),
            decisions: Decisions::new(limits.decisions, limits.decisions_memory),
            doors: config
                .listeners
                .iter()
                .map(Door::new)
                .map(Arc::new)
                .collect(),
            limits,
            metrics: Arc::new(metrics),
            standing: Arc::new(standing),
            outdated: Arc::default(),
            broken: Arc::default(),
            services: Arc::default(),
            names: Arc::default(),
            shutdown,
        }
    }

    /// The site by another configuration of the same listeners: sessions under way keep the one they began with.
    pub(crate) fn renewed(&self, before: &Config, next: &Config) -> Self {
        let limits = next.limits.clone();
        ParseRoom::shared().limit(limits.parse_memory);
        self.admission
            .limit(descriptors::sessions(next), limits.connections_per_client);
        self.standing.configure(next.mode);
        self.decisions
            .limit(limits.decisions, limits.decisions_memory);
        let doors = self.doors.iter().zip(&next.listeners);
        Self {
            backend: match (&before.hostname, &before.backend) == (&next.hostname, &next.backend) {
                true => Arc::clone(&self.backend),
                false => self
                    .backend
                    .renewed(next.backend.clone(), next.hostname.clone()),
            },
            hostname: next.hostname.clone(),
            spooler: self.spooler.renewed(next.spool.clone(), room(&limits)),
            quarantine: next.quarantine.clone(),
            deadlines: next.deadlines.clone(),
            trace: next.trace,
            log: next.log.clone(),
            grace: next.grace,
            observers: match limits.observers == self.limits.observers {
                true => Arc::clone(&self.observers),
                false => Arc::new(self.observers.limited(limits.observers)),
            },
            doors: doors
                .map(|(door, config)| Arc::new(door.renewed(config)))
                .collect(),
            limits,
            ..self.clone()
        }
    }

    /// Says why the configuration file, as it is now, does not hold; None: it does.
    pub(crate) fn note_outdated(&self, why: Option<String>) {
        *self.outdated.lock().expect("no holder of this lock panics") = why;
    }

    /// Something that runs beside the mail ended; the first such trouble is told until a restart.
    pub(crate) fn note_broken(&self, why: &str) {
        let _ = self.broken.set(why.to_owned());
    }

    /// What is wrong although mail passes: what changed and cannot be used, so that what was before serves on.
    pub(crate) fn degraded(&self) -> Vec<String> {
        let outdated = self.outdated.lock();
        let outdated = outdated.expect("no holder of this lock panics").clone();
        let configuration = outdated.map(|trouble| {
            format!("the configuration changed and cannot be used, that before it holds: {trouble}")
        });
        let filters = self.standing.trouble().map(|trouble| {
            let errors = trouble.errors.join("\n");
            format!("filters changed and cannot be loaded, those before them serve on\n{errors}")
        });
        let absent = self.standing.absent().into_iter();
        let absent = absent.filter_map(|absent| match absent {
            Absent::IsMissed(why) => Some(format!("a filter could not be loaded: {why}")),
            Absent::StopsMail(_) => None,
        });
        let certificates = self.doors.iter().filter_map(|door| door.trouble());
        let suspended = self.standing.suspended().into_iter().map(|name| {
            format!("filter {name} failed over and over: it is not asked, its on-failure answers")
        });
        let services = self.troubles_of_services().into_iter();
        let broken = self.broken.get().into_iter();
        let broken = broken.map(|why| format!("a part of the proxy is gone, restart it: {why}"));
        broken
            .chain(configuration)
            .chain(filters)
            .chain(absent)
            .chain(certificates)
            .chain(suspended)
            .chain(services.map(|trouble| format!("a service of filters does not work: {trouble}")))
            .collect()
    }

    /// What does not work of the services that filters use.
    pub(crate) fn troubles_of_services(&self) -> Vec<String> {
        self.services.get().map_or_else(Vec::new, |tell| tell())
    }
}

fn room(limits: &Limits) -> Room {
    Room {
        memory_each: limits.spool_memory,
        memory_total: limits.spool_memory_total,
        in_flight: limits.in_flight,
        in_flight_per_client: limits.in_flight_per_client,
    }
}

/// Observers run beside the sessions, a bounded number at once: what comes on top is dropped and counted.
pub(crate) struct Observers {
    most: usize,
    places: Arc<Semaphore>,
    dropped: Arc<Mutex<u64>>,
}

impl Observers {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            places: Arc::new(Semaphore::new(most)),
            dropped: Arc::default(),
        }
    }

    /// With another limit; those that run count under the one they began with.
    pub(crate) fn limited(&self, most: usize) -> Self {
        Self {
            most,
            places: Arc::new(Semaphore::new(most)),
            dropped: Arc::clone(&self.dropped),
        }
    }

    /// Waits for what the filters come to, aside of `session`, and logs it.
    pub(crate) fn spawn(&self, session: &Arc<Session>, observation: Observation) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let mut dropped = self.dropped.lock().expect("no holder of this lock panics");
            *dropped += 1;
            tracing::warn!(dropped = *dropped, "too many observers at once");
            return;
        };
        let session = Arc::clone(session);
        tokio::spawn(async move {
            for record in observation.await {
                tracing::debug!(
                    session = %session.id,
                    listener = %session.listener,
                    filter = %record.filter,
                    stage = record.stage.name(),
                    record = %record,
                    "observer"
                );
            }
            drop(place);
        });
    }

    /// Waits for those that are at work, for a moment.
    pub(crate) async fn come_to_an_end(&self) {
        const PATIENCE: Duration = Duration::from_secs(1);
        let all = self.most.try_into().unwrap_or(u32::MAX);
        drop(timeout(PATIENCE, self.places.acquire_many(all)).await);
    }

    pub(crate) fn dropped(&self) -> u64 {
        *self.dropped.lock().expect("no holder of this lock panics")
    }
}
