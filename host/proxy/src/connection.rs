//! One client: one loop over the events of [`lazaret_smtp::Server`]. How it comes in is in [`arrival`], stages are in
//! [`stages`], the end of data in [`ending`], errors turn to replies in [`replies`], what is noted is in [`record`];
//! sockets and clocks are here and in [`pace`].

mod arrival;
mod conclusion;
mod ending;
mod intake;
mod log;
mod numeric;
mod pace;
mod presented;
mod record;
mod replies;
mod stages;
mod trace;
mod transaction;
mod xclient;

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Instant;

use bytes::BytesMut;
use lazaret_mail::{Chain, Judge, Session, Stage, within};
use lazaret_smtp::{CloseReason, Event, LineFeeds, Own, Path, Reply, Server, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tracing::{Instrument, Span};

use crate::admission::Admitted;
use crate::alarm::Alarm;
use crate::backend::{Delivery, Introduction};
use crate::door::{Door, DoorTls};
use crate::explain::{By, Case};
use crate::fate::Fate;
use crate::metrics::DoorMetrics;
use crate::site::{Shutdown, Site};
use crate::wire::{Reading, Wire};
use conclusion::Conclusion;
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
    /// in a box, for most clients that are here have none
    transaction: Option<Box<Transaction>>,
    /// transactions so far
    transactions: u32,
    pace: Pace,
    alarm: Alarm,
    shutdown: watch::Receiver<Shutdown>,
    trust: Trust,
    presented: Presented,
    /// the peer's own, while it passes another one on
    own: Option<Arc<Session>>,
    counts: Arc<DoorMetrics>,
    /// what is recorded of it
    case: Arc<Case>,
    /// its place among the clients
    admitted: Admitted,
    /// for whatever happens in it
    span: Span,
    /// no transaction since then
    free_since: Instant,
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
    pub(crate) fn new(
        site: Arc<Site>,
        door: Arc<Door>,
        client: SocketAddr,
        admitted: Admitted,
    ) -> Self {
        let session = Session::new(crate::id::session_id(), &door.name, client);
        let trust = Trust::of(&door, session.client.address.ip());
        let chain = chain(&site, trust);
        let session = Arc::new(session);
        let case = site.decisions.open(|home| Case::new(home, &session));
        let span = tracing::debug_span!("session", id = %session.id);
        let pace = Pace::new(&site.deadlines, site.limits.message_size);
        Self {
            server: Server::new(server_config(&site, &door, &session)),
            judge: Judge::new(chain, &door.name),
            delivery: Delivery::new(Arc::clone(&site.backend)),
            session,
            protocol: "SMTP",
            transaction: None,
            transactions: 0,
            alarm: Alarm::new(pace.due()),
            pace,
            shutdown: site.shutdown.clone(),
            trust,
            presented: Presented::default(),
            own: None,
            counts: site.metrics.door(&door.name),
            case,
            admitted,
            span,
            free_since: Instant::now(),
            site,
            door,
        }
    }

    /// From the accepted connection to its end; tells why it ended.
    pub(crate) fn run(&mut self, tcp: TcpStream) -> impl Future<Output = &'static str> + Send {
        let span = self.span.clone();
        self.serve(tcp).instrument(span)
    }

    async fn serve(&mut self, tcp: TcpStream) -> &'static str {
        tracing::debug!(session = %self.session.id, client = %self.session.client.address, listener = %self.door.name, "connected");
        let inside = self.counts.enter();
        let under_way = UnderWay { connection: self };
        let c = &mut *under_way.connection;
        let (reason, wire) = match Box::pin(c.open(tcp)).await {
            Ok(wire) => c.talk(wire).await,
            Err(error) => {
                c.counts.handshakes_failed.inc();
                tracing::info!(session = %c.session.id, client = %c.session.client.address, %error, "TLS handshake failed");
                ("TLS handshake failed", None)
            }
        };
        // It was not cut off.
        std::mem::forget(under_way);
        drop(inside);
        self.conclude(reason);
        if let Some(wire) = wire {
            Box::pin(pace::linger(wire, reason, &self.site)).await;
        }
        reason
    }

    /// Whatever way it ended, it is told.
    fn conclude(&mut self, reason: &'static str) {
        self.drop_transaction(fate(reason));
        self.delivery.let_go();
        self.counts.over(reason);
        self.case.over(&self.session, reason);
        tracing::debug!(session = %self.session.id, reason, "disconnected");
    }

    /// It has ended: filters hear of it.
    pub(crate) fn over(self, reason: &'static str) {
        if let Some(observation) = self.judge.disconnect(&self.session, reason) {
            self.site.observers.spawn(&self.session, observation);
        }
    }

    /// The conversation, in the clear and then perhaps in TLS; why it ended, and the wire if there is something left to do on it.
    async fn talk(&mut self, mut wire: Wire) -> (&'static str, Option<Wire>) {
        loop {
            match self.converse(&mut wire).await {
                Turn::StartTls => match Box::pin(self.start_tls(wire)).await {
                    Ok(secured) => wire = secured,
                    Err(error) => {
                        self.counts.handshakes_failed.inc();
                        tracing::info!(session = %self.session.id, %error, "STARTTLS failed");
                        return ("STARTTLS failed", None);
                    }
                },
                Turn::Over(reason) => return (reason, Some(wire)),
            }
        }
    }

    /// One event after another until the wire changes or ends. Stages are boxed: what they need while they work would
    /// otherwise be in the task of every client that says nothing.
    async fn converse(&mut self, wire: &mut Wire) -> Turn {
        loop {
            let event = self.server.next();
            let refusals = self.server.take_refusals();
            let refusal = refusals.and_then(|refusals| self.note_refusals(refusals));
            match event {
                Event::NeedInput => {
                    if let Err(reason) = self.listen(wire).await {
                        return Turn::Over(reason);
                    }
                }
                Event::Flush => {
                    if let Err(reason) = self.speak(wire).await {
                        return Turn::Over(reason);
                    }
                }
                Event::Hello(hello) => {
                    let span = self.span(Stage::Hello);
                    Box::pin(stages::hello(self, hello).instrument(span)).await;
                }
                Event::Mail(path) => {
                    let span = self.span(Stage::Mail);
                    Box::pin(stages::mail(self, path).instrument(span)).await;
                }
                Event::Rcpt(path) => {
                    let span = self.span(Stage::Rcpt);
                    Box::pin(stages::rcpt(self, path).instrument(span)).await;
                }
                Event::Data => stages::data(self),
                Event::Content(octets) => stages::content(self, &octets).await,
                Event::End(end) => {
                    let span = self.span(Stage::Message);
                    Box::pin(ending::message(self, end).instrument(span)).await;
                }
                Event::Reset => self.drop_transaction(Fate::Reset),
                Event::StartTls => {
                    self.server.start_tls();
                    return match self.flush(wire).await {
                        Ok(()) => Turn::StartTls,
                        Err(reason) => Turn::Over(reason),
                    };
                }
                Event::XClient(attributes) => Box::pin(xclient::present(self, &attributes)).await,
                // Never offered, so never asked.
                Event::XForward(_) => {
                    let reply = Reply::not_implemented().naming(&self.session.id);
                    self.server.answer(reply);
                }
                Event::Quit => {}
                Event::Close(reason) => return Box::pin(self.close(wire, reason, refusal)).await,
            }
        }
    }

    /// Of a stage, in its transaction where there is one. Costs nothing below level debug.
    fn span(&self, stage: Stage) -> Span {
        match &self.transaction {
            Some(transaction) => {
                tracing::debug_span!(parent: &transaction.span, "stage", name = stage.name())
            }
            None => tracing::debug_span!("stage", name = stage.name()),
        }
    }

    /// The machine ends the session, perhaps with a refusal. What we asked for has its own line in the log.
    async fn close(&mut self, wire: &mut Wire, reason: CloseReason, reply: Option<Reply>) -> Turn {
        if !matches!(reason, CloseReason::Quit | CloseReason::Asked) {
            log::closed(&self.session, words(reason));
        }
        let reason = words(reason);
        self.end_transaction(Conclusion::early(fate(reason), reply.as_ref(), By::Us));
        match self.flush(wire).await {
            Ok(()) => Turn::Over(reason),
            Err(reason) => Turn::Over(reason),
        }
    }

    /// Writes what waits.
    async fn speak(&mut self, wire: &mut Wire) -> Result<(), &'static str> {
        if !self.server.output().is_empty() {
            let between = self.server.is_between_chunks();
            self.pace.answered(self.is_receiving(), between);
        }
        self.flush(wire).await
    }

    /// Writes what waits and reads what comes. A deadline or a shutdown queues a reply; an error is the end.
    async fn listen(&mut self, wire: &mut Wire) -> Result<(), &'static str> {
        self.speak(wire).await?;
        let until = match self.transaction {
            None => Shutdown::Asked,
            Some(_) => Shutdown::Due,
        };
        let hearing = self.make_room();
        let due = self.pace.due();
        let work = async {
            tokio::select! {
                biased;
                () = until.is(&mut self.shutdown) => Heard::Shutdown,
                // Before the octets: a flood of them is always there.
                () = self.alarm.at(due) => Heard::Late,
                read = hear(wire, self.server.buffer(), hearing) => Heard::Read(read),
            }
        };
        let heard = pace::holding(&mut self.delivery, pin!(work)).await;
        match heard {
            Heard::Read(Ok(0)) => return Err("client closed"),
            Heard::Read(Err(_)) => return Err("client lost"),
            Heard::Read(Ok(octets)) if self.is_receiving() => self.pace.read(octets),
            Heard::Read(Ok(_)) => {}
            Heard::Late if self.is_receiving() && self.server.is_over_size() => {
                self.end(Reply::too_big().naming(&self.session.id), "endless message")
            }
            Heard::Late => self.end(replies::too_slow(&self.session.id), "too slow"),
            Heard::Shutdown => self.end(replies::shutting_down(&self.session.id), "shutdown"),
        }
        Ok(())
    }

    /// We end the session of our own accord.
    fn end(&mut self, reply: Reply, reason: &'static str) {
        log::closed(&self.session, reason);
        self.end_transaction(Conclusion::early(fate(reason), Some(&reply), By::Us));
        self.server.close(reply);
    }

    /// What content needs is given back after it.
    fn make_room(&mut self) -> Hearing {
        if self.is_receiving() {
            return Hearing::content(self.pace.received());
        }
        self.server.release();
        Hearing::Commands
    }

    /// Between 354 and the dot?
    fn is_receiving(&self) -> bool {
        let transaction = self.transaction.as_ref();
        transaction.is_some_and(|transaction| transaction.intake.is_some())
    }

    /// One write for all replies that wait.
    async fn flush(&mut self, wire: &mut Wire) -> Result<(), &'static str> {
        let output = std::mem::take(self.server.output());
        if output.is_empty() {
            return Ok(());
        }
        let write = async {
            wire.write_all(&output).await?;
            wire.flush().await
        };
        let write = pin!(write);
        let write = pin!(within(self.site.deadlines.write, write));
        match pace::holding_if_slow(&mut self.delivery, write).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err("client lost"),
            Err(_) => Err("client takes no replies"),
        }
    }

    /// MAIL came.
    fn begin(&mut self, chain: &Chain, path: &Path) {
        self.transactions += 1;
        let id = format!("{}-{}", self.session.id, self.transactions);
        let before = self.free_since.elapsed();
        self.case.begin(
            &self.session,
            self.transactions,
            chain.generation(),
            &path.address,
        );
        let span = tracing::debug_span!(parent: &self.span, "transaction", %id);
        let transaction = Transaction::new(id, path.clone(), before, span);
        self.transaction = Some(Box::new(transaction));
    }

    /// The transaction is gone without an end of data, and nobody refused it.
    fn drop_transaction(&mut self, fate: Fate) {
        self.end_transaction(Conclusion::early(fate, None, By::Nobody));
    }

    /// The transaction, if there is one, is over.
    fn end_transaction(&mut self, how: Conclusion<'_>) {
        match self.transaction.take() {
            Some(mut transaction) => {
                let standing = std::mem::take(&mut transaction.standing);
                let how = match transaction.envelope.recipients.is_empty() {
                    true => how.unless_refused(&standing),
                    false => how,
                };
                conclusion::conclude(self, transaction, how);
            }
            None => self.judge.reset(),
        }
        self.delivery.reset();
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
            dialogue: self.case.dialogue.clone(),
            names: self.site.names.get().cloned(),
        }
    }
}

