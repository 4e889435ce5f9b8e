//! The seam between the chain and whatever runs a filter (the engine; native doubles in tests).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Edit, Envelope, Message, Path, Policy, Score, Session, StageSet, Verdict};

/// A loaded filter, shared by all sessions of its generation.
pub trait Filter: Send + Sync {
    /// the name without its number, e.g. `access`
    fn name(&self) -> &str;
    /// what it exports, narrowed by the operator
    fn stages(&self) -> StageSet;
    /// what the operator wrote
    fn policy(&self) -> &Policy;
    /// How its sandboxes come by their configured state, for lists: `snapshot`, `nothing to configure`, `configured in each
    /// sandbox: REASON`. Empty where nobody knows.
    fn preparation(&self) -> &str {
        ""
    }
    /// A fresh sandbox: one for each transaction, one for each connection-stage call. Cheap and lazy:
    /// nothing is instantiated before the first question.
    fn fork(&self) -> Box<dyn Sandbox>;
}

/// One sandbox. After an `Err` it is not asked again, but for [`FailureKind::Busy`]: that it says again.
#[async_trait]
pub trait Sandbox: Send {
    /// Asks one stage. Effects come back with the verdict and are lost with a failure.
    async fn ask(&mut self, question: Question) -> Result<Answer, Failure>;
}

/// A stage with all facts that may be pulled at it. Everything is shared, nothing is copied.
#[derive(Clone, Debug)]
pub struct Question {
    /// what is asked
    pub ask: Arc<Ask>,
    /// who is talking
    pub session: Arc<Session>,
    /// from MAIL on; the recipients are those accepted so far
    pub envelope: Option<Arc<Envelope>>,
    /// from the stage headers on; at headers its body is empty
    pub message: Option<Arc<Message>>,
    /// points so far, by earlier filters
    pub score: Score,
    /// notes of this connection and this transaction by (filter, key); a transaction's hides a connection's
    pub notes: Arc<Notes>,
}

/// The stage's own arguments.
#[derive(Clone, Debug)]
pub enum Ask {
    /// on-connect
    Connect,
    /// on-hello
    Hello(String),
    /// on-auth
    Auth {
        /// upper case
        mechanism: String,
        /// where the mechanism shows it
        name: Option<String>,
    },
    /// on-mail
    Mail(Path),
    /// on-rcpt
    Rcpt(Path),
    /// on-headers
    Headers,
    /// on-message
    Message,
    /// on-outcome
    Outcome(Outcome),
    /// on-disconnect: the reason
    Disconnect(String),
}

/// How a transaction ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// what the client got
    pub code: u16,
    /// what the client got
    pub text: String,
    /// the filter that decided
    pub decided_by: Option<String>,
    /// the backend's queue id
    pub queue_id: Option<String>,
}

/// What a filter gave back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `Continue` for observers
    pub verdict: Verdict,
    /// what else it did
    pub effects: Effects,
}

/// What a filter did besides its verdict, checked by the sandbox host.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// in order, each valid on the view the filter had
    pub edits: Vec<Edit>,
    /// symbol, points (bounded, finite), why
    pub scores: Vec<(String, f64, String)>,
    /// scope, key, value
    pub notes: Vec<(Scope, String, String)>,
    /// hold the reply back this long (capped)
    pub pace: Duration,
    /// CPU used by this call
    pub cpu: Duration,
    /// linear memory of the sandbox after this call, in octets; 0 when unknown
    pub memory: u64,
    /// log lines and calls dropped at a cap
    pub dropped: u32,
}

/// Where a note lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// until the connection ends
    Connection,
    /// until the transaction ends
    Transaction,
}

/// Most notes of a connection, those of its transaction and of all filters included.
pub const NOTE_LIMIT: usize = 1024;

/// Notes by filter and key.
#[derive(Clone, Debug, Default)]
pub struct Notes(pub std::collections::BTreeMap<(String, String), String>);

