//! One client: one loop over the events of [`lazaret_smtp::Server`]. Stages are in [`stages`], the end of data in
//! [`ending`], errors turn to replies in [`replies`]; sockets and clocks are here and in [`pace`].

mod ending;
mod intake;
mod log;
mod pace;
mod replies;
mod stages;
mod trace;
mod transaction;
mod xclient;

use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Buf;
use lazaret_mail::{Action, Chain, Decision, Judge, Party, Session, Stage, Tls};
use lazaret_smtp::{CloseReason, Event, LineFeeds, Own, Reply, Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, sleep_until, timeout};

use crate::backend::{Delivery, Error, Introduction};
use crate::site::{Door, DoorTls, Site};
use crate::tls;
use crate::wire::Wire;
use pace::Pace;
use transaction::Transaction;
use xclient::Presented;

/// One client's connection.
pub(crate) struct Connection {
    site: Arc<Site>,
    door: Arc<Door>,
    server: Server,
    judge: Judge,
    delivery: Delivery,
    session: Arc<Session>,
    /// `ESMTP` or `SMTP`, as greeted
    protocol: &'static str,
    transaction: Option<Transaction>,
    /// transactions so far
    transactions: u32,
    pace: Pace,
    trust: Trust,
    presented: Presented,
}

/// Does this client meet the filters?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Stranger,
    Trusted,
}

impl Trust {
    fn of(door: &Door, client: IpAddr) -> Self {
        match door.trusts(client) {
            true => Trust::Trusted,
            false => Trust::Stranger,
        }
    }
}

/// How a conversation on one wire ends.
enum Turn {
    /// 220 to STARTTLS is written
    StartTls,
    /// for the log and `on-disconnect`
    Over(&'static str),
}

impl Connection {
    pub(crate) fn new(site: Arc<Site>, door: Arc<Door>, client: SocketAddr) -> Self {
        let client = SocketAddr::new(client.ip().to_canonical(), client.port());
        let trust = Trust::of(&door, client.ip());
        let session = Session {
            id: crate::id::session_id(),
            listener: Arc::clone(&door.name),
            client: Party {
                address: client,
                name: lazaret_mail::ClientName::default(),
            },
            hello: None,
            tls: None,
            user: None,
            early_talker: false,
        };
        let chain = chain(&site, trust);
        Self {
            server: Server::new(server_config(&site, &door, &session)),
            judge: Judge::new(chain, &door.name),
            delivery: Delivery::new(Arc::clone(&site.backend)),
            session: Arc::new(session),
            protocol: "SMTP",
            transaction: None,
            transactions: 0,
            pace: Pace::new(&site.deadlines, site.limits.message_size),
            trust,
            presented: Presented::default(),
            site,
            door,
        }
    }

    /// From the accepted connection to its end.
    pub(crate) async fn run(mut self, tcp: TcpStream) {
        tracing::debug!(session = %self.session.id, client = %self.session.client.address, listener = %self.door.name, "connected");
        let reason = match self.open(tcp).await {
            Ok(wire) => self.talk(wire).await,
            Err(error) => {
                tracing::info!(session = %self.session.id, client = %self.session.client.address, %error, "TLS handshake failed");
                "TLS handshake failed"
            }
        };
        self.drop_transaction();
        self.delivery.let_go();
        tracing::debug!(session = %self.session.id, reason, "disconnected");
        if let Some(observation) = self.judge.disconnect(&self.session, reason) {
            self.site.observers.spawn(observation);
        }
    }

    /// Implicit TLS, the look for early talk, the stage connect and the greeting.
    async fn open(&mut self, tcp: TcpStream) -> io::Result<Wire> {
        // Replies are small and each is waited for: Nagle would add 40 ms to each.
        drop(tcp.set_nodelay(true));
        let wire = match &self.door.tls {
            DoorTls::Implicit(acceptor) => {
                let (wire, facts) =
                    tls::accept(acceptor, tcp, self.site.deadlines.handshake).await?;
                self.server.tls_established();
                self.note_tls(facts);
                wire
            }
            _ => {
                self.look_for_early_talk(&tcp).await;
                Wire::Plain(tcp)
            }
        };
        stages::connect(self).await;
        Ok(wire)
    }

    /// RFC 5321 section 4.3.1: the client waits for the greeting. Only noticed; filters judge it.
    async fn look_for_early_talk(&mut self, tcp: &TcpStream) {
        if self.trust == Trust::Trusted {
            return;
        }
        let delay = self.site.deadlines.greet_delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let mut octet = [MaybeUninit::uninit()];
        if socket2::SockRef::from(tcp)
            .peek(&mut octet)
            .is_ok_and(|octets| octets > 0)
        {
            Arc::make_mut(&mut self.session).early_talker = true;
        }
    }

