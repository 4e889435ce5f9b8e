//! The mail server behind us: how many connections it gets, what it offers now, and one [`Delivery`] for each client.

mod delivery;
mod error;
mod identity;
mod link;
mod offer;

use std::sync::Arc;
use std::time::Duration;

use lazaret_smtp::Extensions;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, interval_at, sleep_until};
use tokio_rustls::TlsConnector;

use crate::config::{BackendConfig, BackendTls, Identity};
use crate::tls;

pub(crate) use delivery::Delivery;
pub(crate) use error::{Error, Step};
pub(crate) use identity::Introduction;
pub(crate) use link::Link;
use offer::Offer;

/// How often somebody who waits for a connection asks again for one that a silent client holds.
const RECALL_EVERY: Duration = Duration::from_millis(100);

/// One backend, shared by all sessions.
pub(crate) struct Backend {
    config: BackendConfig,
    hostname: String,
    connector: Option<TlsConnector>,
    permits: Arc<Semaphore>,
    recall: Notify,
    offer: Offer,
}

impl Backend {
    pub(crate) fn new(config: BackendConfig, hostname: String) -> Arc<Self> {
        let connector = match &config.tls {
            BackendTls::Off => None,
            BackendTls::Opportunistic | BackendTls::Require => Some(tls::believing()),
            BackendTls::Verify { roots, .. } => Some(tls::verifying(Arc::clone(roots))),
        };
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(config.connections)),
            config,
            hostname,
            connector,
            recall: Notify::new(),
            offer: Offer::default(),
        })
    }

    /// Whether clients are made known to it.
    pub(crate) fn identity(&self) -> Identity {
        self.config.identity
    }

    /// Connections in use now, and at most.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let most = self.config.connections;
        (most - self.permits.available_permits(), most)
    }

    /// What to add where, if it does not offer the identity that is configured.
    pub(crate) fn missing_identity(&self, offer: &Extensions) -> Option<String> {
        let offered = identity::offered(self.config.identity, offer);
        offered.err().map(|error| error.to_string())
    }

    /// What it offers now, asked anew if what we know is older than `offer-age`. Waits at most half a second: a backend
    /// that is slow or down delays no greeting.
    pub(crate) async fn offer(self: &Arc<Self>) -> Option<Extensions> {
        self.offer.fresh(self, self.config.offer_age).await
    }

    /// One of the `connections`, waited for at most `wait`. Meanwhile clients that keep one and say nothing are asked
    /// for it.
    async fn permit(&self) -> Result<OwnedSemaphorePermit, Error> {
        let acquire = Arc::clone(&self.permits).acquire_owned();
        tokio::pin!(acquire);
        let end = Instant::now() + self.config.wait;
        let mut again = interval_at(Instant::now(), RECALL_EVERY);
        loop {
            tokio::select! {
                biased;
                permit = &mut acquire => return Ok(permit.expect("the semaphore is never closed")),
                () = sleep_until(end) => return Err(Error::Busy(self.config.connections)),
                _ = again.tick() => self.recall.notify_one(),
            }
        }
    }

    /// A connection for this client: opened, in TLS by policy, the client made known.
    pub(crate) async fn connect(&self, who: &Introduction) -> Result<Link, Error> {
        let permit = self.permit().await?;
        let opened = Link::open(self, permit).await;
        self.offer
            .learn(opened.as_ref().ok().map(|link| link.extensions().clone()));
        let mut link = opened?;
        who.open(&mut link, self.config.identity).await?;
        Ok(link)
    }

    /// One of the `connections` if one is free.
    fn spare_permit(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.permits).try_acquire_owned().ok()
    }

    /// Resolves when somebody waits for a connection and this one was last `used` a while ago: a client that trickles
    /// octets does not use it.
    async fn recalled(&self, used: Instant) {
        const PATIENCE: Duration = Duration::from_millis(250);
        sleep_until(used + PATIENCE).await;
        self.recall.notified().await;
    }
}