/// A session that goes on. Dropped, it was cut off: `grace` is over, and it waits for somebody else.
struct UnderWay<'c> {
    connection: &'c mut Connection,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // A defect of ours has its own line.
        if !std::thread::panicking() {
            log::closed(&self.connection.session, CUT_OFF);
            self.connection.conclude(CUT_OFF);
        }
    }
}

/// Why a session ended that was cut off.
const CUT_OFF: &str = "cut off";

/// What becomes of a transaction when its session ends for this reason.
fn fate(reason: &str) -> Fate {
    match reason {
        "QUIT" | "client closed" | "client lost" | "client takes no replies" => Fate::Abandoned,
        "too slow" => Fate::TimedOut,
        _ => Fate::Closed,
    }
}

/// Why we close, for the log and `on-disconnect`.
fn words(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::Quit => "QUIT",
        CloseReason::Asked => "closed by us",
        CloseReason::TooManyErrors => "too many errors",
        CloseReason::TooMuchJunk => "too many commands without a message",
        CloseReason::Smuggling => "bare CR, LF or NUL in the content",
        CloseReason::LongLine => "endless command line",
        CloseReason::Chunk => "BDAT that cannot be read",
        CloseReason::Foreign => "no SMTP",
    }
}

/// What is listened for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hearing {
    Commands,
    Content,
    /// of a message that is no small one
    Bulk,
}

