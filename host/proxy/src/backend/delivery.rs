//! The dialogue with the backend for one client: a journal that can be replayed, so that slow clients keep no backend
//! process busy.

use std::sync::Arc;

use lazaret_mail::{Content, Message, Segment};
use lazaret_smtp::{Command, Extensions, Keyword, Path, Reply};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Backend, Error, Introduction, Link, Step};

/// A spooled message is read and sent in blocks of this size.
const BLOCK: usize = 256 << 10;

/// One client's way to the backend. [`mail`](Self::mail) opens a transaction, [`rcpt`](Self::rcpt) asks live,
/// [`message`](Self::message) hands the message over; between them the connection may be given back.
pub(crate) struct Delivery {
    backend: Arc<Backend>,
    link: Option<Link>,
    /// since when the client keeps `link`
    since: Instant,
    /// when the client last had something to ask over it
    used: Instant,
    journal: Option<Journal>,
}

/// What the backend was asked and accepted.
#[derive(Clone, Debug)]
struct Journal {
    who: Introduction,
    sender: Path,
    recipients: Vec<Path>,
}

impl Delivery {
    pub(crate) fn new(backend: Arc<Backend>) -> Self {
        Self {
            backend,
            link: None,
            since: Instant::now(),
            used: Instant::now(),
            journal: None,
        }
    }

    /// Asks MAIL, on the connection kept from the last transaction or on a fresh one. A negative reply opens nothing.
    pub(crate) async fn mail(&mut self, who: &Introduction, sender: &Path) -> Result<Reply, Error> {
        self.journal = None;
        let journal = Journal {
            who: who.clone(),
            sender: sender.clone(),
            recipients: Vec::new(),
        };
        if let Some(mut link) = self.link.take()
            && let Ok(reply) = self.reuse(&mut link, &journal).await
        {
            return Ok(self.opened(link, journal, reply));
        }
        let mut link = self.fresh(who).await?;
        let reply = self.ask_mail(&mut link, &journal).await?;
        Ok(self.opened(link, journal, reply))
    }

    /// Asks RCPT. An accepted recipient enters the journal.
    pub(crate) async fn rcpt(&mut self, recipient: &Path) -> Result<Reply, Error> {
        if let Some(mut link) = self.link.take() {
            match ask_rcpt(&mut link, recipient).await {
                Ok(reply) => return Ok(self.asked(link, recipient, reply)),
                Err(error) if error.is_stale_link() => {
                    tracing::debug!(%error, "asking RCPT on a fresh connection")
                }
                Err(error) => return Err(error),
            }
        }
        let mut link = self.replay().await?;
        let reply = ask_rcpt(&mut link, recipient).await?;
        Ok(self.asked(link, recipient, reply))
    }

    /// Hands the message over and gives the backend's reply to the end of data. An error before the dot means that
    /// nothing was taken; [`Error::InDoubt`] that it may have been.
    pub(crate) async fn message(&mut self, message: &Message) -> Result<Reply, Error> {
        let handover = self.backend.config.handover;
        let handed = timeout(handover, self.hand_over(message)).await;
        let late = |_| Error::Silent(Step::Content, handover);
        let (mut link, refusal) = handed.map_err(late)??;
        if let Some(reply) = refusal {
            self.done(link);
            return Ok(reply);
        }
        let reply = link.end_content().await?;
        if reply.code().is_intermediate() {
            return Err(Error::InDoubt(Box::new(Error::Unexpected(
                Step::EndOfData,
                reply,
            ))));
        }
        self.done(link);
        Ok(reply)
    }

    /// Everything but the dot: DATA, on a fresh connection with the journal played again if need be, and the content.
    /// A reply if the backend does not want it.
    async fn hand_over(&mut self, message: &Message) -> Result<(Link, Option<Reply>), Error> {
        let (mut link, reply) = self.data(message.size()).await?;
        if !reply.code().is_intermediate() {
            return Ok((link, Some(reply)));
        }
        send(&mut link, message).await?;
        Ok((link, None))
    }

    /// The transaction is over; the connection is kept for the client's next one.
    fn done(&mut self, link: Link) {
        self.since = Instant::now();
        self.used = self.since;
        self.link = Some(link);
        self.journal = None;
    }

    /// The transaction is over without a message; the connection is kept for the next one.
    pub(crate) fn reset(&mut self) {
        self.journal = None;
    }

    /// Resolves when the connection should be given back: the client has had it for `hold`, or somebody waits for one
    /// while this client says nothing. Never, if there is none.
    pub(crate) async fn due(&self) {
        if self.link.is_none() {
            return std::future::pending().await;
        }
        tokio::select! {
            () = sleep_until(self.since + self.backend.config.hold) => {}
            () = self.backend.recalled(self.used) => {}
        }
    }

    /// Gives the connection back; the journal stays.
    pub(crate) fn let_go(&mut self) {
        if let Some(link) = self.link.take() {
            link.quit();
        }
    }

    fn opened(&mut self, link: Link, journal: Journal, reply: Reply) -> Reply {
        self.since = Instant::now();
        self.used = self.since;
        self.link = Some(link);
        self.journal = Some(journal).filter(|_| reply.code().is_positive());
        reply
    }

    fn asked(&mut self, link: Link, recipient: &Path, reply: Reply) -> Reply {
        self.used = Instant::now();
        self.link = Some(link);
        if let Some(journal) = self.journal.as_mut().filter(|_| reply.code().is_positive()) {
            journal.recipients.push(recipient.clone());
        }
        reply
    }

