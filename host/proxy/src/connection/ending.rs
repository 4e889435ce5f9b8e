//! The end of data: filters judge the message, the backend takes it, or the quarantine. Only here 250 is said for a
//! message, and only after a 2yz of the backend or an fsync.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use lazaret_mail::{Action, Decision, Envelope, HeaderFault, Keep, Message, Stage};
use lazaret_smtp::{End, Reply};

use super::conclusion::{Conclusion, conclude};
use super::intake::Refusal;
use super::log;
use super::transaction::Transaction;
use super::{Connection, pace, replies, trace};
use crate::backend::Error;
use crate::explain::{By, Of};
use crate::fate::Fate;
use crate::quarantine;

/// What becomes of a message.
struct Ending {
    fate: Fate,
    reply: Reply,
    /// after the reply
    then: Then,
    by: By,
    edits: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    GoOn,
    Close,
}

impl Ending {
    fn new(fate: Fate, reply: Reply) -> Self {
        Self {
            fate,
            reply,
            then: Then::GoOn,
            by: By::Us,
            edits: String::new(),
        }
    }

    fn by(self, by: By) -> Self {
        Self { by, ..self }
    }
}

/// The dot has come.
pub(super) async fn message(c: &mut Connection, end: End) {
    let Some(mut transaction) = take(c).await else {
        return c.server.answer(Reply::bad_sequence().naming(&c.session.id));
    };
    transaction.clock.end = Some(Instant::now());
    let mut open = Open {
        c,
        transaction: Some(transaction),
        octets: end.octets,
    };
    let ending = match end.fault {
        Some(fault) => Ending::new(Fate::Refused, fault.reply().naming(&open.c.session.id)),
        None => open.decide().await,
    };
    open.conclude(Conclusion {
        fate: ending.fate,
        reply: Some(&ending.reply),
        by: ending.by,
        size: Some(end.octets),
        edits: ending.edits,
    });
    drop(open);
    c.delivery.reset();
    match ending.then {
        Then::GoOn => c.server.answer(ending.reply),
        Then::Close => c.server.close(ending.reply),
    }
    c.pace.restart();
}

/// A transaction behind its end of data. Dropped before it is concluded, it was cut off: `grace` is over.
struct Open<'c> {
    c: &'c mut Connection,
    transaction: Option<Box<Transaction>>,
    /// of the message
    octets: u64,
}

impl Open<'_> {
    async fn decide(&mut self) -> Ending {
        let transaction = self.transaction.as_mut();
        decide(self.c, transaction.expect("it is not concluded")).await
    }

    fn conclude(&mut self, how: Conclusion<'_>) {
        if let Some(transaction) = self.transaction.take() {
            conclude(self.c, transaction, how);
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        // A defect of ours has its own line.
        if std::thread::panicking() {
            return;
        }
        let fate = match self.c.delivery.is_behind_the_dot() {
            true => Fate::InDoubt,
            false => Fate::Closed,
        };
        self.conclude(Conclusion {
            size: Some(self.octets),
            ..Conclusion::early(fate, None, By::Us)
        });
    }
}

/// A message without an empty line shows its header section only now.
async fn take(c: &mut Connection) -> Option<Box<Transaction>> {
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
        Err(refusal) => return refused(c, transaction, refusal, &id).await,
    };
    let received = match Message::parse(spooled.content.clone(), c.site.limits.header_size) {
        Ok(message) => Arc::new(message),
        Err(fault) => return unfit(transaction, &fault, &id),
    };
    transaction.message_id = message_id(&received);
    if trace::hops(&received) > c.site.limits.received {
        return Ending::new(Fate::Refused, replies::looping(&id));
    }
    let judging = c
        .judge
        .message(&c.session, &transaction.envelope, Arc::clone(&received));
    let (mut decision, edited) = pace::holding(&mut c.delivery, pin!(judging)).await;
    transaction.clock.filters += decision.wall();
    c.note(Stage::Message, Of::Itself, &mut decision);
    c.hold(&decision).await;
    match judged(decision) {
        Judged::Ended(ending) => ending,
        Judged::Pass => deliver(c, transaction, &received, &edited).await,
        Judged::Kept(keep, by) => keep_message(c, transaction, &received, &edited, keep)
            .await
            .by(by),
    }
}

/// The first one; no longer than the line of the log has room for.
fn message_id(received: &Message) -> Option<String> {
    let field = received.fields().iter().find(|it| it.is("Message-ID"))?;
    let value = String::from_utf8_lossy(field.value()).trim().to_owned();
    let shortened: String = value.chars().take(log::MOST_CHARACTERS).collect();
    (!shortened.is_empty()).then_some(shortened)
}

enum Judged {
    Pass,
    Kept(Keep, By),
    Ended(Ending),
}