/// A filter failed: whose fault, in words for the log.
#[derive(Clone, Debug, thiserror::Error)]
#[error("filter {filter} failed at {stage}: {kind}", stage = stage.name())]
pub struct Failure {
    /// its name
    pub filter: String,
    /// the stage
    pub stage: crate::Stage,
    /// why
    pub kind: FailureKind,
    /// CPU used until then
    pub cpu: Duration,
    /// what helps its author
    pub clues: Box<Clues>,
}

impl Failure {
    /// Octets of what is said in it, with what it takes to keep them.
    pub fn octets(&self) -> usize {
        let lines = self.clues.stderr.iter().chain(&self.clues.backtrace);
        let lines = lines.chain(&self.clues.detail);
        let lines: usize = lines.map(|line| size_of::<String>() + line.len()).sum();
        size_of::<Clues>() + self.filter.len() + self.kind.octets() + lines
    }
}

/// Where a filter was when it failed, and what it said. All of it comes from the filter: short lines, made printable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clues {
    /// what the limit was about, e.g. how much memory it held and wanted
    pub detail: Option<String>,
    /// the last lines it wrote to stderr in this call, the oldest first
    pub stderr: Vec<String>,
    /// the functions it was in, the innermost first; empty if it was nowhere, or if it has failed often lately
    pub backtrace: Vec<String>,
}

impl Clues {
    /// The lines from stderr in one, if there are any.
    pub fn stderr_line(&self) -> Option<String> {
        (!self.stderr.is_empty()).then(|| self.stderr.join(" / "))
    }

    /// The backtrace in one line, if there is one.
    pub fn backtrace_line(&self) -> Option<String> {
        (!self.backtrace.is_empty()).then(|| self.backtrace.join(" < "))
    }
}

/// After a sentence: ` [it wrote: a / b; it was in: inner < outer]`, or nothing.
impl std::fmt::Display for Clues {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let said = self.stderr_line().map(|lines| format!("it wrote: {lines}"));
        let was = self.backtrace_line();
        let was = was.map(|functions| format!("it was in: {functions}"));
        let known: Vec<_> = [self.detail.clone(), said, was]
            .into_iter()
            .flatten()
            .collect();
        match known.is_empty() {
            true => Ok(()),
            false => write!(f, " [{}]", known.join("; ")),
        }
    }
}

/// Why a filter failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailureKind {
    /// unreachable, division by zero, out of bounds, stack overflow …: the trap and the guest's last words
    #[error("trap: {0}")]
    Trap(String),
    /// more CPU than `time`
    #[error("used its CPU time of {0:?}")]
    Time(Duration),
    /// longer than `wall`
    #[error("took longer than {0:?}")]
    Wall(Duration),
    /// a growth over `memory` was refused, and it trapped
    #[error("wanted more memory than {0} octets")]
    Memory(u64),
    /// a cap of the host (result too large, too many host calls …)
    #[error("limit: {0}")]
    Limit(String),
    /// could not be loaded at start; its answer is `on-failure`
    #[error("not loadable: {0}")]
    NotLoadable(String),
    /// it failed so often in a row that it is not asked for a while: `breaker` of its TOML
    #[error("not asked: it failed over and over and is tried again later")]
    Suspended,
    /// no sandbox was free for it in time, or the one it had was given up for others. We are to blame, not the filter:
    /// its `on-failure` has no say, the client is told to try again.
    #[error("no sandbox was free in time")]
    Busy,
    /// our own fault
    #[error("internal: {0}")]
    Internal(String),
}

impl FailureKind {
    fn octets(&self) -> usize {
        match self {
            FailureKind::Trap(words)
            | FailureKind::Limit(words)
            | FailureKind::NotLoadable(words)
            | FailureKind::Internal(words) => words.len(),
            FailureKind::Time(_)
            | FailureKind::Wall(_)
            | FailureKind::Memory(_)
            | FailureKind::Suspended
            | FailureKind::Busy => 0,
        }
    }
}
