//! One connection to the backend: opened, greeted, in TLS where the policy says so. All that knows sockets here.

mod chunk;
mod group;

use std::future::Future;
use std::io;
use std::mem::MaybeUninit;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use lazaret_mail::within;
use lazaret_smtp::{
    Argument, Client, ClientError, ClientLimits, Command, Extensions, Keyword, Reply,
};
use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, timeout};

use super::member::{Clarity, InUse, Member};
use super::{Backend, Dialogue, Error, Step, identity};
use crate::alarm::Alarm;
use crate::config::BackendTls;
use crate::metrics::Leg;
use crate::wire::Wire;
use crate::workers::Post;

/// Content is looked through, and what may pass as it is written, in blocks of so many octets.
const BLOCK: usize = 256 << 10;
/// What is not sent from where it is is written when so many octets wait.
const PIECE: usize = 64 << 10;
/// Content of so many octets is not copied to what waits.
const LARGE: usize = 16 << 10;
/// A connection to the backend, in a box: it goes from hand to hand, and most clients have none. Dropped after any error;
/// whatever was not ended with a dot is forgotten by the backend.
pub(crate) struct Link {
    wire: Wire,
    client: Client,
    extensions: Extensions,
    reply: Duration,
    accept: Duration,
    /// None while it is idle
    in_use: Option<InUse>,
    past: Past,
    /// may the backend hold a transaction that was begun here and not ended?
    transaction: Transaction,
    whose: Whose,
    /// transactions begun on it
    transactions: u32,
    /// negative replies since the last message that was taken
    refusals: u32,
    /// greetings, but for one for each message that was taken
    hellos: u32,
    /// when the last one left us
    greeted: Instant,
    /// when its last reply came
    heard: Instant,
    /// since when it is idle
    since: Instant,
    /// place among the `connections`, given back when this is dropped; a probe of a dead address has none
    permit: Option<OwnedSemaphorePermit>,
    leg: Arc<Leg>,
    /// to which thread its events come
    post: Option<Post>,
    /// with whose transaction it is busy; of a health check nobody reads it
    dialogue: Dialogue,
    /// for replies, and the thread whose clock it goes by; None before the first is waited for
    alarm: Option<(Option<Post>, Alarm)>,
}

/// Where a connection comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    /// opened for this transaction
    Fresh,
    /// has been idle: it may have died meanwhile
    Idle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    None,
    Begun,
}

/// For whom the backend takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    /// XCLIENT named a client: nobody else may use it (attributes last for the session)
    Client,
}

impl Link {
    /// Connects to this address; greeting, EHLO, TLS by policy, EHLO again. What is configured to make clients known must
    /// be offered then.
    pub(super) async fn open(
        backend: &Backend,
        member: &Arc<Member>,
        permit: Option<OwnedSemaphorePermit>,
        dialogue: &Dialogue,
    ) -> Result<Box<Self>, Error> {
        let mut link = Box::new(Self {
            wire: connect(backend, member).await?,
            client: Client::new(ClientLimits::default()),
            extensions: Extensions::new(),
            reply: backend.config.reply,
            accept: backend.config.accept,
            in_use: Some(InUse::new(member)),
            past: Past::Fresh,
            transaction: Transaction::None,
            whose: Whose::Ours,
            transactions: 0,
            refusals: 0,
            hellos: 0,
            greeted: Instant::now(),
            heard: Instant::now(),
            since: Instant::now(),
            permit,
            leg: backend.legs.to(member.address),
            post: Post::here(),
            dialogue: dialogue.clone(),
            alarm: None,
        });
        dialogue.connected(link.leg.address());
        let greeting = link.hear(Step::Greeting, None, link.reply).await?;
        if greeting.code().get() != 220 {
            return Err(Error::Unexpected(Step::Greeting, greeting));
        }
        link.hello(&backend.hostname).await?;
        let link = match backend.config.tls {
            BackendTls::Off => link,
            BackendTls::Opportunistic if !link.extensions.has(&Keyword::StartTls) => link,
            _ => link.start_tls(backend).await?,
        };
        identity::offered(backend.config.identity, &link.extensions)?;
        if backend.config.tls == BackendTls::Opportunistic {
            member.turned_out(match link.wire {
                Wire::Plain(_) => Clarity::Clear,
                _ => Clarity::Tls,
            });
        }
        Ok(link)
    }

