//! Accepting clients: sockets, admission, and what to do when the system has no more file descriptors.

use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use lazaret_mail::Session;
use lazaret_smtp::{Code, Reply};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::admission::{Admitted, Full};
use crate::balancer;
use crate::connection::Connection;
use crate::descriptors::{self, Spare};
use crate::door::{Door, DoorTls, Peer};
use crate::id::session_id;
use crate::site::{Shutdown, Site, Sites};
use crate::workers::{TakenOn, Workers};

/// Clients the system queues for us while we are busy.
const BACKLOG: i32 = 1024;
/// For a 421 to everybody when `grace` is over.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// How often what sessions leave behind is taken away while nobody comes.
const ROUND: Duration = Duration::from_secs(1);

/// A socket that accepts clients.
pub(crate) struct Listener {
    name: String,
    /// where its door is among the site's
    door: usize,
    socket: TcpListener,
}

impl Listener {
    /// `[::]` takes IPv6 only, so that `0.0.0.0` can be listened on beside it.
    pub(crate) fn bind(name: &str, door: usize, address: SocketAddr) -> io::Result<Self> {
        Self::on(name, door, open(address)?)
    }

    /// On a socket that listens already.
    pub(crate) fn on(name: &str, door: usize, socket: net::TcpListener) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            name: name.to_owned(),
            door,
            socket: TcpListener::from_std(socket)?,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// The next client. Its socket belongs to no runtime yet.
    async fn accept(&self) -> io::Result<(net::TcpStream, SocketAddr)> {
        let (tcp, client) = self.socket.accept().await?;
        Ok((tcp.into_std()?, client))
    }

    /// Accepts until a shutdown is asked for, then waits for the sessions that run until it is due. Those that can be told
    /// hear 421 then; others, who wait for a filter or the backend, are cut off.
    pub(crate) async fn run(self, sites: Arc<Sites>, workers: Arc<Workers>) {
        let mut sessions = JoinSet::new();
        let mut round = interval(ROUND);
        round.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut shutdown = sites.now().shutdown.clone();
        let mut back_off = BackOff::default();
        let mut spare = Spare::new();
        loop {
            tokio::select! {
                biased;
                () = Shutdown::Asked.is(&mut shutdown) => break,
                // Whoever leaves wakes nobody here.
                _ = round.tick(), if !sessions.is_empty() => tidy(&mut sessions),
                accepted = self.accept() => match accepted {
                    Ok((tcp, client)) => {
                        back_off = BackOff::default();
                        tidy(&mut sessions);
                        let site = sites.now();
                        let door = Arc::clone(&site.doors[self.door]);
                        welcome(&mut sessions, &workers, &site, &door, tcp, client);
                    }
                    Err(error) => {
                        if descriptors::are_exhausted(&error) {
                            self.turn_away_some(&sites.now(), &mut spare).await;
                        }
                        back_off.wait(&error).await;
                        spare.refill();
                    }
                }
            }
        }
        drop(self.socket);
        tokio::select! {
            biased;
            () = all(&mut sessions) => return,
            () = Shutdown::Due.is(&mut shutdown) => {}
        }
        tracing::warn!(
            sessions = sessions.len(),
            "grace is over: sessions are cut off"
        );
        if timeout(LAST_WORDS, all(&mut sessions)).await.is_err() {
            sessions.shutdown().await;
        }
    }
}

impl Listener {
    /// Without descriptors nobody can be served, but with the spare one everybody who waits can be told so.
    async fn turn_away_some(&self, site: &Site, spare: &mut Spare) {
        let door = &site.doors[self.door];
        /// Then it is time to look whether a session has ended meanwhile.
        const MOST: usize = 64;
        if !spare.give_up() {
            return;
        }
        for _ in 0..MOST {
            // One look: who has not come yet is no reason to wait.
            let waiting = timeout(Duration::ZERO, self.accept()).await;
            let Ok(Ok((tcp, client))) = waiting else {
                break;
            };
            turn_away(site, door, &tcp, client, Refused::NoDescriptors);
        }
        spare.refill();
    }
}

fn open(address: SocketAddr) -> io::Result<net::TcpListener> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // A restart need not wait for connections of the last run to be forgotten.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Resolves once all of them have ended.
async fn all(sessions: &mut JoinSet<()>) {
    while sessions.join_next().await.is_some() {}
}

/// Takes away what is left of sessions that have ended.
fn tidy(sessions: &mut JoinSet<()>) {
    while sessions.try_join_next().is_some() {}
}

fn welcome(
    sessions: &mut JoinSet<()>,
    workers: &Workers,
    site: &Arc<Site>,
    door: &Arc<Door>,
    tcp: net::TcpStream,
    client: SocketAddr,
) {
    let admitted = match door.peer(client.ip()) {
        // Whoever passes clients on is nobody by himself.
        Peer::Client if !door.takes_xclient_from(client.ip()) => {
            site.admission.admit(client.ip()).map_err(Refused::Full)
        }
        Peer::Client | Peer::Balancer => site.admission.admit_unknown().map_err(Refused::Full),
        Peer::Stranger => Err(Refused::NotBalanced),
    };
    match admitted {
        Ok(admitted) => {
            let worker = workers.least_busy();
            let place = (admitted, worker.take_on());
            let visit = visit(Arc::clone(site), Arc::clone(door), tcp, client, place);
            sessions.spawn_on(visit, worker.runtime());
        }
        Err(refused) => turn_away(site, door, &tcp, client, refused),
    }
}

