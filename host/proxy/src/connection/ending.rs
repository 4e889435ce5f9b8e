//! The end of data: filters judge the message, the backend takes it, or the quarantine. Only here 250 is said for a
//! message, and only after a 2yz of the backend or an fsync.

use std::io;
use std::sync::Arc;

use lazaret_mail::{Action, Decision, Envelope, Keep, Message, Outcome};
use lazaret_smtp::{End, Reply};

use super::intake::Refusal;
use super::log::{self, Ended};
use super::transaction::Transaction;
use super::{Connection, pace, replies, trace};
use crate::backend::Error;
use crate::quarantine;

/// What becomes of a message.
struct Ending {
    fate: &'static str,
    reply: Reply,
    /// after the reply
    then: Then,
    by: Option<Arc<str>>,
    edits: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Close,
}

impl Ending {
    fn new(fate: &'static str, reply: Reply) -> Self {
        Self {
            fate,
            reply,
            then: Then::GoOn,
            by: None,
            edits: String::new(),
        }
    }

    fn by(mut self, by: Option<Arc<str>>) -> Self {
        self.by = by;
        self
    }
}

/// The dot has come.
pub(super) async fn message(c: &mut Connection, end: End) {
    let Some(mut transaction) = take(c).await else {
        return c.server.answer(Reply::bad_sequence());
    };
    let ending = match end.fault {
        Some(fault) => Ending::new("refused", fault.reply().naming(&c.session.id)),
        None => decide(c, &mut transaction).await,
    };
    conclude(c, &transaction, &ending, end.octets);
    c.delivery.reset();
    match ending.then {
        Then::GoOn => c.server.answer(ending.reply),
        Then::Close => c.server.close(ending.reply),
    }
    c.pace.restart();
}

/// A message without an empty line shows its header section only now.
async fn take(c: &mut Connection) -> Option<Transaction> {
    let unfinished = c
        .transaction
        .as_mut()?
        .intake
        .as_mut()?
        .unfinished_header()
        .await;
    if let Some(section) = unfinished {
        super::stages::headers(c, section).await;
    }
    c.transaction.take()
}

async fn decide(c: &mut Connection, transaction: &mut Transaction) -> Ending {
    let id = Arc::clone(&c.session.id);
    let intake = transaction.intake.take().expect("DATA opened it");
    let spooled = match intake.finish().await {
        Ok(spooled) => spooled,
        Err(refusal) => return refused(c, refusal, &id).await,
    };
    let received = match Message::parse(spooled.content.clone(), c.site.limits.header_size) {
        Ok(message) => Arc::new(message),
        Err(fault) => return Ending::new("refused", replies::header(&fault, &id)),
    };
    if trace::hops(&received) > c.site.limits.received {
        return Ending::new("refused", replies::looping(&id));
    }
    let judging = c
        .judge
        .message(&c.session, &transaction.envelope, Arc::clone(&received));
    let (decision, edited) = pace::holding(&mut c.delivery, judging).await;
    c.heed(&decision).await;
    match judged(decision) {
        Judged::Ended(ending) => ending,
        Judged::Pass => deliver(c, transaction, &received, &edited).await,
        Judged::Kept(keep, by) => keep_message(c, transaction, &received, &edited, keep)
            .await
            .by(by),
    }
}

enum Judged {
    Pass,
    Kept(Keep, Option<Arc<str>>),
    Ended(Ending),
}

fn judged(decision: Decision) -> Judged {
    match decision.action {
        Action::Pass => Judged::Pass,
        Action::Keep(keep) => Judged::Kept(keep, decision.by),
        Action::Refuse(reply) => Judged::Ended(Ending::new("refused", reply).by(decision.by)),
        Action::Close(reply) => {
            let ending = Ending::new("refused", reply).by(decision.by);
            Judged::Ended(Ending {
                then: Then::Close,
                ..ending
            })
        }
    }
}

/// What was held since it came in.
async fn refused(c: &mut Connection, refusal: Refusal, id: &str) -> Ending {
    match refusal {
        Refusal::Judged(decision) => {
            c.heed(&decision).await;
            match judged(decision) {
                Judged::Ended(ending) => ending,
                Judged::Pass | Judged::Kept(..) => Ending::new("failed", Reply::local_error()),
            }
        }
        Refusal::Header(fault) => Ending::new("refused", replies::header(&fault, id)),
        Refusal::Storage(error) => {
            tracing::error!(session = %id, %error, "the message cannot be spooled");
            Ending::new("failed", replies::storage(&error, id))
        }
    }
}

/// Recipients kept at RCPT get their copy into the quarantine first: should the backend then refuse, the client tries
/// again, and the copy is taken back.
async fn deliver(
    c: &mut Connection,
    transaction: &Transaction,
    received: &Message,
    edited: &Message,
) -> Ending {
    let copy = match store_promised(c, transaction, edited).await {
        Ok(copy) => copy,
        Err(error) => return Ending::new("failed", replies::storage(&error, &c.session.id)),
    };
    if !transaction.has_live_recipients() {
        let fate = if copy.is_some() {
            "quarantined"
        } else {
            "discarded"
        };
        return Ending {
            edits: log::edits(received, edited),
            ..Ending::new(fate, replies::taken(&transaction.id))
        };
    }
    let ending = send(c, transaction, received, edited).await;
    if let Some(copy) = copy.filter(|_| !ending.reply.code().is_positive()) {
        copy.take_back().await;
    }
    ending
}