    /// Whose connection it is. Only while it is in use.
    pub(super) fn member(&self) -> &Arc<Member> {
        let in_use = self.in_use.as_ref();
        in_use.expect("nobody asks an idle connection").member()
    }

    /// Has it been idle before this transaction?
    pub(super) fn was_idle(&self) -> bool {
        self.past == Past::Idle
    }

    /// The worker that opened it.
    pub(super) fn post(&self) -> Option<Post> {
        self.post
    }

    /// How many transactions were begun on it.
    pub(super) fn transactions(&self) -> u32 {
        self.transactions
    }

    /// What its clients were refused on it, since the last message that was taken.
    pub(super) fn refusals(&self) -> u32 {
        self.refusals
    }

    /// How often we greeted it, but for once for each message that was taken.
    pub(super) fn hellos(&self) -> u32 {
        self.hellos
    }

    /// When the greeting that it answered with [`Self::extensions`] left us.
    pub(super) fn greeted(&self) -> Instant {
        self.greeted
    }

    /// May another client use it?
    pub(super) fn is_shareable(&self) -> bool {
        self.whose == Whose::Ours
    }

    /// Is there no doubt about it: everything said was answered, and nothing more was said?
    pub(super) fn is_in_step(&mut self) -> bool {
        self.client.is_in_step() && self.client.output().is_empty()
    }

    /// It counts among the `connections` if it has a place there.
    pub(super) fn has_place(&self) -> bool {
        self.permit.is_some()
    }

    /// It is closed without a word; its place is left.
    pub(super) fn into_place(mut self) -> Option<OwnedSemaphorePermit> {
        self.permit.take()
    }

    /// It waits for a transaction from now on.
    pub(super) fn rest(&mut self) {
        self.past = Past::Idle;
        self.since = Instant::now();
        self.in_use = None;
        self.dialogue = Dialogue::default();
        if self.client.output().capacity() > PIECE {
            // A large message was the last: nothing waits there.
            *self.client.output() = BytesMut::new();
        }
    }

    /// It stays with its client between two transactions.
    pub(super) fn stay(&mut self) {
        self.past = Past::Idle;
    }

    /// It has waited.
    pub(super) fn begin_use(&mut self, member: &Arc<Member>) {
        self.in_use = Some(InUse::new(member));
    }

    /// How long it has been idle.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// The backend knows it by the name of this client from now on.
    pub(super) fn is_now_of_client(&mut self) {
        self.whose = Whose::Client;
    }

    /// A transaction begins; what must be said first, if the last one was not ended.
    pub(super) fn begin_transaction(&mut self) -> Option<(Step, Command)> {
        self.transactions += 1;
        let before = std::mem::replace(&mut self.transaction, Transaction::Begun);
        (before == Transaction::Begun).then_some((Step::Reset, Command::Rset))
    }

    /// Has the backend neither closed nor said anything while nobody listened? The system itself is asked: the runtime
    /// may not have noticed yet.
    pub(super) fn is_quiet(&mut self) -> bool {
        match peek(&self.wire) {
            Peeked::Nothing => true,
            Peeked::Octets if self.wire.is_tls() => {
                // A ticket or a new key is no reply, and leaves nothing behind.
                self.look(Step::Mail).is_ok() && peek(&self.wire) == Peeked::Nothing
            }
            Peeked::Octets | Peeked::Closed => false,
        }
    }

