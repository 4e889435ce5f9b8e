//! What is noted of a session as it goes: refusals, verdicts, failures of the backend; for the log, the counters and
//! `lazaret explain`. What is noted of a transaction that is over: [`conclusion`](super::conclusion).

use std::pin::pin;

use lazaret_mail::{Action, Decision, Stage};
use lazaret_smtp::{Path, Refusal, Refusals, Reply, Wanted};
use tokio::time::sleep;

use super::{Connection, log, pace, replies};
use crate::backend::Error;
use crate::explain::{By, Of};

/// A transaction that was wanted and did not come about has a line of its own; what is refused inside of one is in the
/// line of that. For whatever else is no command there is `lazaret explain`.
fn has_line(refusal: &Refusal, outside: bool) -> bool {
    match refusal.wanted {
        Wanted::Transaction(_) => true,
        Wanted::Recipient(_) | Wanted::Content => outside,
        Wanted::Other => false,
    }
}

impl Connection {
    /// A recipient was refused by ourselves or by the backend.
    pub(super) fn recipient_refused(&mut self, path: &Path, reply: &Reply, by: By) {
        self.count_refused();
        let of = Of::Address(path.address.clone());
        self.case
            .refused(&self.session, Some(Stage::Rcpt), of, reply, by);
    }

    /// Commands were refused before any stage, one behind the other; gives the last reply.
    pub(super) fn note_refusals(&mut self, refusals: Refusals) -> Option<Reply> {
        self.counts
            .commands_refused(refusals.told.len() + refusals.more);
        let outside = self.transaction.is_none();
        let line = refusals.told.iter().find(|it| has_line(it, outside));
        if let Some(refusal) = line {
            let more = refusals.told.len() + refusals.more - 1;
            log::refused_early(&self.session, refusal, more);
        }
        let mut last = None;
        for refusal in refusals.told {
            self.note_refusal(&refusal);
            last = Some(refusal.reply);
        }
        last
    }

    fn note_refusal(&mut self, refusal: &Refusal) {
        let (stage, address) = match &refusal.wanted {
            Wanted::Transaction(address) => (Some(Stage::Mail), address.as_ref()),
            Wanted::Recipient(address) => (Some(Stage::Rcpt), address.as_ref()),
            Wanted::Content | Wanted::Other => (None, None),
        };
        if stage == Some(Stage::Rcpt) {
            self.count_refused();
        }
        let of = address.cloned().map_or(Of::Itself, Of::Address);
        self.case
            .refused(&self.session, stage, of, &refusal.reply, By::Us);
    }

    pub(super) fn count_refused(&mut self) {
        self.counts.recipient(false);
        if let Some(transaction) = &mut self.transaction {
            transaction.refused += 1;
        }
    }

    /// What the client hears instead of the backend's answer; what went wrong is in the log.
    pub(super) fn backend_failed(&mut self, error: &Error) -> Reply {
        if let Some(transaction) = &mut self.transaction {
            transaction.problem = Some(error.to_string());
        }
        tracing::warn!(session = %self.session.id, %error, "backend");
        self.site
            .metrics
            .backend_failures
            .with([error.kind()])
            .inc();
        replies::backend(error, &self.session.id)
    }

    /// [`note`](Self::note) and [`hold`](Self::hold), and a line in the log if the client is refused outside of a
    /// transaction; `of` is what.
    pub(super) async fn obey(&mut self, stage: Stage, of: Of, decision: &mut Decision) {
        if let Action::Refuse(reply) | Action::Close(reply) = &decision.action
            && self.transaction.is_none()
        {
            let of = of.word().unwrap_or_default();
            log::refused(&self.session, stage, of, reply, decision.by.as_deref());
        }
        self.note(stage, of, decision);
        self.hold(decision).await;
    }

    /// Records and counts what filters said: their records are taken out of the decision.
    pub(super) fn note(&mut self, stage: Stage, of: Of, decision: &mut Decision) {
        log::records(&self.session, decision);
        self.site.metrics.judged(decision);
        self.counts.stage(stage, decision);
        if let Some(transaction) = &mut self.transaction {
            transaction.clock.filters += decision.wall();
        }
        self.case.judged(&self.session, stage, of, decision);
    }

    /// Holds the reply back as long as filters asked, without a thread.
    pub(super) async fn hold(&mut self, decision: &Decision) {
        if !decision.pace.is_zero() {
            pace::holding(&mut self.delivery, pin!(sleep(decision.pace))).await;
        }
    }
}
