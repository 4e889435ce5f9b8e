//! The mail server behind us: its addresses, how many connections it gets, what it offers now, and one [`Delivery`] for
//! each client.
//!
//! An address is a [`member`]; [`names`] finds them, [`health`] looks after them, [`search`] chooses among them, [`pool`]
//! keeps idle connections. A [`link`] is one connection.

mod circuit;
mod delivery;
mod dialogue;
mod dot;
mod error;
mod filed;
mod health;
mod identity;
mod journal;
mod link;
mod member;
mod names;
mod offer;
mod pool;
mod report;
mod search;
mod tls;

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore, watch};

use crate::config::{BackendConfig, Identity};
use crate::metrics::Legs;

pub(crate) use delivery::{Delivery, Opened};
pub(crate) use dialogue::{Dialogue, Exchange, Talk};
pub(crate) use error::{Error, Step};
pub(crate) use identity::Introduction;
pub(crate) use link::Link;
use member::{Change, Ledger, Member};
use names::Names;
use pool::Pool;
pub(crate) use report::{AddressSnapshot, Health};
use search::Search;
use tls::Connector;

/// One backend, shared by all sessions.
pub(crate) struct Backend {
    config: BackendConfig,
    hostname: String,
    connector: Option<Connector>,
    names: Names,
    pool: Pool,
    /// one session at a time tries addresses that are not alive, while none is
    trial: Semaphore,
    /// told whenever something was learned of an address
    changes: watch::Sender<()>,
    /// told when an address is in trouble, so that nobody waits for the next look at it
    trouble: Notify,
    legs: Arc<Legs>,
    ledger: Ledger,
}

impl Backend {
    pub(crate) fn new(config: BackendConfig, hostname: String, legs: &Arc<Legs>) -> Arc<Self> {
        Self::with(config, hostname, legs, Ledger::default())
    }

    /// Another in its place, which counts on.
    pub(crate) fn renewed(&self, config: BackendConfig, hostname: String) -> Arc<Self> {
        Self::with(config, hostname, &self.legs, self.ledger.clone())
    }

    fn with(
        config: BackendConfig,
        hostname: String,
        legs: &Arc<Legs>,
        ledger: Ledger,
    ) -> Arc<Self> {
        Arc::new(Self {
            connector: Connector::new(&config.tls),
            names: Names::new(&config.address, ledger.clone()),
            ledger,
            pool: Pool::new(config.connections),
            trial: Semaphore::new(1),
            changes: watch::Sender::new(()),
            trouble: Notify::new(),
            legs: Arc::clone(legs),
            config,
            hostname,
        })
    }

    /// Whether clients are made known to it.
    pub(crate) fn identity(&self) -> Identity {
        self.config.identity
    }

    /// A connection for this client: opened, in TLS by policy, the client made known.
    pub(crate) async fn connect(&self, who: &Introduction) -> Result<Box<Link>, Error> {
        Search::new(self).link(who).await
    }

    /// A connection was opened.
    fn opened(&self, member: &Member, link: &Link) {
        self.tell(member, member.opened(link.extensions(), link.greeted()));
    }

    /// A connection that was open was asked what it offers.
    fn offered(&self, member: &Member, link: &Link) {
        member.offered(link.extensions(), link.greeted());
        self.tell(member, Change::None);
    }

    /// A transaction was answered to its end.
    fn served(&self, member: &Member) {
        match member.served() {
            Change::None => {}
            change => self.tell(member, change),
        }
    }

    /// A transaction broke off on an open connection.
    fn broke(&self, member: &Member, error: &Error) {
        match error.is_verdict() {
            true => member.refused(error),
            false => self.tell(member, member.failed(error)),
        }
    }

    /// Logs how an address changed, and wakes whoever waits for it.
    fn tell(&self, member: &Member, change: Change) {
        let address = member.address;
        match change {
            Change::None => {}
            Change::CameBack => tracing::info!(%address, "backend address is back"),
            Change::Left => {
                if let Some(error) = member.trouble() {
                    tracing::warn!(%address, %error, "backend address is out of use");
                }
                // What is idle there would only tell the next client the same.
                drop(member.sort_out(|_| false));
                self.trouble.notify_one();
            }
        }
        self.changes.send_replace(());
    }
}