/// Octets of room for commands.
const COMMANDS: usize = 4 << 10;
/// Of room for the beginning of a message; nearly all are no larger.
const CONTENT: usize = 16 << 10;
/// Of room for the rest.
const BULK: usize = 64 << 10;

impl Hearing {
    /// `received` octets of the message are here.
    fn content(received: u64) -> Self {
        match received < CONTENT as u64 {
            true => Self::Content,
            false => Self::Bulk,
        }
    }
}

/// Reads behind what is in `buffer`. What is short goes by way of the stack: a client who says nothing, or little and
/// slowly, has no buffer of more than that.
async fn hear(wire: &mut Wire, buffer: &mut BytesMut, hearing: Hearing) -> io::Result<usize> {
    match hearing {
        Hearing::Commands => hear_little::<COMMANDS>(wire, buffer).await,
        Hearing::Content => hear_little::<CONTENT>(wire, buffer).await,
        Hearing::Bulk => hear_much(wire, buffer).await,
    }
}

/// In TLS several records, one of which is 16 KiB at the most.
async fn hear_much(wire: &mut Wire, buffer: &mut BytesMut) -> io::Result<usize> {
    buffer.reserve(BULK);
    let most = buffer.len() + BULK;
    wire.set(Reading::Ahead);
    let mut read = wire.read_buf(buffer).await?;
    // What follows is there already, but for the end of its last record: nothing is waited for.
    while read > 0 && wire.holds_octets() && buffer.len() < most {
        match now(wire.read_buf(buffer)).await {
            Some(Ok(more @ 1..)) => read += more,
            // Whatever it is, the next read says so again.
            _ => break,
        }
    }
    wire.set(Reading::Asked);
    Ok(read)
}

/// What is there without waiting.
async fn now<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn hear_little<const ROOM: usize>(
    wire: &mut Wire,
    buffer: &mut BytesMut,
) -> io::Result<usize> {
    poll_fn(|context| {
        let mut room = [MaybeUninit::uninit(); ROOM];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut *wire).poll_read(context, &mut read))?;
        buffer.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    })
    .await
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
        max_junk: site.limits.junk_commands,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_made_for_large_messages_only() {
        let room = CONTENT as u64;
        let little = [0, 1, room - 1].map(Hearing::content);
        assert!(little.iter().all(|it| *it == Hearing::Content));
        assert!(Hearing::content(room) == Hearing::Bulk);
    }
}
