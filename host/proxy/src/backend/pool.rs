//! The `connections`: places, who waits for one, and connections that wait for a transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, interval_at, sleep_until};

use super::{Backend, Error, Link, Member};
use crate::config::Identity;

/// How often somebody who waits for a connection asks again for one that a silent client holds.
const RECALL_EVERY: Duration = Duration::from_millis(100);
/// A connection on which so much was refused goes to no other client. Backends count errors for each connection, slow down
/// (Postfix after 10) and close it (after 20): one client's unknown recipients would be held against the next.
const MOST_REFUSALS: u32 = 5;
/// A connection that was greeted so often without mail is left. Backends count that, too (Exim: `smtp_accept_max_nonmail`, 10, with
/// one for each message forgiven; Postfix: `smtpd_junk_command_limit`, 100).
const MOST_HELLOS: u32 = 9;

/// Every connection has one of the places, idle or in use.
pub(super) struct Pool {
    places: Arc<Semaphore>,
    waiting: Mutex<VecDeque<Waiting>>,
    recall: Notify,
}

/// Somebody waits for a place, or for a connection that has one, with the address it is of.
type Waiting = oneshot::Sender<(Arc<Member>, Box<Link>)>;

/// What a session may go on with.
pub(super) enum Place {
    /// for a connection that is to be opened
    Free(OwnedSemaphorePermit),
    /// a connection of this address
    Taken(Arc<Member>, Box<Link>),
}

impl Pool {
    pub(super) fn new(connections: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(connections)),
            waiting: Mutex::default(),
            recall: Notify::new(),
        }
    }

    /// Places that are taken.
    pub(super) fn taken(&self, connections: usize) -> usize {
        connections - self.places.available_permits()
    }

    /// A place, if one is free.
    pub(super) fn spare(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().expect("no holder of this lock panics")
    }

    /// To whoever has waited longest; gives it back if nobody waits.
    fn hand_over(&self, member: &Arc<Member>, mut link: Box<Link>) -> Option<Box<Link>> {
        loop {
            let Some(waiting) = self.waiting().pop_front() else {
                return Some(link);
            };
            match waiting.send((Arc::clone(member), link)) {
                Ok(()) => return None,
                Err((_, unwanted)) => link = unwanted,
            }
        }
    }

    /// Is somebody waiting? Then who comes now must not be served before him. Whose client has gone waits no more.
    pub(super) fn is_waited_for(&self) -> bool {
        self.waiting().iter().any(|waiting| !waiting.is_closed())
    }
}

impl Backend {
    /// One of the `connections`, waited for at most `wait`, in turn. Meanwhile clients that keep one and say nothing are
    /// asked for it, and one that came to rest just before we began to wait is found by `idle`.
    pub(super) async fn place(
        &self,
        idle: impl Fn() -> Option<(Arc<Member>, Box<Link>)>,
    ) -> Result<Place, Error> {
        let pool = &self.pool;
        let (sender, mut handed) = oneshot::channel();
        let acquire = Arc::clone(&pool.places).acquire_owned();
        tokio::pin!(acquire);
        pool.waiting().push_back(sender);
        let end = Instant::now() + self.config.wait;
        let mut again = interval_at(Instant::now(), RECALL_EVERY);
        let place = loop {
            tokio::select! {
                biased;
                Ok((member, link)) = &mut handed => return Ok(Place::Taken(member, link)),
                permit = &mut acquire => break Ok(Place::Free(permit.expect("the semaphore is never closed"))),
                () = sleep_until(end) => break Err(Error::Busy(self.config.connections)),
                _ = again.tick() => match idle() {
                    Some((member, link)) => break Ok(Place::Taken(member, link)),
                    None => pool.recall.notify_one(),
                }
            }
        };
        // Who gives a connection back finds that nobody waits here any more, or has found us already.
        handed.close();
        match handed.try_recv() {
            Ok((member, link)) => {
                if let Ok(Place::Taken(_, other)) = place {
                    self.give_back(other);
                }
                Ok(Place::Taken(member, link))
            }
            Err(_) => {
                pool.waiting().retain(|waiting| !waiting.is_closed());
                place
            }
        }
    }

    /// An idle connection of this address about which there is no doubt.
    pub(super) fn idle_link(&self, member: &Arc<Member>) -> Option<Box<Link>> {
        while let Some(mut link) = member.take() {
            if self.is_fit(&mut link, member) {
                link.begin_use(member);
                return Some(link);
            }
            // Closed by the backend, or too old to be sure: nobody is told, it is dropped.
        }
        None
    }