    /// What it said to our last EHLO.
    pub(crate) fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// EHLO; the answer replaces what was known of it.
    pub(crate) async fn hello(&mut self, name: &str) -> Result<(), Error> {
        self.greeted = Instant::now();
        self.hellos += 1;
        let reply = self
            .ask(Step::Hello, &Command::Ehlo(hello_argument(name)))
            .await?;
        if reply.code().get() != 250 {
            return Err(Error::Unexpected(Step::Hello, reply));
        }
        self.extensions = Extensions::parse(&reply);
        Ok(())
    }

    /// Sends a command and waits for its reply. 421 is an error: the backend closes.
    pub(crate) async fn ask(&mut self, step: Step, command: &Command) -> Result<Reply, Error> {
        self.look(step)?;
        self.client.send(command);
        self.flush(step).await?;
        self.hear(step, Some(command), self.reply).await
    }

    /// One of its refusals only said that there was a refusal before it.
    pub(super) fn disregard_refusal(&mut self) {
        self.refusals = self.refusals.saturating_sub(1);
    }

    /// Waits for the reply to this command, or to none, and notes what came.
    async fn hear(
        &mut self,
        step: Step,
        command: Option<&Command>,
        patience: Duration,
    ) -> Result<Reply, Error> {
        let asked = Instant::now();
        let came = self.receive(step, patience).await;
        let came = came.and_then(|reply| self.alone(step, reply));
        let took = asked.elapsed();
        self.heard = asked + took;
        if let Ok(reply) | Err(Error::Unexpected(_, reply)) = &came {
            self.leg.answered(step, reply, took);
            self.refusals += u32::from(reply.code().is_negative());
        }
        self.dialogue.note(step, command, &came, took);
        came
    }

    /// It serves this client from now on.
    pub(super) fn note_in(&mut self, dialogue: &Dialogue) {
        self.dialogue = dialogue.clone();
        dialogue.connected(self.leg.address());
    }

    /// Waits for the reply owed for what was sent.
    async fn receive(&mut self, step: Step, patience: Duration) -> Result<Reply, Error> {
        let due = Instant::now() + patience;
        let here = Post::here();
        // Should another thread stand, this one must not wait for its clock.
        let ours = self.alarm.take().filter(|(post, _)| *post == here);
        let (_, mut alarm) = ours.unwrap_or_else(|| (here, Alarm::new(due)));
        let reply = tokio::select! {
            biased;
            reply = self.next_reply(step) => Some(reply),
            () = alarm.at(due) => None,
        };
        self.alarm = Some((here, alarm));
        let reply = reply.ok_or(Error::Silent(step, patience))??;
        match reply.code().get() {
            421 => Err(Error::Unexpected(step, reply)),
            _ => Ok(reply),
        }
    }

    /// A promise with another reply right behind it is none: who can say which of them is meant? A refusal stands, and a
    /// 421 behind anything is a farewell. What is behind the answer to STARTTLS is looked at there.
    fn alone(&mut self, step: Step, reply: Reply) -> Result<Reply, Error> {
        let promise = !reply.code().is_negative() && step != Step::StartTls;
        if !promise || self.client.owed() > 0 || self.client.is_in_step() {
            return Ok(reply);
        }
        match self.client.next() {
            Ok(_) | Err(ClientError::Closing(_)) => Ok(reply),
            Err(doubt) => Err(Error::Doubt(step, doubt)),
        }
    }

    async fn next_reply(&mut self, step: Step) -> Result<Reply, Error> {
        loop {
            if let Some(reply) = self
                .client
                .next()
                .map_err(|doubt| Error::Doubt(step, doubt))?
            {
                return Ok(reply);
            }
            match self.wire.read_buf(room(&mut self.client)).await {
                Ok(0) | Err(_) => return Err(Error::Closed(step)),
                Ok(_) => {}
            }
        }
    }

    /// Sends content, dot-stuffed, in large blocks. Of a large one whatever needs no dots is written from where it is.
    pub(crate) async fn content(&mut self, octets: &[u8]) -> Result<(), Error> {
        for block in octets.chunks(BLOCK) {
            let mut left = block;
            while !left.is_empty() {
                left = self.some_content(left).await?;
            }
        }
        Ok(())
    }

