use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lazaret_smtp::Reply;

use crate::message::EditFault;
use crate::{Edit, Failure, Mode, OnFailure, Stage, Verdict};

/// What a stage came to.
#[derive(Clone, Debug)]
pub struct Decision {
    /// what is to be done
    pub action: Action,
    /// the filter that decided, where one did
    pub by: Option<Arc<str>>,
    /// hold the reply back this long
    pub pace: Duration,
    /// one for each filter that was asked, or would have been
    pub records: Vec<Record>,
}

/// What the caller does with the client's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// go on
    Pass,
    /// answer this
    Refuse(Reply),
    /// answer this, then close
    Close(Reply),
    /// At rcpt: say 250, keep this recipient from the backend. At message: say 250 once this is done.
    Keep(Keep),
}

/// Where a message goes that the client is told 250 for, and the backend never sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// into the quarantine, with this reason
    Quarantine(String),
    /// nowhere; one log line with all facts
    Discard,
}

/// What one filter said at one stage, for the log, for `lazaret try` and for `lazaret explain`.
#[derive(Clone, Debug)]
pub struct Record {
    /// its name
    pub filter: Arc<str>,
    /// where it was asked
    pub stage: Stage,
    /// of the filter, at that time
    pub mode: Mode,
    /// in its own words
    pub said: Said,
    /// did it count?
    pub weight: Weight,
    /// CPU used by this call
    pub cpu: Duration,
    /// real time of this call, host calls and waiting for a sandbox included
    pub wall: Duration,
    /// linear memory of its sandbox, octets; 0 when unknown
    pub memory: u64,
    /// what it wanted to change; applied if `weight` counts and there is no `edit_fault`
    pub edits: Vec<Edit>,
    /// its edits did not fit the message and were dropped
    pub edit_fault: Option<EditFault>,
    /// symbol, points, why
    pub scores: Vec<(String, f64, String)>,
    /// how long it wanted the reply held back
    pub pace: Duration,
    /// log lines, calls and notes dropped at a cap
    pub dropped: u32,
    /// parts of its reply that did not fit and were replaced by the host's
    pub replaced: u32,
}

/// What came back from a filter.
#[derive(Clone, Debug)]
pub enum Said {
    /// an answer
    Verdict(Verdict),
    /// none: its `on-failure` is the answer
    Failed(Box<Failure>),
    /// not asked, it failed earlier in this transaction: its `on-failure` still stands
    FailedEarlier(OnFailure),
    /// not asked, the message is over its `max-message`
    Unscanned {
        /// octets of the message
        size: u64,
        /// octets, `max-message`
        limit: u64,
    },
}

/// Whether and why not an answer counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// it did
    Counted,
    /// mode observe
    Observed,
    /// a verdict that its TOML does not grant: counted as continue
    NotGranted,
    /// a verdict without a meaning at this stage: counted as continue
    NotAllowed,
}

impl Decision {
    /// Nobody objects.
    pub fn pass() -> Self {
        Self {
            action: Action::Pass,
            by: None,
            pace: Duration::ZERO,
            records: Vec::new(),
        }
    }
}

impl Decision {
    /// Real time that filters took, all together.
    pub fn wall(&self) -> Duration {
        self.records.iter().map(|record| record.wall).sum()
    }
}

impl Record {
    /// What this filter said in this mode, without any effect, and without what it cost.
    pub fn of(filter: Arc<str>, stage: Stage, mode: Mode, said: Said) -> Self {
        Self {
            filter,
            stage,
            mode,
            said,
            weight: match mode {
                Mode::Enforce => Weight::Counted,
                Mode::Observe | Mode::Off => Weight::Observed,
            },
            cpu: Duration::ZERO,
            wall: Duration::ZERO,
            memory: 0,
            edits: Vec::new(),
            edit_fault: None,
            scores: Vec::new(),
            pace: Duration::ZERO,
            dropped: 0,
            replaced: 0,
        }
    }

    /// Did its effects (score, notes, pace, and edits without an `edit_fault`) count? A verdict that was not granted
    /// takes nothing from them.
    pub fn took_effect(&self) -> bool {
        matches!(self.said, Said::Verdict(_)) && self.weight != Weight::Observed
    }

    /// One word for the log: a verdict, `failed` or `unscanned`.
    pub fn word(&self) -> &'static str {
        match &self.said {
            Said::Verdict(verdict) => verdict.kind().name(),
            Said::Failed(_) | Said::FailedEarlier(_) => "failed",
            Said::Unscanned { .. } => "unscanned",
        }
    }
}

impl fmt::Display for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Weight::Counted => "counted",
            Weight::Observed => "observed",
            Weight::NotGranted => "not granted",
            Weight::NotAllowed => "not allowed at this stage",
        })
    }
}

/// `access at rcpt: reject, 0.21 ms`. Words from filters are escaped: they may hold anything.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.filter, self.stage, self.word())?;
        match &self.said {
            Said::Verdict(Verdict::Quarantine(reason)) => {
                write!(f, " ({})", reason.escape_debug())?
            }
            Said::Failed(failure) => {
                write!(f, " ({})", failure.kind.to_string().escape_debug())?;
            }
            Said::FailedEarlier(_) => write!(f, " (earlier)")?,
            Said::Unscanned { size, limit } => write!(f, " ({size} octets, limit {limit})")?,
            Said::Verdict(_) => {}
        }
        if self.weight != Weight::Counted {
            write!(f, ", {}", self.weight)?;
        }
        for edit in &self.edits {
            write!(f, ", {}", edit.to_string().escape_debug())?;
        }
        for (symbol, points, _) in &self.scores {
            write!(f, ", {} {points:+}", symbol.escape_debug())?;
        }
        if let Some(fault) = &self.edit_fault {
            write!(f, ", {fault}")?;
        }
        write!(f, ", {:.2} ms", self.cpu.as_secs_f64() * 1e3)
    }
}
