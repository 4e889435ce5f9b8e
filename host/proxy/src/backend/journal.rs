//! What the backend was asked for one transaction and accepted, and how it is asked again.

use lazaret_smtp::{Command, Extensions, Keyword, Path, Reply};

use super::identity::expect;
use super::{Error, Introduction, Link, Step};
use crate::config::Identity;

/// So often RCPT has it played again: a client that lets its connection go after each recipient would else ask the backend
/// for all of them each time.
const MOST_REPLAYS: u32 = 3;

/// One transaction so far.
#[derive(Clone)]
pub(super) struct Journal {
    pub(super) who: Introduction,
    sender: Path,
    recipients: Vec<Path>,
    /// connections on which the backend refused this client with 421
    pub(super) refusals: u32,
    /// how often RCPT had it played again
    replays: u32,
    /// the size that the backend said it takes when it said yes to MAIL
    promised: Option<u64>,
}

/// What came of MAIL, and of RCPT where that was asked with it.
pub(super) struct Begun {
    pub(super) mail: Reply,
    pub(super) rcpt: Option<Result<Reply, Error>>,
}

/// MAIL and what goes before it; the answers come back in the same order.
struct Opening(Vec<(Step, Command)>);

impl Journal {
    pub(super) fn new(who: &Introduction, sender: &Path) -> Self {
        Self {
            who: who.clone(),
            sender: sender.clone(),
            recipients: Vec::new(),
            refusals: 0,
            replays: 0,
            promised: None,
        }
    }

    /// MAIL was accepted on this connection.
    pub(super) fn begin(&mut self, link: &Link) {
        self.promised = link.extensions().size();
    }

    /// The size of a message that the client was told yes for.
    pub(super) fn promised(&self) -> Option<u64> {
        self.promised
    }

    /// A recipient was accepted, perhaps once more.
    pub(super) fn accept(&mut self, recipient: &Path) {
        if !self.recipients.contains(recipient) {
            self.recipients.push(recipient.clone());
        }
    }

    /// RCPT has no connection, and wants it played again.
    pub(super) fn once_more(&mut self) -> Result<(), Error> {
        if self.refusals > 1 {
            return Err(Error::Unwanted);
        }
        if self.replays >= MOST_REPLAYS {
            return Err(Error::TooOften(MOST_REPLAYS));
        }
        self.replays += 1;
        Ok(())
    }

    /// Was a connection taken from its client before?
    pub(super) fn was_replayed(&self) -> bool {
        self.replays > 0
    }

    /// Asks MAIL, and for this recipient with it where the backend takes both at once (RFC 2920). Whatever comes of RCPT, the
    /// answer to MAIL stands.
    pub(super) async fn ask_mail(
        &self,
        link: &mut Link,
        identity: Identity,
        recipient: &Path,
    ) -> Result<Begun, Error> {
        let mut opening = self.opening(link, identity)?;
        let most = opening.0.len();
        if may_follow(recipient, link.extensions()) {
            opening
                .0
                .push((Step::Rcpt, Command::Rcpt(recipient.clone())));
        }
        let mut replies = Vec::with_capacity(opening.0.len());
        let asked = link.ask_into(&mut replies, &opening.0).await;
        if replies.len() < most {
            asked?;
            unreachable!("each command is answered, or there is an error");
        }
        let failed = asked.err();
        let (mail, rcpt) = opening.judge(replies)?;
        let mail = definite(Step::Mail, mail)?;
        let rcpt = rcpt.into_iter().next();
        let rcpt = rcpt.map(|reply| definite(Step::Rcpt, reply));
        Ok(Begun {
            mail,
            rcpt: failed.map(Err).or(rcpt),
        })
    }

    /// Asks everything again. An answer that differs from what the client was told is an error: the message must not go
    /// to some of its recipients only.
    pub(super) async fn play(&self, link: &mut Link, identity: Identity) -> Result<(), Error> {
        let mut opening = self.opening(link, identity)?;
        for recipient in &self.recipients {
            fits_recipient(recipient, link.extensions())?;
        }
        let recipients = self.recipients.iter().cloned().map(Command::Rcpt);
        opening.0.extend(recipients.map(|rcpt| (Step::Rcpt, rcpt)));
        let replies = link.ask_all(&opening.0).await?;
        let (mail, recipients) = opening.judge(replies)?;
        same_as_told(Step::Mail, mail)?;
        recipients
            .into_iter()
            .try_for_each(|reply| same_as_told(Step::Rcpt, reply))
    }

    fn opening(&self, link: &mut Link, identity: Identity) -> Result<Opening, Error> {
        let sender = fit_sender(&self.sender, link.extensions())?;
        let identity = self.who.transaction(link.extensions(), identity)?;
        let identity = identity.into_iter();
        let identity = identity.map(|command| (Step::Identity, command));
        let mut commands: Vec<_> = link.begin_transaction().into_iter().collect();
        commands.extend(identity);
        commands.push((Step::Mail, Command::Mail(sender)));
        Ok(Opening(commands))
    }
}

impl Opening {
    /// The reply to MAIL and those behind it. What goes before it must have been taken.
    fn judge(&self, replies: Vec<Reply>) -> Result<(Reply, Vec<Reply>), Error> {
        let mut replies = replies.into_iter();
        for (step, _) in &self.0 {
            let reply = replies.next().expect("one reply for each command");
            match step {
                Step::Mail => return Ok((reply, replies.collect())),
                Step::Identity => expect(reply, 250)?,
                _ if reply.code().is_positive() => {}
                _ => return Err(Error::Unexpected(*step, reply)),
            }
        }
        unreachable!("MAIL is among them")
    }
}

/// Asks RCPT.
pub(super) async fn ask_rcpt(link: &mut Link, recipient: &Path) -> Result<Reply, Error> {
    fits_recipient(recipient, link.extensions())?;
    let rcpt = Command::Rcpt(recipient.clone());
    definite(Step::Rcpt, link.ask(Step::Rcpt, &rcpt).await?)
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

/// May RCPT be sent before MAIL is answered? What does not fit is asked for by itself, and told.
fn may_follow(recipient: &Path, offered: &Extensions) -> bool {
    offered.has(&Keyword::Pipelining) && fits_recipient(recipient, offered).is_ok()
}

/// NOTIFY and ORCPT change what happens to the message.
fn fits_recipient(recipient: &Path, offered: &Extensions) -> Result<(), Error> {
    match recipient.parameters.is_empty() || offered.has(&Keyword::Dsn) {
        true => Ok(()),
        false => Err(Error::NoLonger("DSN")),
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