    /// Sends what may pass as it is, and a piece of what may not; gives what is left.
    async fn some_content<'o>(&mut self, octets: &'o [u8]) -> Result<&'o [u8], Error> {
        let passed = match octets.len() < LARGE {
            true => 0,
            false => self.client.pass_content(octets),
        };
        let (plain, odd) = octets.split_at(passed);
        if !plain.is_empty() {
            self.write(Step::Content, plain).await?;
        }
        let (odd, left) = odd.split_at(odd.len().min(PIECE));
        self.client.content(odd);
        if self.client.output().len() >= PIECE {
            self.flush(Step::Content).await?;
        }
        Ok(left)
    }

    /// Ends the content, nearly always in one write with its last octets. The backend may have taken the message once the dot has left
    /// us, and the dot leaves last: as long as some of it waits here there is no doubt.
    pub(crate) async fn end_content(&mut self) -> Result<Reply, Error> {
        self.look(Step::Content)?;
        self.client.end_content();
        self.settle(None).await
    }

    /// Writes the end of a message and waits for what becomes of it.
    async fn settle(&mut self, command: Option<&Command>) -> Result<Reply, Error> {
        let doubt = |error| Error::InDoubt(Box::new(error));
        if let Err(error) = self.flush(Step::EndOfData).await {
            // TLS has taken the octets and says not which of them are gone.
            let waits = !self.wire.is_tls() && !self.client.output().is_empty();
            return Err(if waits { error } else { doubt(error) });
        }
        let reply = self.hear(Step::EndOfData, command, self.accept).await;
        let reply = reply.map_err(doubt)?;
        if reply.code().is_positive() {
            self.transaction = Transaction::None;
            self.refusals = 0;
            self.hellos = self.hellos.saturating_sub(1);
        }
        Ok(reply)
    }

    /// Whatever waits to be read while no reply is owed answers nothing: taken for the answer to the next command it
    /// would bring the dialogue out of step, and a 250 to RCPT would pass for one to the dot.
    fn look(&mut self, step: Step) -> Result<(), Error> {
        let is_over = matches!(self.read_now(), Some(Ok(0) | Err(_)));
        match self.client.next() {
            // A 421 says why it is over.
            Err(doubt) => Err(Error::Doubt(step, doubt)),
            Ok(_) if is_over => Err(Error::Closed(step)),
            Ok(_) if self.client.is_in_step() => Ok(()),
            Ok(_) => Err(Error::OutOfStep(step)),
        }
    }

    /// What came so far, without waiting; `None` if nothing came.
    fn read_now(&mut self) -> Option<io::Result<usize>> {
        let mut read = pin!(self.wire.read_buf(room(&mut self.client)));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match read.as_mut().poll(&mut context) {
            Poll::Ready(read) => Some(read),
            Poll::Pending => None,
        }
    }

    async fn flush(&mut self, step: Step) -> Result<(), Error> {
        self.write(step, &[]).await
    }

    /// Writes what waits, and these octets behind it.
    async fn write(&mut self, step: Step, octets: &[u8]) -> Result<(), Error> {
        let write = async {
            // What is not written stays: whoever fails here must know whether the last octet went.
            let waiting = self.client.output();
            let mut all = Buf::chain(&mut *waiting, octets);
            while !octets.is_empty() && all.has_remaining() {
                if self.wire.write_buf(&mut all).await? == 0 {
                    return Err(std::io::ErrorKind::WriteZero.into());
                }
            }
            while !waiting.is_empty() {
                let written = self.wire.write(waiting).await?;
                if written == 0 {
                    return Err(std::io::ErrorKind::WriteZero.into());
                }
                waiting.advance(written);
            }
            // TLS keeps records back until it is flushed.
            self.wire.flush().await
        };
        match within(self.reply, pin!(write)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.farewell(step)),
            Err(_) => Err(Error::Silent(step, self.reply)),
        }
    }

    /// It takes nothing more; it may have said why.
    fn farewell(&mut self, step: Step) -> Error {
        let heard = self.look(step).err();
        let said = heard.filter(Error::is_verdict);
        said.unwrap_or(Error::Closed(step))
    }

    /// RFC 3207. Anything behind the 220 in the clear is an injected reply, not a beginning of TLS.
    async fn start_tls(mut self: Box<Self>, backend: &Backend) -> Result<Box<Self>, Error> {
        if !self.extensions.has(&Keyword::StartTls) {
            return Err(Error::NoTls);
        }
        let reply = self.ask(Step::StartTls, &Command::StartTls).await?;
        if reply.code().get() != 220 {
            return Err(Error::Unexpected(Step::StartTls, reply));
        }
        self.client
            .tls_started()
            .map_err(|doubt| Error::Doubt(Step::StartTls, doubt))?;
        let name = server_name(backend, &self.member().host)?;
        let connector = backend
            .connector
            .as_ref()
            .expect("made for every policy but off");
        let tcp = self
            .wire
            .into_plain()
            .expect("TLS is started once on a connection");
        let handshake = timeout(backend.config.connect, connector.connect(name, tcp)).await;
        let late = |_| Error::Silent(Step::StartTls, backend.config.connect);
        self.wire = handshake.map_err(late)?.map_err(Error::tls)?;
        self.hello(&backend.hostname).await?;
        Ok(self)
    }

    /// Takes leave in the background.
    pub(crate) fn quit(self: Box<Self>) {
        tokio::spawn(self.leave());
    }

    /// Takes leave, and waits a moment for the backend to hang up, so that it never sees more of us than it allows.
    pub(super) async fn leave(mut self: Box<Self>) {
        const PATIENCE: Duration = Duration::from_secs(1);
        // No longer part of anybody's transaction.
        self.dialogue = Dialogue::default();
        let farewell = async {
            if self.ask(Step::Reset, &Command::Quit).await.is_ok() {
                drop(self.wire.shutdown().await);
            }
        };
        drop(timeout(PATIENCE, farewell).await);
    }
}

