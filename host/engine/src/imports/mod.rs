//! What the host serves to a filter: one file for each interface of the contract.
//!
//! Every function counts as a host call, checks the stage and its arguments, and does nothing at all when it answers
//! with an error. What a filter does is collected here and leaves only with a verdict.

mod body;
mod denied;
mod dns;
mod edit_headers;
mod entropy;
mod envelope;
mod headers;
mod http;
mod linking;
mod lists;
mod log;
mod metrics;
mod notes;
mod outside;
mod pace;
mod parts;
mod patience;
mod poll;
mod score;
mod session;
mod sockets;
mod state;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;

use lazaret_mail::{Effects, HeaderEditor, Message, Question, Stage};
use lazaret_services::Reach;

use crate::bindings::types;
use crate::contract::stage_of;
use crate::grants::Rights;
use crate::journal::Journal;
use crate::meter::Meter;
use crate::settings::CallLimits;
use crate::waiting::Waiting;

pub use linking::link;
use outside::Asking;
use patience::Patience;

/// Why an import does not do what it was asked.
#[derive(Debug)]
pub enum Refusal {
    /// the guest is told
    Told(types::Error),
    /// the guest is stopped
    Stop(wasmtime::Error),
}

/// A cap of the host that a guest ran into; it ends the call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Breach(pub String);

impl From<types::Error> for Refusal {
    fn from(error: types::Error) -> Self {
        Refusal::Told(error)
    }
}

impl From<Breach> for Refusal {
    fn from(breach: Breach) -> Self {
        Refusal::Stop(breach.into())
    }
}

/// What one sandbox may see, may do, and has done in the call under way.
pub struct Ctx {
    filter: Arc<str>,
    rights: Arc<Rights>,
    limits: Arc<CallLimits>,
    journal: Arc<Journal>,
    meter: Arc<Meter>,
    /// None where nothing of the outside is there: in `configure`, and while the filter is tried
    reach: Option<Arc<Reach>>,
    asking: Asking,
    /// what is left of `tcp-time`
    patience: Arc<Patience>,
    /// None in `configure`
    question: Option<Question>,
    effects: Effects,
    editor: Option<HeaderEditor>,
    calls: u32,
    read: u64,
    /// points given by this sandbox in earlier calls and this one
    scored: f64,
}

impl Ctx {
    /// For a new sandbox.
    pub fn new(
        filter: Arc<str>,
        rights: Arc<Rights>,
        limits: Arc<CallLimits>,
        journal: Arc<Journal>,
        meter: Arc<Meter>,
        reach: Option<Arc<Reach>>,
    ) -> Self {
        Self {
            asking: Asking::of(reach.as_deref(), limits.state_calls, rights.tcp_size),
            patience: Arc::default(),
            reach,
            filter,
            rights,
            limits,
            journal,
            meter,
            question: None,
            effects: Effects::default(),
            editor: None,
            calls: 0,
            read: 0,
            scored: 0.0,
        }
    }

    /// For a used sandbox that begins anew. What all sandboxes of a filter share is left alone: to count another owner of it is
    /// to take it from another processor.
    pub fn renew(
        &mut self,
        journal: &Arc<Journal>,
        meter: &Arc<Meter>,
        reach: Option<&Arc<Reach>>,
    ) {
        if !Arc::ptr_eq(&self.journal, journal) {
            self.journal = Arc::clone(journal);
        }
        if self.reach.is_none() {
            self.reach = reach.cloned();
        }
        self.meter = Arc::clone(meter);
        self.scored = 0.0;
    }

    /// Where it may connect to.
    pub fn sockets(&self) -> &[SocketAddr] {
        match self.reach {
            Some(_) => &self.rights.tcp,
            None => &[],
        }
    }

    /// Its log.
    pub fn journal(&self) -> &Arc<Journal> {
        &self.journal
    }

    /// Octets that its sockets may still carry in this call, both ways together, and where it waits for them.
    pub fn wire(&mut self) -> (&mut u64, &Waiting) {
        (&mut self.asking.wire, self.meter.waiting())
    }

