//! What the backend offers now: learned by asking EHLO, and from every dialogue.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lazaret_smtp::Extensions;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::{Backend, Link};

/// How long a client's EHLO may wait for the backend's.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is known of the backend's EHLO.
#[derive(Debug)]
pub(super) struct Offer {
    known: watch::Sender<Known>,
    asking: AtomicBool,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// None: it could not be reached
    extensions: Option<Extensions>,
    since: Option<Instant>,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            known: watch::Sender::default(),
            asking: AtomicBool::new(false),
        }
    }
}

impl Offer {
    pub(super) fn last(&self) -> Option<Extensions> {
        self.known.borrow().extensions.clone()
    }

    /// What an EHLO before any identity was passed on said.
    pub(super) fn learn(&self, extensions: Option<Extensions>) {
        self.known.send_replace(Known {
            extensions,
            since: Some(Instant::now()),
        });
    }

    /// What is known if it is younger than `age`, else what is asked now; if that takes too long, what was known.
    pub(super) async fn fresh(&self, backend: &Arc<Backend>, age: Duration) -> Option<Extensions> {
        let mut watch = self.known.subscribe();
        let asked = Instant::now();
        let young = |known: &Known| {
            known
                .since
                .is_some_and(|since| asked.saturating_duration_since(since) < age)
        };
        if !young(&watch.borrow_and_update()) {
            if !ask(backend) {
                return self.last();
            }
            drop(
                timeout(
                    PATIENCE,
                    watch.wait_for(|known| known.since.is_some_and(|since| since >= asked)),
                )
                .await,
            );
        }
        self.last()
    }
}

/// Asks in a task of its own, one at a time, and only if a connection is free: else sessions are busy learning it.
/// False: nobody is asking.
fn ask(backend: &Arc<Backend>) -> bool {
    if backend.offer.asking.swap(true, Ordering::AcqRel) {
        return true;
    }
    let Some(permit) = backend.spare_permit() else {
        backend.offer.asking.store(false, Ordering::Release);
        return false;
    };
    let backend = Arc::clone(backend);
    tokio::spawn(async move {
        let opened = Link::open(&backend, permit).await;
        if let Err(error) = &opened {
            tracing::warn!(%error, "the backend's EHLO is not known");
        }
        // First, so that whoever hears of this and wants to know more finds nobody asking.
        backend.offer.asking.store(false, Ordering::Release);
        backend
            .offer
            .learn(opened.as_ref().ok().map(|link| link.extensions().clone()));
        opened.map(Link::quit).unwrap_or_default();
    });
    true
}