fn judged(decision: Decision) -> Judged {
    let by = By::filter(decision.by, By::Us);
    match decision.action {
        Action::Pass => Judged::Pass,
        Action::Keep(keep) => Judged::Kept(keep, by),
        Action::Refuse(reply) => Judged::Ended(Ending::new(Fate::Refused, reply).by(by)),
        Action::Close(reply) => {
            let ending = Ending::new(Fate::Refused, reply).by(by);
            Judged::Ended(Ending {
                then: Then::Close,
                ..ending
            })
        }
    }
}

/// What was held since it came in.
async fn refused(
    c: &mut Connection,
    transaction: &mut Transaction,
    refusal: Refusal,
    id: &str,
) -> Ending {
    match refusal {
        Refusal::Judged(decision) => {
            c.hold(&decision).await;
            match judged(decision) {
                Judged::Ended(ending) => ending,
                Judged::Pass | Judged::Kept(..) => {
                    Ending::new(Fate::Failed, Reply::local_error().naming(id))
                }
            }
        }
        Refusal::Header(fault) => unfit(transaction, &fault, id),
        Refusal::Storage(error) => {
            tracing::error!(session = %id, %error, "the message cannot be spooled");
            transaction.problem = Some(format!("the message cannot be spooled: {error}"));
            Ending::new(Fate::Failed, replies::storage(&error, id))
        }
    }
}

/// A header section that is none, or that cannot be read back.
fn unfit(transaction: &mut Transaction, fault: &HeaderFault, id: &str) -> Ending {
    let fate = match fault {
        HeaderFault::Spool(error) => {
            tracing::error!(session = %id, %error, "the message cannot be read back");
            transaction.problem = Some(format!("the message cannot be read back: {error}"));
            Fate::Failed
        }
        _ => Fate::Refused,
    };
    Ending::new(fate, replies::header(fault, id))
}

/// Recipients kept at RCPT get their copy into the quarantine first: should the backend then refuse, the client tries
/// again, and the copy is taken back.
async fn deliver(
    c: &mut Connection,
    transaction: &mut Transaction,
    received: &Message,
    edited: &Message,
) -> Ending {
    let copy = match store_promised(c, transaction, edited).await {
        Ok(copy) => copy,
        Err(error) => return not_stored(c, transaction, &error),
    };
    if !transaction.has_live_recipients() {
        let fate = if copy.is_some() {
            Fate::Quarantined
        } else {
            Fate::Discarded
        };
        return Ending {
            edits: log::edits(received, edited),
            ..Ending::new(fate, replies::taken(&transaction.id)).by(transaction.kept_by())
        };
    }
    let copy = copy.map(quarantine::Provisional::of);
    let ending = send(c, transaction, received, edited).await;
    match copy {
        Some(copy) if ending.reply.code().is_positive() => copy.keep(),
        Some(copy) => copy.take_back().await,
        None => {}
    }
    ending
}

async fn send(
    c: &mut Connection,
    transaction: &mut Transaction,
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
    let (fate, reply) = match c.delivery.message(&outgoing, &transaction.id).await {
        Ok(reply) if reply.code().is_positive() => (Fate::Delivered, replies::of_backend(reply)),
        Ok(reply) => (Fate::RefusedByBackend, replies::of_backend(reply)),
        Err(error) => {
            let fate = match error {
                Error::InDoubt(_) => Fate::InDoubt,
                _ => Fate::Failed,
            };
            transaction.problem = Some(error.to_string());
            return Ending {
                edits,
                ..Ending::new(fate, c.backend_failed(&error))
            };
        }
    };
    Ending {
        edits,
        ..Ending::new(fate, reply).by(By::Backend)
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
    transaction: &mut Transaction,
    received: &Message,
    edited: &Message,
    keep: Keep,
) -> Ending {
    let edits = log::edits(received, edited);
    let ending = match keep {
        Keep::Discard => discard(c, transaction, edited).await,
        Keep::Quarantine(reason) => {
            match store(c, &transaction.id, &transaction.envelope, edited, &reason).await {
                Ok(_) => Ending::new(Fate::Quarantined, replies::taken(&transaction.id)),
                Err(error) => not_stored(c, transaction, &error),
            }
        }
    };
    Ending { edits, ..ending }
}

/// Quarantine goes before discard: recipients whose copy was promised to the quarantine at RCPT get it.
async fn discard(c: &mut Connection, transaction: &mut Transaction, edited: &Message) -> Ending {
    match store_promised(c, transaction, edited).await {
        Ok(None) => Ending::new(Fate::Discarded, replies::taken(&transaction.id)),
        Ok(Some(_)) => Ending::new(Fate::Quarantined, replies::taken(&transaction.id)),
        Err(error) => not_stored(c, transaction, &error),
    }
}

fn not_stored(c: &Connection, transaction: &mut Transaction, error: &io::Error) -> Ending {
    transaction.problem = Some(format!("the quarantine cannot be written: {error}"));
    Ending::new(Fate::Failed, replies::storage(error, &c.session.id))
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
