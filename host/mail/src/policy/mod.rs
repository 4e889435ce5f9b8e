//! What the operator wrote for one filter: rights, limits, failure policy.

mod config;
mod lists;
mod outside;
mod read;

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use lazaret_config::{ConfigError, Source};
use serde::Deserialize;

use crate::chain::BreakerPolicy;
use crate::{Stage, StageSet, VerdictKind};

pub use lists::{ListDefinition, ListKind};
pub use read::Permission;

/// `mode` of a filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
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

/// `parallel`: beside whom a filter is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parallel {
    /// each after the one before it
    #[default]
    No,
    /// at the stage message, together with its neighbours in the chain that say the same
    Scan,
}

/// One entry of `grant`.
#[derive(Clone, Debug, PartialEq)]
pub enum Grant {
    /// `session`
    Session,
    /// `session:name`: `session`, and the client's name is resolved for it
    SessionName,
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
    /// `dns`, or `dns:*.zen.example,dns.example`: names, `*.` before one for all below it
    Dns(Vec<String>),
    /// `state`
    State,
    /// `http:127.0.0.1:11334`: origins, never none
    Http(Vec<String>),
    /// `tcp:127.0.0.1:3310`: addresses, never none
    Tcp(Vec<SocketAddr>),
    /// `lists`
    Lists,
    /// `metrics`
    Metrics,
}

/// As the operator writes it.
impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Grant::Session => "session",
            Grant::SessionName => "session:name",
            Grant::Envelope => "envelope",
            Grant::Headers => "headers",
            Grant::Body => "body",
            Grant::Parts => "parts",
            Grant::EditHeaders(patterns) => return scoped(f, "edit-headers", patterns),
            Grant::Score(least, most) if *least == f64::MIN && *most == f64::MAX => "score",
            Grant::Score(least, most) => return write!(f, "score:{least}..{most}"),
            Grant::Notes => "notes",
            Grant::Pace => "pace",
            Grant::Dns(names) => return scoped(f, "dns", names),
            Grant::State => "state",
            Grant::Http(origins) => return scoped(f, "http", origins),
            Grant::Tcp(addresses) => return scoped(f, "tcp", addresses),
            Grant::Lists => "lists",
            Grant::Metrics => "metrics",
        })
    }
}

fn scoped(f: &mut fmt::Formatter<'_>, name: &str, scope: &[impl fmt::Display]) -> fmt::Result {
    f.write_str(name)?;
    for (at, entry) in scope.iter().enumerate() {
        let before = if at == 0 { ":" } else { "," };
        write!(f, "{before}{entry}")?;
    }
    Ok(())
}

/// The verdicts a filter may give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictGrants(pub Vec<VerdictKind>);

impl VerdictGrants {
    /// `Continue` always may be said.
    pub fn allow(&self, verdict: VerdictKind) -> bool {
        verdict == VerdictKind::Continue || self.0.contains(&verdict)
    }
}

impl Default for VerdictGrants {
    fn default() -> Self {
        Self(vec![VerdictKind::Reject, VerdictKind::Defer])
    }
}

/// A filter's TOML, parsed. Unknown keys are refused by the reader.
#[derive(Clone, Debug, PartialEq)]
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
    /// `concurrency`: questions at once, of all sessions
    pub concurrency: usize,
    /// `breaker`: when it is not asked for a while
    pub breaker: BreakerPolicy,
    /// `dns-time`: real time that all queries of a stage may take together
    pub dns_time: Duration,
    /// `http-time`: real time that all requests of a stage may take together
    pub http_time: Duration,
    /// `tcp-time`: real time that it may wait for its sockets at one stage, all waits together
    pub tcp_time: Duration,
    /// `tcp-size`: octets that its sockets may carry at one stage, both ways together
    pub tcp_size: u64,
    /// `state-keys`: the most keys that it may keep
    pub state_keys: u64,
    /// `state-size`: the most octets of keys and values together
    pub state_size: u64,
    /// `[lists]`
    pub lists: Vec<ListDefinition>,
    /// `parallel`
    pub parallel: Parallel,
    /// `memory`: octets
    pub memory: u64,
    /// `max-message`: octets
    pub max_message: u64,
    /// `[config]` as JSON text, `{ lines = .. }` and `{ file = .. }` resolved
    pub config: String,
}

/// Reads the TOML of one filter. See [`Policy::read`].
pub fn read(path: &Path) -> Result<Policy, ConfigError> {
    Policy::read(path)
}

/// A filter without a word from the operator: nothing granted, the limits of the design.
impl Default for Policy {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            on_failure: OnFailure::default(),
            grant: Vec::new(),
            deny: Vec::new(),
            verdicts: VerdictGrants::default(),
            stages: None,
            listeners: None,
            time: Duration::from_millis(250),
            time_per_mib: Duration::from_millis(50),
            wall: Duration::from_secs(10),
            concurrency: 256,
            breaker: BreakerPolicy::default(),
            dns_time: Duration::from_secs(5),
            http_time: Duration::from_secs(5),
            tcp_time: Duration::from_secs(5),
            tcp_size: 128 << 20,
            state_keys: 1_000_000,
            state_size: 256 << 20,
            lists: Vec::new(),
            parallel: Parallel::default(),
            memory: 64 << 20,
            max_message: 25 << 20,
            config: "{}".into(),
        }
    }
}

impl Policy {
    /// Reads the TOML of one filter; paths in `[config]` are relative to it. Unknown keys, permissions, verdicts and
    /// stages, grants that do not parse and list files that cannot be read are errors with line and nearest word.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        read::policy(&Source::read(path)?, &mut |_| ())
    }

    /// The same of a text as if it stood in `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        Self::parse_noting(path, text, &mut |_| ())
    }

    /// The same; `reading` is told of each file that `[config]` names before that file is read, also where it then
    /// cannot be. Whoever watches files learns here which.
    pub fn parse_noting(
        path: &Path,
        text: &str,
        reading: &mut dyn FnMut(&Path),
    ) -> Result<Self, ConfigError> {
        read::policy(&Source::new(path, text), reading)
    }

    /// May this filter send mail into the quarantine, by verdict or by failing?
    pub fn may_quarantine(&self) -> bool {
        self.mode != Mode::Off
            && (self.on_failure == OnFailure::Quarantine
                || self.verdicts.allow(VerdictKind::Quarantine))
    }

    /// May this filter remember anything?
    pub fn has_state(&self) -> bool {
        self.mode != Mode::Off && self.grant.contains(&Grant::State)
    }

    /// Is the filter asked on this listener?
    pub fn listens_on(&self, listener: &str) -> bool {
        let only = self.listeners.as_ref();
        only.is_none_or(|only| only.iter().any(|name| name == listener))
    }

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
