//! One transaction: from an accepted MAIL to the reply to its end of data.

use std::sync::Arc;

use lazaret_mail::{Envelope, Keep};
use lazaret_smtp::Path;

use super::intake::Intake;

/// What is known of the transaction under way.
#[derive(Debug)]
pub(super) struct Transaction {
    /// the session's id and a number: names it in the log, in Received and in the quarantine
    pub(super) id: String,
    /// all recipients the client was told yes about
    pub(super) envelope: Arc<Envelope>,
    /// those of them the backend never hears of
    pub(super) kept: Vec<(Path, Keep)>,
    /// from DATA on
    pub(super) intake: Option<Intake>,
}

impl Transaction {
    pub(super) fn new(id: String, sender: Path) -> Self {
        let envelope = Envelope {
            sender: Some(sender),
            recipients: Vec::new(),
        };
        Self {
            id,
            envelope: Arc::new(envelope),
            kept: Vec::new(),
            intake: None,
        }
    }

    /// The client was told yes.
    pub(super) fn accept(&mut self, recipient: Path) {
        Arc::make_mut(&mut self.envelope).recipients.push(recipient);
    }

    /// The client was told yes, the backend is not told at all.
    pub(super) fn keep(&mut self, recipient: Path, keep: Keep) {
        self.kept.push((recipient.clone(), keep));
        self.accept(recipient);
    }

    /// Does anybody wait for it at the backend?
    pub(super) fn has_live_recipients(&self) -> bool {
        self.envelope.recipients.len() > self.kept.len()
    }

    /// Kept recipients whose copy goes to the quarantine, and why.
    pub(super) fn quarantined(&self) -> (Vec<Path>, Option<&str>) {
        let mut reason = None;
        let mut recipients = Vec::new();
        for (path, keep) in &self.kept {
            if let Keep::Quarantine(why) = keep {
                reason = reason.or(Some(why.as_str()));
                recipients.push(path.clone());
            }
        }
        (recipients, reason)
    }
}
