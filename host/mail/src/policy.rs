//! What the operator wrote for one filter: rights, limits, failure policy.

use std::time::Duration;

use crate::{Stage, StageSet, VerdictKind};

/// `mode` of a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// verdicts and edits count
    #[default]
    Enforce,
    /// recorded, not applied
    Observe,
    /// not asked
    Off,
}

/// The answer for a filter that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// 451 4.7.1
    #[default]
    Defer,
    /// 550 5.7.1
    Reject,
    /// as if it had said continue
    Skip,
    /// 250 once quarantined
    Quarantine,
}

/// One entry of `grant`.
#[derive(Clone, Debug, PartialEq)]
pub enum Grant {
    /// `session`
    Session,
    /// `envelope`
    Envelope,
    /// `headers`
    Headers,
    /// `body`
    Body,
    /// `parts`
    Parts,
    /// `edit-headers`, or `edit-headers:X-Spam-*` (patterns, `*` at the end or alone)
    EditHeaders(Vec<String>),
    /// `score`, or `score:-2..8`
    Score(f64, f64),
    /// `notes`
    Notes,
    /// `pace`
    Pace,
}

/// The verdicts a filter may give.
#[derive(Clone, Debug)]
pub struct VerdictGrants(pub Vec<VerdictKind>);

impl Default for VerdictGrants {
    fn default() -> Self {
        Self(vec![VerdictKind::Reject, VerdictKind::Defer])
    }
}

/// A filter's TOML, parsed. Unknown keys are refused by the reader.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `mode`
    pub mode: Mode,
    /// `on-failure`
    pub on_failure: OnFailure,
    /// `grant`
    pub grant: Vec<Grant>,
    /// `deny`: permission names
    pub deny: Vec<String>,
    /// `verdicts`
    pub verdicts: VerdictGrants,
    /// `stages`: None = all that it exports
    pub stages: Option<Vec<Stage>>,
    /// `listeners`: None = all
    pub listeners: Option<Vec<String>>,
    /// `time`: CPU a stage
    pub time: Duration,
    /// `time-per-mib`: added by size at message stages
    pub time_per_mib: Duration,
    /// `wall`: real time a stage
    pub wall: Duration,
    /// `memory`: octets
    pub memory: u64,
    /// `max-message`: octets
    pub max_message: u64,
    /// `[config]` as JSON text, `{ lines = .. }` and `{ file = .. }` resolved
    pub config: String,
}

impl Policy {
    /// The stages asked: exported, and subscribed to by the operator.
    pub fn narrow(&self, exported: StageSet) -> StageSet {
        let mut set = StageSet::default();
        exported
            .iter()
            .filter(|s| self.stages.as_ref().is_none_or(|only| only.contains(s)))
            .for_each(|s| set.insert(s));
        set
    }
}
