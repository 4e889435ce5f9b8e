//! The dialogue with the backend for one client: a journal that can be replayed, so that slow clients keep no backend
//! process busy.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lazaret_mail::{Content, Message, Segment};
use lazaret_smtp::{Command, Path, Reply};
use tokio::time::{Instant, timeout};

use super::dot::Unanswered;
use super::filed::Blocks;
use super::journal::{Begun, Journal, ask_rcpt};
use super::{Backend, Error, Introduction, Link, Search, Step};
use crate::alarm::Alarm;
use crate::config::Identity;

/// One client's way to the backend. [`open`](Self::open) opens a transaction with its first recipient, [`rcpt`](Self::rcpt) asks
/// for another one live, [`message`](Self::message) hands the message over; between them the connection may be given back.
pub(crate) struct Delivery {
    backend: Arc<Backend>,
    link: Option<Box<Link>>,
    /// since when the client keeps `link`
    since: Instant,
    /// when the client last had something to ask over it
    used: Instant,
    /// for giving it back; none before there is one
    alarm: Option<Alarm>,
    journal: Option<Box<Journal>>,
    /// and not answered yet
    behind_the_dot: bool,
}

/// What came of MAIL.
pub(crate) enum Opened {
    /// this was the answer
    Refused(Reply),
    /// a yes; and so was RCPT answered, or could not be asked
    Asked(Result<Reply, Error>),
}

impl Delivery {
    pub(crate) fn new(backend: Arc<Backend>) -> Self {
        Self {
            backend,
            link: None,
            since: Instant::now(),
            used: Instant::now(),
            alarm: None,
            journal: None,
            behind_the_dot: false,
        }
    }

    /// Once [`message`](Self::message) was dropped: may the backend have taken it?
    pub(crate) fn is_behind_the_dot(&self) -> bool {
        self.behind_the_dot
    }

    /// Asks MAIL, with its first RCPT right behind it where the backend takes both at once: on the connection that this client
    /// keeps, else on an idle one, else on a fresh one, at one address after another until one answers. A refusal of MAIL
    /// opens nothing.
    pub(crate) async fn open(
        &mut self,
        who: &Introduction,
        sender: &Path,
        recipient: &Path,
    ) -> Result<Opened, Error> {
        let Begun { mail, rcpt } = self.begin(who, sender, recipient).await?;
        if !mail.code().is_positive() {
            return Ok(Opened::Refused(mail));
        }
        let link = self.link.take().expect("an accepted MAIL has a connection");
        Ok(Opened::Asked(match rcpt {
            Some(Ok(reply)) => Ok(self.asked(link, recipient, reply)),
            Some(Err(error)) => {
                let broke = self.broke(&link, error);
                // Its place is for the one that comes instead.
                drop(link);
                match broke {
                    Ok(()) => self.rcpt(recipient).await,
                    Err(error) => Err(error),
                }
            }
            None => {
                self.link = Some(link);
                self.rcpt(recipient).await
            }
        }))
    }

    /// Its answer, and that to RCPT if it was asked with it.
    async fn begin(
        &mut self,
        who: &Introduction,
        sender: &Path,
        recipient: &Path,
    ) -> Result<Begun, Error> {
        let journal = Journal::new(who, sender);
        let backend = Arc::clone(&self.backend);
        let identity = backend.identity();
        let mut search = Search::new(&backend);
        let mut kept = self.end_transaction();
        // XCLIENT is said once for each connection, XFORWARD for each transaction.
        if kept.is_none() || identity == Identity::Xforward {
            who.find_name(identity).await;
        }
        loop {
            let mut link = match kept.take() {
                Some(mut link) => {
                    link.note_in(&who.dialogue);
                    link
                }
                None => match search.link(who).await {
                    Ok(link) => link,
                    // Told of the client, it has refused what comes next.
                    Err(Error::Refused(_, mail)) => return Ok(Begun { mail, rcpt: None }),
                    Err(error) => return Err(error),
                },
            };
            match journal.ask_mail(&mut link, identity, recipient).await {
                Ok(begun) => return Ok(self.opened(link, journal, begun)),
                Err(error) => search.failed(&link, error)?,
            }
        }
    }