    /// The conversation, in the clear and then perhaps in TLS.
    async fn talk(&mut self, mut wire: Wire) -> &'static str {
        loop {
            match self.converse(&mut wire).await {
                Turn::StartTls => match self.start_tls(wire).await {
                    Ok(secured) => wire = secured,
                    Err(error) => {
                        tracing::info!(session = %self.session.id, %error, "STARTTLS failed");
                        return "STARTTLS failed";
                    }
                },
                Turn::Over(reason) => {
                    pace::linger(wire).await;
                    return reason;
                }
            }
        }
    }

    /// One event after another until the wire changes or ends.
    async fn converse(&mut self, wire: &mut Wire) -> Turn {
        loop {
            match self.server.next() {
                Event::NeedInput => {
                    if let Err(reason) = self.listen(wire).await {
                        return Turn::Over(reason);
                    }
                }
                Event::Hello(hello) => stages::hello(self, hello).await,
                Event::Mail(path) => stages::mail(self, path).await,
                Event::Rcpt(path) => stages::rcpt(self, path).await,
                Event::Data => stages::data(self),
                Event::Content(octets) => stages::content(self, &octets).await,
                Event::End(end) => ending::message(self, end).await,
                Event::Reset => self.drop_transaction(),
                Event::StartTls => {
                    self.server.start_tls();
                    return match self.flush(wire).await {
                        Ok(()) => Turn::StartTls,
                        Err(reason) => Turn::Over(reason),
                    };
                }
                Event::XClient(attributes) => xclient::present(self, &attributes).await,
                // Never offered, so never asked.
                Event::XForward(_) => self.server.answer(Reply::not_implemented()),
                Event::Quit => {}
                Event::Close(reason) => return self.over(wire, reason).await,
            }
        }
    }

    /// The machine ends the session. What we asked for has its own line in the log.
    async fn over(&mut self, wire: &mut Wire, reason: CloseReason) -> Turn {
        if !matches!(reason, CloseReason::Quit | CloseReason::Asked) {
            log::closed(&self.session, words(reason));
        }
        let reason = words(reason);
        match self.flush(wire).await {
            Ok(()) => Turn::Over(reason),
            Err(reason) => Turn::Over(reason),
        }
    }