    /// Connects and introduces the client.
    async fn fresh(&mut self, who: &Introduction) -> Result<Link, Error> {
        let link = self.backend.connect(who).await?;
        self.since = Instant::now();
        Ok(link)
    }

    async fn reuse(&self, link: &mut Link, journal: &Journal) -> Result<Reply, Error> {
        let reply = link.ask(Step::Reset, &Command::Rset).await?;
        if !reply.code().is_positive() {
            return Err(Error::Unexpected(Step::Reset, reply));
        }
        self.ask_mail(link, journal).await
    }

    async fn ask_mail(&self, link: &mut Link, journal: &Journal) -> Result<Reply, Error> {
        journal
            .who
            .transaction(link, self.backend.config.identity)
            .await?;
        let sender = fit_sender(&journal.sender, link.extensions())?;
        definite(
            Step::Mail,
            link.ask(Step::Mail, &Command::Mail(sender)).await?,
        )
    }

    /// Plays the journal again on a fresh connection. An answer that differs from what the client was told is an
    /// error: the message must not go to some of its recipients only.
    async fn replay(&mut self) -> Result<Link, Error> {
        let handover = self.backend.config.handover;
        let replayed = timeout(handover, self.play_again()).await;
        replayed.map_err(|_| Error::Silent(Step::Rcpt, handover))?
    }

    async fn play_again(&mut self) -> Result<Link, Error> {
        let journal = self
            .journal
            .clone()
            .expect("RCPT and DATA come after an accepted MAIL");
        let mut link = self.fresh(&journal.who).await?;
        let reply = self.ask_mail(&mut link, &journal).await?;
        same_as_told(Step::Mail, reply)?;
        for recipient in &journal.recipients {
            same_as_told(Step::Rcpt, ask_rcpt(&mut link, recipient).await?)?;
        }
        Ok(link)
    }

    /// Asks DATA, on a fresh connection if the one kept is gone.
    async fn data(&mut self, size: u64) -> Result<(Link, Reply), Error> {
        if let Some(mut link) = self.link.take() {
            match ask_data(&mut link, size).await {
                Ok(reply) => return Ok((link, reply)),
                Err(error) if error.is_stale_link() => {
                    tracing::debug!(%error, "asking DATA on a fresh connection")
                }
                Err(error) => return Err(error),
            }
        }
        let mut link = self.replay().await?;
        let reply = ask_data(&mut link, size).await?;
        Ok((link, reply))
    }
}

async fn ask_rcpt(link: &mut Link, recipient: &Path) -> Result<Reply, Error> {
    if !link.extensions().has(&Keyword::Dsn) && !recipient.parameters.is_empty() {
        return Err(Error::NoLonger("DSN"));
    }
    definite(
        Step::Rcpt,
        link.ask(Step::Rcpt, &Command::Rcpt(recipient.clone()))
            .await?,
    )
}

/// The size is checked against the limit of this connection: edits may have made the message larger than the client
/// was told to send.
async fn ask_data(link: &mut Link, size: u64) -> Result<Reply, Error> {
    if let Some(limit) = link.extensions().size().filter(|limit| size > *limit) {
        return Err(Error::TooBig { size, limit });
    }
    let reply = link.ask(Step::Data, &Command::Data).await?;
    match reply.code().get() {
        354 => Ok(reply),
        _ if reply.code().is_negative() => Ok(reply),
        _ => Err(Error::Unexpected(Step::Data, reply)),
    }
}

/// Yes or no; 3yz is neither.
fn definite(step: Step, reply: Reply) -> Result<Reply, Error> {
    match reply.code().is_intermediate() {
        true => Err(Error::Unexpected(step, reply)),
        false => Ok(reply),
    }
}

fn same_as_told(step: Step, reply: Reply) -> Result<(), Error> {
    match reply.code().is_positive() {
        true => Ok(()),
        false => Err(Error::Changed(step, reply)),
    }
}

/// The backend's EHLO may have changed since the client heard ours. SIZE and BODY are advice and left out where they
/// are not understood (8-bit content is sent as it is); the rest changes what happens to the message.
fn fit_sender(sender: &Path, offered: &Extensions) -> Result<Path, Error> {
    let mut fitting = sender.clone();
    fitting.parameters.retain(|parameter| {
        let advice = [
            ("SIZE", Keyword::Size(None)),
            ("BODY", Keyword::EightBitMime),
        ];
        !advice
            .iter()
            .any(|(name, keyword)| parameter.is(name) && !offered.has(keyword))
    });
    let uses = |name: &str| fitting.parameters.iter().any(|p| p.is(name));
    if uses("SMTPUTF8") && !offered.has(&Keyword::SmtpUtf8) {
        return Err(Error::NoLonger("SMTPUTF8"));
    }
    if (uses("RET") || uses("ENVID")) && !offered.has(&Keyword::Dsn) {
        return Err(Error::NoLonger("DSN"));
    }
    Ok(fitting)
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

async fn send_file(link: &mut Link, content: Content, mut offset: u64) -> Result<(), Error> {
    while offset < content.len() {
        let from = content.clone();
        let read = spawn_blocking(move || from.read_at(offset, BLOCK)).await;
        let octets = read
            .map_err(std::io::Error::other)
            .and_then(|read| read)
            .map_err(Error::Spool)?;
        offset += octets.len() as u64;
        link.content(&octets).await?;
    }
    Ok(())
}