/// From the accepted connection to its end; behind a balancer first its word whose it is.
#[expect(
    clippy::manual_async_fn,
    reason = "that would keep room for its arguments twice, in the task of every client"
)]
fn visit(
    site: Arc<Site>,
    door: Arc<Door>,
    tcp: net::TcpStream,
    peer: SocketAddr,
    (mut admitted, taken_on): (Admitted, TakenOn),
) -> impl Future<Output = ()> + Send {
    async move {
        // Here, so that its events come to this thread.
        let Ok(mut tcp) = TcpStream::from_std(tcp) else {
            return tracing::error!(%peer, "the system cannot watch one socket more");
        };
        let client = match door.peer(peer.ip()) {
            Peer::Balancer => {
                let told = Box::pin(introduced(&site, &door, &mut tcp, peer, &mut admitted));
                match told.await {
                    Some(client) => client,
                    None => return,
                }
            }
            _ => peer,
        };
        let mut connection = Connection::new(site, door, client, admitted);
        let reason = connection.run(tcp).await;
        connection.over(reason);
        drop(taken_on);
    }
}

/// Whom the balancer brings. None: nobody, and it is said why.
async fn introduced(
    site: &Site,
    door: &Door,
    tcp: &mut TcpStream,
    balancer: SocketAddr,
    admitted: &mut Admitted,
) -> Option<SocketAddr> {
    let client = match balancer::client(tcp, balancer, site.deadlines.handshake).await {
        Ok(client) => client,
        Err(error) => {
            site.metrics.door(&door.name).turned_away("proxy-protocol");
            tracing::warn!(%balancer, listener = %door.name, %error, "no PROXY header");
            return None;
        }
    };
    if door.takes_xclient_from(client.ip()) {
        return Some(client);
    }
    if let Err(full) = admitted.claim(client.ip()) {
        turn_away(site, door, tcp, client, Refused::Full(full));
        return None;
    }
    Some(client)
}

/// Why a connection is not served.
enum Refused {
    Full(Full),
    /// the system has none left
    NoDescriptors,
    /// it came past the balancers
    NotBalanced,
}

impl Refused {
    /// The limit by its key, for the counters and the log.
    fn limit(&self) -> &'static str {
        match self {
            Refused::Full(Full::All) => "connections",
            Refused::Full(Full::Client) => "connections-per-client",
            Refused::NoDescriptors => "file descriptors",
            Refused::NotBalanced => "proxy-protocol",
        }
    }

    fn reply(&self, id: &str) -> Reply {
        let (code, text) = match self {
            Refused::Full(Full::All) | Refused::NoDescriptors => {
                (Code::UNAVAILABLE, "Too many connections, try later")
            }
            Refused::Full(Full::Client) => (
                Code::UNAVAILABLE,
                "Too many connections from you, try later",
            ),
            Refused::NotBalanced => (Code::FAILED, "No service here"),
        };
        // A greeting has no enhanced code (RFC 2034 section 4).
        Reply::new(code, None, text).naming(id)
    }
}

/// One try to say why, without waiting: whoever fills our places must not cost a task each.
fn turn_away(site: &Site, door: &Door, tcp: &impl AsFd, client: SocketAddr, refused: Refused) {
    let limit = refused.limit();
    site.metrics.door(&door.name).turned_away(limit);
    let id = session_id();
    tracing::info!(session = %id, listener = %door.name, %client, limit, "turned away");
    let reply = refused.reply(&id);
    let session = Session::new(id, &door.name, client);
    // Before the client hears of it, and asks.
    site.decisions.turned_away(session, reply.clone());
    if !matches!(door.tls, DoorTls::Implicit(_)) {
        // A new socket takes one line at once.
        drop(socket2::SockRef::from(tcp).send(reply.to_string().as_bytes()));
    }
}

/// Waits longer after each error in a row: without file descriptors accepting fails at once, over and over.
#[derive(Debug)]
struct BackOff(Duration);

impl Default for BackOff {
    fn default() -> Self {
        Self(Duration::from_millis(5))
    }
}

impl BackOff {
    async fn wait(&mut self, error: &io::Error) {
        const MOST: Duration = Duration::from_secs(1);
        // The client's own doing, and gone with it.
        if matches!(
            error.kind(),
            io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
        ) {
            return;
        }
        tracing::error!(%error, "clients cannot be accepted");
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<F: Future>(
        _: impl Fn(Arc<Site>, Arc<Door>, net::TcpStream, SocketAddr, (Admitted, TakenOn)) -> F,
    ) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_client_that_says_nothing_takes_little_memory() {
        let size = size_of_future(visit);
        assert!(size <= 3 << 10, "{size} octets");
    }

    #[test]
    fn whoever_is_turned_away_hears_why_and_an_id() {
        for (refused, begins) in [
            (Refused::Full(Full::All), "421 Too many"),
            (Refused::Full(Full::Client), "421 Too many"),
            (Refused::NoDescriptors, "421 Too many"),
            (Refused::NotBalanced, "554 No "),
        ] {
            let reply = refused.reply("7F3K2Q").to_string();
            assert!(reply.starts_with(begins), "{reply}");
            assert!(reply.ends_with(" (7F3K2Q)\r\n"), "{reply}");
        }
    }
}