    /// Writes what waits and reads what comes. A deadline or a shutdown queues a reply; an error is the end.
    async fn listen(&mut self, wire: &mut Wire) -> Result<(), &'static str> {
        // Whatever was answered was a command: NOOP and RSET are no events.
        if !self.server.output().is_empty() && !self.is_receiving() {
            self.pace.restart();
        }
        self.flush(wire).await?;
        let idle = self.transaction.is_none();
        self.make_room();
        let due = self.pace.due();
        let mut shutdown = self.site.shutdown.clone();
        let work = async {
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|asked| *asked), if idle => Heard::Shutdown,
                // Before the octets: a flood of them is always there.
                () = sleep_until(due) => Heard::Late,
                read = wire.read_buf(self.server.buffer()) => Heard::Read(read),
            }
        };
        match pace::holding(&mut self.delivery, work).await {
            Heard::Read(Ok(0)) => return Err("client closed"),
            Heard::Read(Err(_)) => return Err("client lost"),
            Heard::Read(Ok(octets)) if self.is_receiving() => self.pace.read(octets),
            Heard::Read(Ok(_)) => {}
            Heard::Late if self.is_receiving() && self.pace.is_over_size() => {
                self.end(Reply::too_big().naming(&self.session.id), "endless message")
            }
            Heard::Late => self.end(replies::too_slow(&self.session.id), "too slow"),
            Heard::Shutdown => self.end(replies::shutting_down(&self.session.id), "shutdown"),
        }
        Ok(())
    }

    /// We end the session of our own accord.
    fn end(&mut self, reply: Reply, reason: &str) {
        log::closed(&self.session, reason);
        self.server.close(reply);
    }

    /// Room for what comes: little for commands, much for content, and what content needed is given back after it.
    fn make_room(&mut self) {
        const COMMANDS: usize = 4 << 10;
        const CONTENT: usize = 64 << 10;
        let receiving = self.is_receiving();
        if !receiving {
            self.server.release();
        }
        self.server
            .buffer()
            .reserve(if receiving { CONTENT } else { COMMANDS });
    }

    /// Between 354 and the dot?
    fn is_receiving(&self) -> bool {
        let transaction = self.transaction.as_ref();
        transaction.is_some_and(|transaction| transaction.intake.is_some())
    }

    /// One write for all replies that wait.
    async fn flush(&mut self, wire: &mut Wire) -> Result<(), &'static str> {
        let mut output = self.server.output().split();
        if output.is_empty() {
            return Ok(());
        }
        let write = async {
            while output.has_remaining() {
                if wire.write_buf(&mut output).await? == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
            wire.flush().await
        };
        match timeout(self.site.deadlines.write, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err("client lost"),
            Err(_) => Err("client takes no replies"),
        }
    }

    /// The handshake. What the client sent in the clear behind STARTTLS is gone; so is all it said before.
    async fn start_tls(&mut self, wire: Wire) -> io::Result<Wire> {
        let DoorTls::Starttls(acceptor) = &self.door.tls else {
            return Err(io::Error::other("STARTTLS on a listener without it"));
        };
        let tcp = wire
            .into_plain()
            .ok_or_else(|| io::Error::other("STARTTLS inside TLS"))?;
        let (wire, facts) = tls::accept(acceptor, tcp, self.site.deadlines.handshake).await?;
        self.server.tls_established();
        self.drop_transaction();
        self.delivery.let_go();
        self.note_tls(facts);
        self.pace.restart();
        Ok(wire)
    }

    fn note_tls(&mut self, facts: Tls) {
        let session = Arc::make_mut(&mut self.session);
        session.tls = Some(Arc::new(facts));
        session.hello = None;
    }

    /// The transaction is gone without an end of data.
    fn drop_transaction(&mut self) {
        self.judge.reset();
        self.delivery.reset();
        self.transaction = None;
    }

    /// The newest generation of the chain; nothing for trusted clients.
    fn chain(&self) -> Arc<Chain> {
        chain(&self.site, self.trust)
    }

    /// May this client say that it is another one?
    fn may_present(&self) -> bool {
        let client = self.session.client.address.ip();
        self.door.takes_xclient_from(client)
    }

    /// Who the client is, for the backend.
    fn introduction(&self) -> Introduction {
        Introduction {
            session: Arc::clone(&self.session),
            protocol: self.protocol,
        }
    }

    /// What the client hears instead of the backend's answer; what went wrong is in the log.
    fn backend_failed(&self, error: &Error) -> Reply {
        tracing::warn!(session = %self.session.id, %error, "backend");
        self.site.counters.backend_failed(error);
        replies::backend(error, &self.session.id)
    }

    /// [`heed`](Self::heed), and a line in the log if the client is refused before its end of data; `of` is what.
    async fn obey(&mut self, stage: Stage, of: &str, decision: &Decision) {
        if let Action::Refuse(reply) | Action::Close(reply) = &decision.action {
            log::refused(&self.session, stage, of, reply, decision.by.as_deref());
        }
        self.heed(decision).await;
    }

    /// Logs what filters said, and holds the reply back as long as they asked, without a thread.
    async fn heed(&mut self, decision: &Decision) {
        log::records(&self.session, decision);
        self.site.counters.judged(decision);
        if !decision.pace.is_zero() {
            pace::holding(&mut self.delivery, sleep(decision.pace)).await;
        }
    }
}

/// Why we close, for the log and `on-disconnect`.
fn words(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Quit => "QUIT",
        CloseReason::Asked => "closed by us",
        CloseReason::TooManyErrors => "too many errors",
        CloseReason::Smuggling => "bare CR, LF or NUL in the content",
        CloseReason::LongLine => "endless command line",
        CloseReason::Chunk => "BDAT that cannot be read",
        CloseReason::Foreign => "no SMTP",
    }
}

/// What came of listening to a client.
enum Heard {
    Read(io::Result<usize>),
    Late,
    Shutdown,
}

fn chain(site: &Site, trust: Trust) -> Arc<Chain> {
    match trust {
        Trust::Stranger => site.chain.load_full(),
        Trust::Trusted => Arc::clone(&site.no_filters),
    }
}

fn server_config(site: &Site, door: &Door, session: &Session) -> ServerConfig {
    ServerConfig {
        hostname: site.hostname.clone(),
        max_message: site.limits.message_size,
        max_recipients: site.limits.recipients,
        max_command: site.limits.command,
        max_errors: site.limits.errors,
        require_tls: door.require_tls,
        line_feeds: match door.exempts(session.client.address.ip()) {
            true => LineFeeds::Normalised,
            false => LineFeeds::Refused,
        },
        id: session.id.to_string(),
    }
}

/// What we bring to the EHLO answer of this listener.
fn own(site: &Site, door: &Door) -> Own {
    /// Octets kept free for the fields that we and filters add.
    const HEADROOM: u64 = 64 << 10;
    Own {
        max_message: site.limits.message_size,
        headroom: HEADROOM,
        start_tls: matches!(door.tls, DoorTls::Starttls(_)),
    }
}
