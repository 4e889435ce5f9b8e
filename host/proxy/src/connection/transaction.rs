//! One transaction: from MAIL to its last reply.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_mail::{Envelope, Keep};
use lazaret_smtp::{Path, Reply};
use tracing::Span;

use super::intake::Intake;
use crate::explain::By;

/// What is known of the transaction under way.
#[derive(Debug)]
pub(super) struct Transaction {
    /// the session's id and a number: names it in the log, in Received and in the quarantine
    pub(super) id: String,
    /// all recipients the client was told yes about
    pub(super) envelope: Arc<Envelope>,
    /// those of them the backend never hears of
    pub(super) kept: Vec<(Path, Keep, By)>,
    pub(super) standing: Standing,
    /// from DATA on
    pub(super) intake: Option<Intake>,
    pub(super) clock: Clock,
    /// for whatever happens in it
    pub(super) span: Span,
    /// recipients refused, by whomever
    pub(super) refused: usize,
    /// what did not work, ours or the backend's; the last of it
    pub(super) problem: Option<String>,
    /// the `Message-ID` of what came, once it has come
    pub(super) message_id: Option<String>,
}

/// How it stands with the backend, which hears of MAIL together with the first recipient that we have no objection to.
#[derive(Debug, Default)]
pub(super) enum Standing {
    /// it was not asked yet
    #[default]
    Unasked,
    /// it said yes to MAIL
    Open,
    /// it said no, or could not be asked; no recipient is asked for again
    Refused(By, Reply),
}

/// When what happened.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// from the beginning of the session, or the end of the last transaction, to MAIL
    pub(super) before: Duration,
    /// MAIL
    pub(super) mail: Instant,
    /// DATA, or the first BDAT
    pub(super) data: Option<Instant>,
    /// the end of data
    pub(super) end: Option<Instant>,
    /// in filters
    pub(super) filters: Duration,
}

impl Transaction {
    /// MAIL came, `before` after whatever was last.
    pub(super) fn new(id: String, sender: Path, before: Duration, span: Span) -> Self {
        let envelope = Envelope {
            sender: Some(sender),
            recipients: Vec::new(),
        };
        Self {
            span,
            id,
            envelope: Arc::new(envelope),
            kept: Vec::new(),
            standing: Standing::Unasked,
            intake: None,
            clock: Clock {
                before,
                mail: Instant::now(),
                data: None,
                end: None,
                filters: Duration::ZERO,
            },
            refused: 0,
            problem: None,
            message_id: None,
        }
    }

    /// The content begins.
    pub(super) fn receive(&mut self, intake: Intake) {
        self.intake = Some(intake);
        self.clock.data = Some(Instant::now());
    }

    /// The client was told yes.
    pub(super) fn accept(&mut self, recipient: Path) {
        Arc::make_mut(&mut self.envelope).recipients.push(recipient);
    }

    /// The client was told yes, the backend is not told at all.
    pub(super) fn keep(&mut self, recipient: Path, keep: Keep, by: By) {
        self.kept.push((recipient.clone(), keep, by));
        self.accept(recipient);
    }

    /// Does anybody wait for it at the backend?
    pub(super) fn has_live_recipients(&self) -> bool {
        self.envelope.recipients.len() > self.kept.len()
    }

    /// Who kept them, where nobody waits for it at the backend: whoever was the first.
    pub(super) fn kept_by(&self) -> By {
        self.kept.first().map_or(By::Us, |(_, _, by)| by.clone())
    }

    /// Kept recipients whose copy goes to the quarantine, and why.
    pub(super) fn quarantined(&self) -> (Vec<Path>, Option<&str>) {
        let mut reason = None;
        let mut recipients = Vec::new();
        for (path, keep, _) in &self.kept {
            if let Keep::Quarantine(why) = keep {
                reason = reason.or(Some(why.as_str()));
                recipients.push(path.clone());
            }
        }
        (recipients, reason)
    }
}