    /// Asks RCPT. An accepted recipient enters the journal.
    pub(crate) async fn rcpt(&mut self, recipient: &Path) -> Result<Reply, Error> {
        if let Some(mut link) = self.link.take() {
            match ask_rcpt(&mut link, recipient).await {
                Ok(reply) => return Ok(self.asked(link, recipient, reply)),
                Err(error) => self.broke(&link, error)?,
            }
        }
        let journal = self.journal.as_mut();
        journal
            .expect("RCPT comes after an accepted MAIL")
            .once_more()?;
        let mut link = self.replay().await?;
        let reply = ask_rcpt(&mut link, recipient).await;
        let reply = reply.inspect_err(|error| self.note_refusal(error))?;
        Ok(self.asked(link, recipient, reply))
    }

    /// Hands the message over and gives the backend's reply to the end of data. An error before its end has left us means that
    /// nothing was taken; [`Error::InDoubt`] that it may have been. Should this be dropped meanwhile, the log names the
    /// `transaction`.
    pub(crate) async fn message(
        &mut self,
        message: &Message,
        transaction: &str,
    ) -> Result<Reply, Error> {
        let handover = self.backend.config.handover;
        let handed = timeout(handover, self.hand_over(message)).await;
        let late = |_| Error::Silent(Step::Content, handover);
        let (mut link, handed) = handed.map_err(late)??;
        let reply = match handed {
            Handed::Refused(reply) => Ok(reply),
            Handed::AllButTheEnd(how) => {
                let unanswered = Unanswered::new(link.member(), transaction);
                self.behind_the_dot = true;
                let reply = end(&mut link, how).await;
                self.behind_the_dot = false;
                unanswered.told();
                reply
            }
        };
        self.journal = None;
        match &reply {
            Ok(_) => self.done(link),
            Err(error) => self.backend.broke(link.member(), error),
        }
        reply
    }

    /// Everything but the end: DATA, on another connection with the journal played again if need be, and the content.
    async fn hand_over(&mut self, message: &Message) -> Result<(Box<Link>, Handed), Error> {
        let (mut link, handed) = self.data(message).await?;
        if matches!(handed, Handed::AllButTheEnd(How::Data))
            && let Err(error) = send(&mut link, message).await
        {
            if error.is_break() {
                self.backend.broke(link.member(), &error);
            }
            return Err(error);
        }
        Ok((link, handed))
    }

    /// The transaction was answered to its end.
    fn done(&mut self, link: Box<Link>) {
        self.backend.served(link.member());
        self.begin_to_hold();
        self.keep_for_client(link);
    }

    /// A connection that the backend takes for this client's stays with it; any other goes back.
    fn keep_for_client(&mut self, mut link: Box<Link>) {
        match self.backend.is_of_further_use(&mut link) {
            true => {
                link.stay();
                self.link = Some(link);
            }
            false => self.backend.give_back(link),
        }
    }

    /// From now on its time counts.
    fn begin_to_hold(&mut self) {
        self.since = Instant::now();
        self.used = self.since;
    }

    /// The transaction is over without a message.
    pub(crate) fn reset(&mut self) {
        if self.journal.take().is_some() {
            self.begin_to_hold();
        }
        if let Some(link) = self.link.take() {
            self.keep_for_client(link);
        }
    }

    /// Whatever was under way is not; the connection that stays with the client.
    fn end_transaction(&mut self) -> Option<Box<Link>> {
        self.reset();
        self.link.take()
    }

    /// Resolves when the connection should be given back: the client has had it for `hold`, or between two transactions
    /// for `idle`, or somebody waits for one while this client says nothing. Never, if there is none.
    pub(crate) async fn due(&mut self) {
        if self.link.is_none() {
            return std::future::pending().await;
        }
        let config = &self.backend.config;
        let kept = match self.journal {
            Some(_) => config.hold,
            None => config.hold.min(config.idle),
        };
        let end = self.since + kept;
        let silent = end.min(self.used + self.patience());
        let alarm = self.alarm.get_or_insert_with(|| Alarm::new(silent));
        alarm.at(silent).await;
        // Boxed, for nearly all clients go on before.
        Box::pin(async {
            tokio::select! {
                () = alarm.at(end) => {}
                () = self.backend.recalled() => {}
            }
        })
        .await;
    }