/// Where replies are read to: without room a read takes 64 octets.
fn room(client: &mut Client) -> &mut BytesMut {
    const REPLY: usize = 4 << 10;
    let buffer = client.buffer();
    buffer.reserve(REPLY);
    buffer
}

async fn connect(backend: &Backend, member: &Member) -> Result<Wire, Error> {
    let connecting = TcpStream::connect(member.address);
    let connected = timeout(backend.config.connect, connecting).await;
    let connected = connected.map_err(io::Error::from).and_then(|tcp| tcp);
    let tcp = connected.map_err(|source| Error::Unreachable {
        address: member.address.to_string(),
        source: Arc::new(source),
    })?;
    // Commands are small and each waits for its reply: Nagle would add 40 ms to each.
    drop(tcp.set_nodelay(true));
    Ok(Wire::Plain(tcp))
}

/// What the system holds for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peeked {
    Nothing,
    Octets,
    Closed,
}

fn peek(wire: &Wire) -> Peeked {
    let mut octet = [MaybeUninit::uninit()];
    match SockRef::from(wire.socket()).peek(&mut octet) {
        Ok(1..) => Peeked::Octets,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Peeked::Nothing,
        Ok(0) | Err(_) => Peeked::Closed,
    }
}

/// What a client said in HELO passed the same grammar; anything else would break out of the line.
fn hello_argument(name: &str) -> Argument {
    Argument::new(name).unwrap_or_default()
}

/// The name the certificate must be valid for.
fn server_name(backend: &Backend, host: &str) -> Result<ServerName<'static>, Error> {
    if let BackendTls::Verify {
        name: Some(name), ..
    } = &backend.config.tls
    {
        return Ok(name.clone());
    }
    let host = host.trim_matches(['[', ']']).to_owned();
    ServerName::try_from(host).map_err(|e| Error::tls(io::Error::other(e)))
}
