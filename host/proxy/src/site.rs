//! What all sessions share, and what each listener adds.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use ipnet::IpNet;
use lazaret_mail::{Chain, Observation};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::admission::Admission;
use crate::backend::Backend;
use crate::config::{
    Balancers, Deadlines, Limits, ListenerConfig, ListenerTls, Others, Recipients, Trace,
};
use crate::explain::Decisions;
use crate::filters::Standing;
use crate::metrics::Metrics;
use crate::spool::Spooler;
use crate::tls;

/// Shared by all sessions.
pub(crate) struct Site {
    pub(crate) hostname: String,
    /// the newest generation; a session takes it at connect and at each MAIL
    pub(crate) chain: ArcSwap<Chain>,
    /// for trusted clients
    pub(crate) no_filters: Arc<Chain>,
    pub(crate) backend: Arc<Backend>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) spooler: Arc<Spooler>,
    pub(crate) quarantine: Option<PathBuf>,
    pub(crate) limits: Limits,
    pub(crate) deadlines: Deadlines,
    pub(crate) trace: Trace,
    pub(crate) observers: Observers,
    pub(crate) metrics: Metrics,
    pub(crate) decisions: Arc<Decisions>,
    /// what runs of the filter directory, and what is wrong with it
    pub(crate) standing: Standing,
    /// true once a shutdown was asked for
    pub(crate) shutdown: watch::Receiver<bool>,
}

/// One listener, for its sessions.
pub(crate) struct Door {
    pub(crate) name: Arc<str>,
    pub(crate) tls: DoorTls,
    pub(crate) require_tls: bool,
    pub(crate) recipients: Recipients,
    trusted: Vec<IpNet>,
    balancers: Option<Balancers>,
    xclient: Vec<IpNet>,
    newline_exempt: Vec<IpNet>,
}

/// Whose connection one is, by where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// the client's own
    Client,
    /// a load balancer's, which must say whose
    Balancer,
    /// somebody's who should have come by a balancer
    Stranger,
}

/// How TLS starts.
pub(crate) enum DoorTls {
    Off,
    Starttls(TlsAcceptor),
    Implicit(TlsAcceptor),
}

impl Door {
    pub(crate) fn new(config: ListenerConfig) -> Self {
        let (tls, require_tls) = match config.tls {
            ListenerTls::Off => (DoorTls::Off, false),
            ListenerTls::Starttls {
                certificates,
                required,
            } => (DoorTls::Starttls(tls::acceptor(certificates)), required),
            ListenerTls::Implicit(certificates) => {
                (DoorTls::Implicit(tls::acceptor(certificates)), false)
            }
        };
        Self {
            name: config.name.into(),
            tls,
            require_tls,
            recipients: config.recipients,
            trusted: config.trusted,
            balancers: config.balancers,
            xclient: config.xclient,
            newline_exempt: config.newline_exempt,
        }
    }

    /// Is a client at this address spared the filters?
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        is_in(&self.trusted, address)
    }

    /// What a connection from this address is.
    pub(crate) fn peer(&self, address: IpAddr) -> Peer {
        match &self.balancers {
            Some(balancers) if is_in(&balancers.from, address) => Peer::Balancer,
            Some(balancers) if balancers.others == Others::Refused => Peer::Stranger,
            _ => Peer::Client,
        }
    }

    /// May a client at this address say whose session it passes on?
    pub(crate) fn takes_xclient_from(&self, address: IpAddr) -> bool {
        is_in(&self.xclient, address)
    }

    /// Is a bare LF of a client at this address taken for CRLF?
    pub(crate) fn exempts(&self, address: IpAddr) -> bool {
        is_in(&self.newline_exempt, address)
    }
}

fn is_in(networks: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address))
}

/// Observers run beside the sessions, a bounded number at once: what comes on top is dropped and counted.
pub(crate) struct Observers {
    places: Arc<Semaphore>,
    dropped: Mutex<u64>,
}

impl Observers {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most)),
            dropped: Mutex::new(0),
        }
    }

    pub(crate) fn spawn(&self, observation: Observation) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let mut dropped = self.dropped.lock().expect("no holder of this lock panics");
            *dropped += 1;
            tracing::warn!(dropped = *dropped, "too many observers at once");
            return;
        };
        tokio::spawn(async move {
            for record in observation.await {
                tracing::debug!(%record, "observer");
            }
            drop(place);
        });
    }

    pub(crate) fn dropped(&self) -> u64 {
        *self.dropped.lock().expect("no holder of this lock panics")
    }
}
