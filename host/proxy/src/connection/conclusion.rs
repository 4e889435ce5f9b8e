//! The end of a transaction, whatever it is: one line in the log, one entry for `lazaret explain`, the counters, and the
//! observers where there was an end of data. Every transaction passes here exactly once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_mail::Outcome;
use lazaret_smtp::Reply;

use super::transaction::{Clock, Standing, Transaction};
use super::{Connection, log};
use crate::explain::{self, By, Phases};
use crate::fate::Fate;

/// How it ended.
pub(super) struct Conclusion<'r> {
    pub(super) fate: Fate,
    /// None: the client did not wait for one
    pub(super) reply: Option<&'r Reply>,
    pub(super) by: By,
    /// octets, if it came to its end of data
    pub(super) size: Option<u64>,
    /// fields added and removed on the way to the backend
    pub(super) edits: String,
}

impl<'r> Conclusion<'r> {
    /// Without an end of data.
    pub(super) fn early(fate: Fate, reply: Option<&'r Reply>, by: By) -> Self {
        Self {
            fate,
            reply,
            by,
            size: None,
            edits: String::new(),
        }
    }

    /// This, or what the backend said to MAIL, if nobody was accepted for that: whatever else ended it, the mail was refused.
    pub(super) fn unless_refused(self, standing: &'r Standing) -> Self {
        match standing {
            Standing::Refused(by, reply) if !matches!(self.by, By::Filter(_)) => {
                let fate = match by {
                    By::Backend => Fate::RefusedByBackend,
                    _ => Fate::Failed,
                };
                Self::early(fate, Some(reply), by.clone())
            }
            _ => self,
        }
    }
}

/// Records it. The judge still has the transaction, and forgets it here.
pub(super) fn conclude(c: &mut Connection, transaction: Box<Transaction>, how: Conclusion<'_>) {
    c.free_since = Instant::now();
    let queue_id = how.reply.and_then(|reply| queue_id(reply, how.fate));
    let outcome = how.reply.map(|reply| Outcome {
        code: reply.code().get(),
        text: reply.text().to_owned(),
        decided_by: match &how.by {
            By::Filter(name) => Some(name.to_string()),
            _ => None,
        },
        queue_id: queue_id.clone(),
    });
    let (fate, size) = (how.fate, how.size);
    let envelope = Arc::clone(&transaction.envelope);
    let took = transaction.clock.mail.elapsed();
    record(c, transaction, how, queue_id);
    c.counts.transaction(fate, took, size);
    match outcome.filter(|_| size.is_some()) {
        None => c.judge.reset(),
        Some(outcome) => {
            if let Some(observation) = c.judge.finish(&c.session, &envelope, outcome) {
                c.site.observers.spawn(&c.session, observation);
            }
        }
    }
}

fn record(
    c: &mut Connection,
    transaction: Box<Transaction>,
    how: Conclusion<'_>,
    queue_id: Option<String>,
) {
    let score = c.judge.score().total();
    let talk = c.case.dialogue.take();
    let phases = phases(&transaction.clock, talk.waited);
    let kept = transaction.kept.iter();
    let kept = kept.map(|(path, ..)| path.address.clone()).collect();
    let entry = c.case.end(&c.session, |pending| explain::Transaction {
        number: pending.number,
        at: pending.at,
        generation: pending.generation,
        envelope: transaction.envelope,
        kept,
        refused: transaction.refused,
        judgements: pending.judgements,
        more: pending.more,
        talk,
        fate: how.fate,
        reply: how.reply.cloned(),
        by: how.by,
        size: how.size,
        score,
        queue_id,
        message_id: transaction.message_id,
        edits: how.edits,
        problem: transaction.problem,
        phases,
    });
    if let Some(entry) = entry {
        log::transaction(&entry);
    }
}

fn phases(clock: &Clock, backend: Duration) -> Phases {
    let since = |from: Instant, to: Option<Instant>| {
        to.map_or(Duration::ZERO, |to| to.saturating_duration_since(from))
    };
    Phases {
        mail: clock.before,
        data: since(clock.mail, clock.data),
        content: clock
            .data
            .map_or(Duration::ZERO, |data| since(data, clock.end)),
        filters: clock.filters,
        backend,
        total: clock.mail.elapsed(),
    }
}

/// Postfix, Exim and most others end with `queued as ID` or `id=ID`.
fn queue_id(reply: &Reply, fate: Fate) -> Option<String> {
    if fate != Fate::Delivered {
        return None;
    }
    let text = reply.text();
    let (_, id) = text
        .split_once("queued as ")
        .or_else(|| text.split_once("id="))?;
    id.split_ascii_whitespace().next().map(str::to_owned)
}