async fn send(
    c: &mut Connection,
    transaction: &Transaction,
    received: &Message,
    edited: &Message,
) -> Ending {
    let changed = !log::edits(received, edited).is_empty();
    let traced = trace::wanted(c.site.trace, c.site.backend.identity(), changed)
        .then(|| trace_field(c, transaction));
    let outgoing = match traced.flatten() {
        Some(field) => edited.prepend(field),
        None => edited.clone(),
    };
    let edits = log::edits(received, &outgoing);
    let (fate, reply) = match c.delivery.message(&outgoing).await {
        Ok(reply) if reply.code().is_positive() => ("delivered", replies::of_backend(reply)),
        Ok(reply) => ("refused by the backend", replies::of_backend(reply)),
        Err(error @ Error::InDoubt(_)) => ("in doubt", c.backend_failed(&error)),
        Err(error) => ("failed", c.backend_failed(&error)),
    };
    Ending {
        edits,
        ..Ending::new(fate, reply)
    }
}

fn trace_field(c: &Connection, transaction: &Transaction) -> Option<lazaret_mail::Field> {
    trace::received(
        &c.site.hostname,
        &c.session,
        &transaction.envelope,
        c.protocol,
        &transaction.id,
    )
}

/// The transaction's mark: everybody's copy is kept, the backend gets none.
async fn keep_message(
    c: &mut Connection,
    transaction: &Transaction,
    received: &Message,
    edited: &Message,
    keep: Keep,
) -> Ending {
    let edits = log::edits(received, edited);
    let ending = match keep {
        Keep::Discard => discard(c, transaction, edited).await,
        Keep::Quarantine(reason) => {
            match store(c, &transaction.id, &transaction.envelope, edited, &reason).await {
                Ok(_) => Ending::new("quarantined", replies::taken(&transaction.id)),
                Err(error) => Ending::new("failed", replies::storage(&error, &c.session.id)),
            }
        }
    };
    Ending { edits, ..ending }
}

/// Quarantine goes before discard: recipients whose copy was promised to the quarantine at RCPT get it.
async fn discard(c: &mut Connection, transaction: &Transaction, edited: &Message) -> Ending {
    match store_promised(c, transaction, edited).await {
        Ok(None) => Ending::new("discarded", replies::taken(&transaction.id)),
        Ok(Some(_)) => Ending::new("quarantined", replies::taken(&transaction.id)),
        Err(error) => Ending::new("failed", replies::storage(&error, &c.session.id)),
    }
}

/// The copy of the recipients that go to the quarantine, if there are any.
async fn store_promised(
    c: &mut Connection,
    transaction: &Transaction,
    edited: &Message,
) -> io::Result<Option<quarantine::Stored>> {
    let (recipients, reason) = transaction.quarantined();
    if recipients.is_empty() {
        return Ok(None);
    }
    let envelope = Envelope {
        recipients,
        ..(*transaction.envelope).clone()
    };
    let reason = reason.unwrap_or_default();
    store(c, &transaction.id, &envelope, edited, reason)
        .await
        .map(Some)
}

/// A held message always shows its way (esmtp: a released one has passed here).
async fn store(
    c: &mut Connection,
    id: &str,
    envelope: &Envelope,
    message: &Message,
    reason: &str,
) -> io::Result<quarantine::Stored> {
    let field = trace::received(&c.site.hostname, &c.session, envelope, c.protocol, id);
    let message = field.map_or_else(|| message.clone(), |field| message.prepend(field));
    let stored = match &c.site.quarantine {
        Some(directory) => {
            quarantine::store(directory, id, &c.session, envelope, &message, reason).await
        }
        None => Err(io::Error::other("no quarantine directory is configured")),
    };
    stored.inspect_err(|error| tracing::error!(session = %c.session.id, %error, "the quarantine cannot be written"))
}

/// The log line and the observers.
fn conclude(c: &mut Connection, transaction: &Transaction, ending: &Ending, size: u64) {
    let queue_id = queue_id(&ending.reply).filter(|_| ending.fate == "delivered");
    log::ended(&Ended {
        session: &c.session,
        envelope: &transaction.envelope,
        id: &transaction.id,
        fate: ending.fate,
        size,
        reply: &ending.reply,
        by: ending.by.as_deref(),
        queue_id: queue_id.as_deref(),
        edits: &ending.edits,
    });
    c.site.counters.ended(ending.fate);
    let outcome = Outcome {
        code: ending.reply.code().get(),
        text: ending.reply.text().to_owned(),
        decided_by: ending.by.as_deref().map(str::to_owned),
        queue_id,
    };
    if let Some(observation) = c.judge.finish(&c.session, &transaction.envelope, outcome) {
        c.site.observers.spawn(observation);
    }
}

/// Postfix, Exim and most others end with `queued as ID` or `id=ID`.
fn queue_id(reply: &Reply) -> Option<String> {
    let text = reply.text();
    let (_, id) = text
        .split_once("queued as ")
        .or_else(|| text.split_once("id="))?;
    id.split_ascii_whitespace().next().map(str::to_owned)
}