    /// What the address offers may have changed since: only a connection that knows it is used again.
    fn is_fit(&self, link: &mut Link, member: &Member) -> bool {
        let offer = member.offer();
        link.age() <= self.config.idle
            && offer.is_some_and(|offer| *offer == *link.extensions())
            && link.is_quiet()
    }

    /// A connection that is not needed now: kept for the next transaction if there is no doubt about it.
    pub(super) fn give_back(&self, mut link: Box<Link>) {
        let member = Arc::clone(link.member());
        if !self.is_kept(&mut link, &member) {
            return link.quit();
        }
        link.rest();
        if let Some(link) = self.pool.hand_over(&member, link) {
            member.keep(link);
        }
    }

    fn is_kept(&self, link: &mut Link, member: &Member) -> bool {
        let most = self.config.reuse;
        let wanted = !self.config.idle.is_zero() && link.transactions() < most;
        let good = link.refusals() < MOST_REFUSALS && link.hellos() < MOST_HELLOS;
        wanted
            && good
            && link.is_shareable()
            && link.has_place()
            && link.is_in_step()
            && member.is_alive()
    }

    /// May a client go on using its connection for the next transaction?
    pub(super) fn is_of_further_use(&self, link: &mut Link) -> bool {
        let most = self.config.reuse;
        self.identity() == Identity::Xclient
            && !self.config.idle.is_zero()
            && !link.is_shareable()
            && link.transactions() < most
            && link.is_in_step()
    }

    /// Takes leave on connections that were idle for too long, and drops those that died.
    pub(super) fn sweep(&self, member: &Member) {
        let most = self.config.idle;
        for mut link in member.sort_out(|link| link.age() < most && link.is_quiet()) {
            if link.is_quiet() {
                link.quit();
            }
        }
    }

    /// Takes leave on all idle connections.
    pub(crate) async fn take_leave(&self) {
        let members = self.names.known();
        let idle = members.iter().flat_map(|member| member.sort_out(|_| false));
        join_all(idle.map(|link| link.leave())).await;
    }

    /// Resolves when somebody waits for a connection; of those who listen, one hears it.
    pub(super) async fn recalled(&self) {
        self.pool.recall.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use lazaret_metrics::Registry;
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::backend::Dialogue;
    use crate::config::Config;
    use crate::metrics::Metrics;

    /// A backend that greets, with one connection.
    async fn backend() -> Arc<Backend> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let mut tcp = BufReader::new(tcp);
                let mut line = String::new();
                tcp.write_all(b"220 b\r\n").await.unwrap();
                while tcp.read_line(&mut line).await.unwrap_or(0) > 0 {
                    tcp.write_all(b"250 b\r\n").await.unwrap();
                }
            }
        });
        let text = format!(
            "hostname = \"mx.example.org\"\n[[listener]]\nname = \"mx\"\nlisten = [\"127.0.0.1:0\"]\n\
             recipients = [\"example.org\"]\n[backend]\naddress = [\"{address}\"]\nconnections = 1\n"
        );
        let config = Config::parse("lazaret.toml".as_ref(), &text).unwrap();
        let metrics = Metrics::new(Registry::new());
        Backend::new(config.backend, "mx.example.org".into(), &metrics.legs)
    }

    #[tokio::test]
    async fn who_begins_to_wait_as_a_connection_comes_to_rest_finds_it() {
        let backend = backend().await;
        let member = Arc::clone(&backend.names.members().await.unwrap()[0]);
        let permit = backend.pool.spare();
        let link = Link::open(&backend, &member, permit, &Dialogue::default()).await;
        let mut link = link.unwrap();
        backend.opened(&member, &link);
        let waiting = {
            let (backend, member) = (Arc::clone(&backend), Arc::clone(&member));
            tokio::spawn(async move {
                let idle = || Some((Arc::clone(&member), backend.idle_link(&member)?));
                matches!(backend.place(idle).await, Ok(Place::Taken(..)))
            })
        };
        while !backend.pool.is_waited_for() {
            tokio::task::yield_now().await;
        }
        // Who gave it back saw nobody waiting.
        link.rest();
        member.keep(link);
        let found = timeout(Duration::from_secs(5), waiting).await;
        assert!(found.expect("before `wait` is over").unwrap());
    }

    #[tokio::test]
    async fn whose_client_has_gone_waits_no_more() {
        let backend = backend().await;
        let permit = backend.pool.spare();
        let waiting = timeout(Duration::from_millis(50), backend.place(|| None));
        assert!(waiting.await.is_err());
        assert!(!backend.pool.is_waited_for());
        drop(permit);
    }
}