    /// See [`Journal::promised`].
    fn promised(&self) -> Option<u64> {
        self.journal.as_ref().and_then(|journal| journal.promised())
    }

    /// Was the client told yes on another connection?
    fn was_replayed(&self) -> bool {
        let journal = self.journal.as_ref();
        journal.is_some_and(|journal| journal.was_replayed())
    }

    /// How long a silent client keeps what others wait for. One that was replayed already gets time for a round trip
    /// round the world, lest it is replayed for each recipient.
    fn patience(&self) -> Duration {
        match self.was_replayed() {
            false => Duration::from_millis(250),
            true => Duration::from_secs(1),
        }
    }

    /// Gives the connection back; the journal stays.
    pub(crate) fn let_go(&mut self) {
        if let Some(link) = self.link.take() {
            self.backend.give_back(link);
        }
    }

    fn opened(&mut self, mut link: Box<Link>, mut journal: Journal, begun: Begun) -> Begun {
        self.begin_to_hold();
        match (begun.mail.code().is_positive(), &begun.rcpt) {
            (true, _) => {
                journal.begin(&link);
                self.link = Some(link);
                self.journal = Some(Box::new(journal));
            }
            // A refusal stands; what the backend does behind it is a farewell, and no fault of its address.
            (false, Some(Err(_))) => drop(link),
            (false, rcpt) => {
                if matches!(rcpt, Some(Ok(reply)) if reply.code().is_negative()) {
                    link.disregard_refusal();
                }
                self.keep_for_client(link);
            }
        }
        begun
    }

    fn asked(&mut self, link: Box<Link>, recipient: &Path, reply: Reply) -> Reply {
        self.used = Instant::now();
        self.link = Some(link);
        if let Some(journal) = self.journal.as_mut().filter(|_| reply.code().is_positive()) {
            journal.accept(recipient);
        }
        reply
    }

    /// A connection broke between MAIL and DATA. Ok: it may be tried on another one; once only after the backend refused
    /// this client.
    fn broke(&mut self, link: &Link, error: Error) -> Result<(), Error> {
        if error.is_break() {
            self.backend.broke(link.member(), &error);
        }
        self.note_refusal(&error);
        if !error.is_stale_link() || self.refusals() > 1 {
            return Err(error);
        }
        tracing::debug!(address = %link.member().address, %error, "going on with another connection");
        Ok(())
    }

    /// How often the backend ended a connection of this transaction with 421.
    fn refusals(&self) -> u32 {
        self.journal.as_ref().map_or(0, |journal| journal.refusals)
    }

    fn note_refusal(&mut self, error: &Error) {
        if let Some(journal) = self.journal.as_mut().filter(|_| error.is_verdict()) {
            journal.refusals += 1;
        }
    }

    /// Plays the journal again, on another connection and perhaps at another address.
    async fn replay(&mut self) -> Result<Box<Link>, Error> {
        let handover = self.backend.config.handover;
        let replayed = timeout(handover, self.play_again()).await;
        let replayed = replayed.map_err(|_| Error::Silent(Step::Rcpt, handover))?;
        let replayed = replayed.map_err(|error| error.at_replay(self.promised()));
        replayed.inspect_err(|error| self.note_refusal(error))
    }

    async fn play_again(&mut self) -> Result<Box<Link>, Error> {
        let journal = self.journal.as_ref();
        let journal = journal.expect("RCPT and DATA come after an accepted MAIL");
        let mut search = Search::after(&self.backend, journal.refusals);
        loop {
            let mut link = search.link(&journal.who).await?;
            match journal.play(&mut link, self.backend.identity()).await {
                Ok(()) => {
                    self.since = Instant::now();
                    return Ok(link);
                }
                Err(error) => search.failed(&link, error)?,
            }
        }
    }

