//! Health checks in the background: is an address alive, and what does it offer?

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::{Backend, Dialogue, Error, Link, Member};

/// How often addresses are looked at. What is dead is probed this often, so that mail passes again within a second.
pub(super) const LOOK: Duration = Duration::from_millis(400);
/// How long such a probe may take; one with all patience of the configuration runs beside it, for a backend that is slow
/// to greet.
pub(super) const PROBE: Duration = Duration::from_millis(400);
/// If a connection was opened within this time, an idle one is asked in place of another new one. A backend that is
/// configured anew may go on as before on its old connections (Postfix does): that they agree is checked so often.
const FRESH: Duration = Duration::from_millis(250);
/// How long it may take to answer; then a new one is opened.
const QUESTION: Duration = Duration::from_secs(5);

/// What becomes of the connection that a check opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    /// a client is there who will need one
    Kept,
    Left,
}

impl Backend {
    /// Looks after the addresses, for ever.
    pub(crate) async fn look_after(self: Arc<Self>) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => {}
                () = self.trouble.notified() => {}
            }
            if self.names.are_due() {
                tokio::spawn(Arc::clone(&self).refresh_names());
            }
            for member in self.names.known().iter() {
                self.sweep(member);
                self.look_at(member);
            }
        }
    }

    async fn refresh_names(self: Arc<Self>) {
        if let Some(error) = self.names.refresh().await {
            tracing::warn!(%error, "backend");
        }
    }

    fn look_at(self: &Arc<Self>, member: &Arc<Member>) {
        if member.is_down() {
            self.probe(member);
        } else if !member.is_known(self.config.check)
            && let Some(permit) = self.pool.spare()
            && let Some(slot) = slot(&member.checks)
        {
            self.spawn_check(member, slot, Some(permit), Afterwards::Left);
        }
    }

    /// Asks a dead address in two ways. No mail goes there, so these connections need no place.
    fn probe(self: &Arc<Self>, member: &Arc<Member>) {
        if let Some(slot) = slot(&member.checks) {
            self.spawn_check(member, slot, None, Afterwards::Left);
        }
        let Some(slot) = slot(&member.probes) else {
            return;
        };
        let (backend, member) = (Arc::clone(self), Arc::clone(member));
        tokio::spawn(async move {
            let _slot = slot;
            let begun = Instant::now();
            let opened = timeout(
                PROBE,
                Link::open(&backend, &member, None, &Dialogue::default()),
            )
            .await;
            let late = |_| Err(Error::Silent(super::Step::Greeting, PROBE));
            let opened = opened.unwrap_or_else(late);
            backend.learn(&member, begun, opened, Afterwards::Left);
        });
    }

    /// Asks an address now, for a client who waits for what it offers. Only if a connection is free, if it is alive: else
    /// sessions are busy learning it. False: nobody is asking.
    pub(super) fn check(self: &Arc<Self>, member: &Arc<Member>) -> bool {
        let Some(slot) = slot(&member.checks) else {
            return true;
        };
        let known = member.was_opened_within(FRESH);
        if let Some(link) = known.then(|| self.idle_link(member)).flatten() {
            self.spawn_question(member, slot, link);
            return true;
        }
        // Where none is kept, each question would open one.
        if known && self.config.idle.is_zero() && member.is_alive() {
            return false;
        }
        let permit = self.pool.spare().or_else(|| self.place_of_idle(member));
        if permit.is_none() && member.is_alive() {
            return false;
        }
        self.spawn_check(member, slot, permit, Afterwards::Kept);
        true
    }

    /// All places are taken: that of a connection which nobody uses, if nobody waits for it.
    fn place_of_idle(&self, member: &Arc<Member>) -> Option<OwnedSemaphorePermit> {
        let wanted = self.pool.is_waited_for();
        let idle = (!wanted).then(|| self.idle_link(member)).flatten();
        idle.and_then(|link| link.into_place())
    }

    /// Asks on an idle connection what is offered. It may have died, which says nothing about the address.
    fn spawn_question(
        self: &Arc<Self>,
        member: &Arc<Member>,
        slot: OwnedSemaphorePermit,
        mut link: Box<Link>,
    ) {
        let (backend, member) = (Arc::clone(self), Arc::clone(member));
        tokio::spawn(async move {
            let asked = timeout(QUESTION, link.hello(&backend.hostname)).await;
            if let Ok(Ok(())) = asked {
                drop(slot);
                backend.offered(&member, &link);
                backend.give_back(link);
            } else {
                backend.spawn_check(&member, slot, link.into_place(), Afterwards::Kept);
            }
        });
    }

    fn spawn_check(
        self: &Arc<Self>,
        member: &Arc<Member>,
        slot: OwnedSemaphorePermit,
        permit: Option<OwnedSemaphorePermit>,
        afterwards: Afterwards,
    ) {
        let (backend, member) = (Arc::clone(self), Arc::clone(member));
        tokio::spawn(async move {
            let begun = Instant::now();
            let opened = Link::open(&backend, &member, permit, &Dialogue::default()).await;
            // First, so that whoever hears of this and wants to know more finds nobody asking.
            drop(slot);
            backend.learn(&member, begun, opened, afterwards);
        });
    }

    fn learn(
        &self,
        member: &Arc<Member>,
        begun: Instant,
        opened: Result<Box<Link>, Error>,
        afterwards: Afterwards,
    ) {
        match opened {
            Ok(link) => {
                self.opened(member, &link);
                match afterwards {
                    Afterwards::Kept => self.give_back(link),
                    Afterwards::Left => link.quit(),
                }
            }
            Err(error) => {
                tracing::debug!(address = %member.address, %error, "health check");
                let change = member.not_opened(begun, &error);
                self.tell(member, change);
            }
        }
    }
}

/// The right to ask, unless somebody is asking.
fn slot(asking: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(asking).try_acquire_owned().ok()
}
