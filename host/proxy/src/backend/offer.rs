//! What the backend offers now: learned by asking EHLO, and from every connection that is opened.

use std::sync::Arc;
use std::time::Duration;

use lazaret_smtp::Extensions;
use tokio::time::{Instant, timeout};

use super::health::{LOOK, PROBE};
use super::{Backend, Member};

/// How long a client's EHLO may wait for the backend's.
const PATIENCE: Duration = Duration::from_millis(500);

impl Backend {
    /// What all addresses that are alive offer, asked anew where what we know is older than `offer-age`. Waits at most
    /// half a second: a backend that is slow or down delays no greeting. `None`: no address is alive.
    pub(crate) async fn offer(self: &Arc<Self>) -> Option<Arc<Extensions>> {
        let known = timeout(PATIENCE, self.names.members()).await;
        let members = known.ok().and_then(Result::ok)?;
        let alive = members.iter().any(|member| member.is_alive());
        // What is dead is asked in the background anyway.
        let least = if alive { Duration::ZERO } else { LOOK + PROBE };
        let age = self.config.offer_age.max(least);
        let stale = |member: &&Arc<Member>| !member.is_known(age);
        let to_ask = members.iter().filter(|member| member.is_alive() == alive);
        let asked: Vec<_> = to_ask.filter(stale).cloned().collect();
        if !asked.is_empty() {
            self.ask(&asked).await;
        }
        common(members.iter().filter(|member| member.is_alive()))
    }

    /// The same; while no address is alive, what they offered last. Who is offered less then gives up for good on mail
    /// that needs more (SMTPUTF8, DSN), where RCPT would only have made him wait. `None`: nobody ever learned it.
    pub(crate) async fn lasting_offer(self: &Arc<Self>) -> Option<Arc<Extensions>> {
        let now = self.offer().await;
        now.or_else(|| common(self.names.known().iter()))
    }

    /// Asks these addresses, and waits until each has answered or cannot be asked.
    async fn ask(self: &Arc<Self>, members: &[Arc<Member>]) {
        let begun = Instant::now();
        let mut changes = self.changes.subscribe();
        let mut waiting = members.to_vec();
        let answered = async {
            loop {
                // Who was being asked before we came is asked again.
                waiting.retain(|member| !member.was_asked_since(begun) && self.check(member));
                if waiting.is_empty() || changes.changed().await.is_err() {
                    return;
                }
            }
        };
        drop(timeout(PATIENCE, answered).await);
    }
}

/// What may be promised whichever of them gets the mail.
fn common<'m>(members: impl Iterator<Item = &'m Arc<Member>>) -> Option<Arc<Extensions>> {
    let mut offers = members.filter_map(|member| member.offer());
    let first = offers.next()?;
    Some(offers.fold(first, |common, other| match common == other {
        true => common,
        false => Arc::new(common.common(&other)),
    }))
}
