//! What a filter said and did.

use super::state::{Note, THIS_FILTER, World};
use crate::Verdict;
use crate::http::Request;

/// Points a filter gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// e.g. `NO_DATE`
    pub symbol: String,
    /// for (positive) or against (negative) refusal
    pub points: f64,
    /// in words
    pub why: String,
}

/// The whole of a made-up transaction.
#[derive(Debug)]
pub struct Report {
    verdicts: Vec<(&'static str, Verdict)>,
    world: World,
}

impl Report {
    pub(super) fn new(verdicts: Vec<(&'static str, Verdict)>, world: World) -> Self {
        Self { verdicts, world }
    }

    /// The first verdict that was not `continue`; `continue` if there was none.
    pub fn verdict(&self) -> &Verdict {
        self.decision()
            .map_or(&Verdict::Continue, |(_, verdict)| verdict)
    }

    /// The stage of that verdict, e.g. `"rcpt"`.
    pub fn stage(&self) -> Option<&'static str> {
        self.decision().map(|(stage, _)| *stage)
    }

    /// Every stage asked with its verdict, in order.
    pub fn verdicts(&self) -> &[(&'static str, Verdict)] {
        &self.verdicts
    }

    /// Recipients that were not refused.
    pub fn recipients(&self) -> Vec<&str> {
        self.world
            .recipients
            .iter()
            .map(|r| r.mailbox.as_str())
            .collect()
    }

    /// The edits in order: `add X-Spam-Flag: YES`, `replace Subject 0: hello`, `remove X-Spam-Flag 0`,
    /// `remove X-Spam-Flag`.
    pub fn edits(&self) -> &[String] {
        &self.world.edits
    }

    /// The points in order.
    pub fn scores(&self) -> &[Score] {
        &self.world.scores
    }

    /// The symbols of the points in order.
    pub fn symbols(&self) -> Vec<&str> {
        self.scores()
            .iter()
            .map(|score| score.symbol.as_str())
            .collect()
    }

    /// The filter's own note of that key.
    pub fn note(&self, key: &str) -> Option<&str> {
        let own = |note: &&Note| note.filter == THIS_FILTER && note.key == key;
        let note = self.world.facts.notes.iter().rfind(own)?;
        Some(&note.value)
    }

    /// Milliseconds the replies were held back.
    pub fn held(&self) -> u64 {
        self.world.held
    }

    /// The requests it sent over HTTP, in order; the message in place of [`Content::Message`](crate::http::Content).
    pub fn requests(&self) -> &[Request] {
        &self.world.requests
    }

    /// The counter or gauge of that name; 0 where there is none.
    pub fn metric(&self, name: &str) -> f64 {
        self.world.metrics.get(name).copied().unwrap_or_default()
    }

    /// Lines of the filter's log: `warn: text`.
    pub fn log(&self) -> &[String] {
        &self.world.log
    }

    /// The message as edited, invalid UTF-8 replaced; empty if there was none.
    pub fn message(&self) -> String {
        let octets = self
            .world
            .message
            .as_ref()
            .map(super::message::Message::octets);
        String::from_utf8_lossy(&octets.unwrap_or_default()).into_owned()
    }

    fn decision(&self) -> Option<&(&'static str, Verdict)> {
        self.verdicts
            .iter()
            .find(|(_, verdict)| *verdict != Verdict::Continue)
    }
}