    /// Asks DATA or makes a chunk of it, on another connection if the one kept is gone. What its recipients brought upon the client is not held
    /// against the message.
    async fn data(&mut self, message: &Message) -> Result<(Box<Link>, Handed), Error> {
        // Behind a replay a late answer to it could pass for that of a chunk: DATA has its 354 in between.
        let chunking = self.backend.config.chunking && !self.was_replayed();
        if let Some(journal) = &mut self.journal {
            journal.refusals = 0;
        }
        if let Some(mut link) = self.link.take() {
            match announce(&mut link, message, chunking).await {
                Ok(handed) => return Ok((link, handed)),
                Err(error) if self.was_replayed() => {
                    self.broke(&link, error.at_replay(self.promised()))?;
                }
                Err(error) => self.broke(&link, error)?,
            }
        }
        // Where something went wrong already, the 354 is waited for.
        let mut link = self.replay().await?;
        let handed = announce(&mut link, message, false).await;
        let handed = handed.map_err(|error| error.at_replay(self.promised()))?;
        Ok((link, handed))
    }
}

/// How far a message is.
enum Handed {
    /// the backend does not want it
    Refused(Reply),
    /// it takes it
    AllButTheEnd(How),
}

/// How a message leaves us.
#[derive(Clone, Copy)]
enum How {
    /// up to a dot
    Data,
    /// as one chunk of so many octets, all of which still wait here
    Chunk(u64),
}

async fn end(link: &mut Link, how: How) -> Result<Reply, Error> {
    let reply = match how {
        How::Data => link.end_content().await?,
        How::Chunk(octets) => link.end_chunk(octets).await?,
    };
    match reply.code().is_intermediate() {
        true => Err(Error::InDoubt(Box::new(Error::Unexpected(
            Step::EndOfData,
            reply,
        )))),
        false => Ok(reply),
    }
}

/// The size is checked against the limit of this connection: edits may have made the message larger than the client
/// was told to send.
async fn announce(link: &mut Link, message: &Message, chunking: bool) -> Result<Handed, Error> {
    let size = message.size();
    if let Some(limit) = link.extensions().size().filter(|limit| size > *limit) {
        return Err(Error::TooBig { size, limit });
    }
    let chunk = (chunking && link.takes_chunk()).then(|| one_chunk(message));
    if let Some(chunk) = chunk.flatten() {
        link.chunk(&chunk).await?;
        return Ok(Handed::AllButTheEnd(How::Chunk(size)));
    }
    let reply = link.ask(Step::Data, &Command::Data).await?;
    match reply.code().get() {
        354 => Ok(Handed::AllButTheEnd(How::Data)),
        _ if reply.code().is_negative() => Ok(Handed::Refused(reply)),
        _ => Err(Error::Unexpected(Step::Data, reply)),
    }
}

/// A small message that is in memory, and of whole lines: behind DATA the last one would get its end.
fn one_chunk(message: &Message) -> Option<Vec<Bytes>> {
    /// Octets that are written at once, and copied for it.
    const MOST: u64 = 64 << 10;
    if message.size() > MOST {
        return None;
    }
    let pieces = message.segments().map(|segment| match segment {
        Segment::Octets(octets) => Some(octets),
        Segment::Spooled(Content::Memory(octets), offset) => {
            Some(octets.slice_ref(octets.get(offset as usize..)?))
        }
        Segment::Spooled(Content::File(..), _) => None,
    });
    let pieces = pieces.collect::<Option<Vec<_>>>()?;
    pieces.last()?.ends_with(b"\r\n").then_some(pieces)
}

async fn send(link: &mut Link, message: &Message) -> Result<(), Error> {
    for segment in message.segments() {
        match segment {
            Segment::Octets(octets) => link.content(&octets).await?,
            Segment::Spooled(content, offset) => send_file(link, content, offset).await?,
        }
    }
    Ok(())
}

async fn send_file(link: &mut Link, content: Content, offset: u64) -> Result<(), Error> {
    let (file, end) = match content {
        Content::Memory(octets) => {
            return link
                .content(octets.get(offset as usize..).unwrap_or_default())
                .await;
        }
        Content::File(file, end) => (file, end),
    };
    let mut blocks = Blocks::new(file, offset, end);
    let spool = |error| Error::Spool(Arc::new(error));
    while let Some(block) = blocks.next().await.map_err(spool)? {
        link.content(block).await?;
    }
    Ok(())
}