    /// The real time that its sockets may still be waited for in this call.
    pub fn patience(&self) -> Arc<Patience> {
        self.patience.clone()
    }

    /// A call begins: these are its facts (none in `configure`), all budgets are full.
    pub fn begin(&mut self, question: Option<Question>) {
        let (session, stage) = match &question {
            Some(question) => (
                Some(question.session.id.clone()),
                stage_of(&question.ask).name(),
            ),
            None => (None, "configure"),
        };
        self.journal.begin(session, stage);
        self.question = question;
        self.effects = Effects::default();
        self.editor = None;
        self.asking = Asking::of(
            self.reach.as_deref(),
            self.limits.state_calls,
            self.rights.tcp_size,
        );
        if !self.rights.tcp.is_empty() {
            self.patience.refill(self.rights.tcp_time);
        }
        (self.calls, self.read) = (0, 0);
    }

    /// The call succeeded: what it did. The facts are let go.
    pub fn end(&mut self) -> Effects {
        self.question = None;
        let mut effects = std::mem::take(&mut self.effects);
        effects.edits = self
            .editor
            .take()
            .map(HeaderEditor::finish)
            .unwrap_or_default();
        effects.dropped = self.journal.end();
        effects
    }

    /// Counts one host call.
    fn charge(&mut self) -> Result<(), Breach> {
        if self.calls == self.limits.host_calls {
            return Err(Breach(format!(
                "more than {} host calls",
                self.limits.host_calls
            )));
        }
        self.calls += 1;
        Ok(())
    }

    /// Before work of the host over so many octets. Between two ticks it is charged to the guest by the clock only where the
    /// clock was looked at before it: else one long call would count as two milliseconds, however long it is.
    fn charge_work(&self, octets: usize) {
        if octets >= WORK {
            self.meter.look();
        }
    }

    /// Counts octets handed to the guest.
    fn charge_read(&mut self, octets: usize) -> Result<(), types::Error> {
        let read = self.read.saturating_add(octets as u64);
        if read > self.limits.read {
            return Err(types::Error::Limit);
        }
        self.read = read;
        Ok(())
    }

    /// As [`Ctx::charge_read`], for functions that have no way to answer `limit`.
    fn charge_read_or_stop(&mut self, octets: usize) -> Result<(), Breach> {
        let limit = self.limits.read;
        let over = |_| Breach(format!("more than {limit} octets read"));
        self.charge_read(octets).map_err(over)
    }

    fn stage(&self) -> Option<Stage> {
        self.question
            .as_ref()
            .map(|question| stage_of(&question.ask))
    }

    /// The stage, or `not-now` in `configure`.
    fn stage_now(&self) -> Result<Stage, types::Error> {
        self.stage().ok_or(types::Error::NotNow)
    }

    /// The message with its body: from the stage message on.
    fn whole_message(&self) -> Result<Arc<Message>, types::Error> {
        match self.stage_now()? {
            Stage::Message | Stage::Outcome => self.header_message().ok_or(types::Error::NotNow),
            _ => Err(types::Error::NotNow),
        }
    }

    /// The message, at the stage headers without its body.
    fn header_message(&self) -> Option<Arc<Message>> {
        self.question.as_ref()?.message.clone()
    }
}

impl types::Host for Ctx {
    fn convert_error(&mut self, refusal: Refusal) -> wasmtime::Result<types::Error> {
        told(refusal)
    }
}

/// What the guest may see as an error, and what ends it: decided here alone.
fn told(refusal: Refusal) -> wasmtime::Result<types::Error> {
    match refusal {
        Refusal::Told(error) => Ok(error),
        Refusal::Stop(error) => Err(error),
    }
}

/// Less than this is done within a tick, whatever is done with it.
const WORK: usize = 16 << 10;

/// Most octets of one read.
const READ_AT_ONCE: u32 = 64 << 10;

/// Is this a word for a key or a symbol: letters, digits, `-`, `_`, `.`, at most 64?
fn is_word(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

#[cfg(test)]
mod testing;
