//! What runs, as the admin port, the control socket and `lazaret filters` tell it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lazaret_mail::chain::{BreakerStanding, BreakerState};
use lazaret_mail::{Grant, Mode, Policy, Switched};
use serde::{Deserialize, Serialize};

use crate::left::whole_milliseconds;

/// The running generation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ChainReport {
    /// counts up with each change of the directory
    pub generation: u64,
    /// when it began, in seconds since 1970
    pub since: u64,
    /// `mode` of the configuration
    pub configured_mode: String,
    /// the operator's word about all filters
    pub switched: Option<SwitchReport>,
    /// in the order they are asked
    pub filters: Vec<FilterReport>,
    /// why the directory, as it is now, does not run
    pub load_error: Option<TroubleReport>,
}

/// One filter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FilterReport {
    /// the file name without ending, e.g. `10-access`
    pub file: String,
    /// without the number
    pub name: String,
    /// what counts now: `enforce`, `observe`, `off`
    pub mode: String,
    /// what its TOML says
    pub own_mode: String,
    /// the operator's word about it, or about all
    pub switched: Option<SwitchReport>,
    /// at which it is asked
    pub stages: Vec<String>,
    /// what it may use and say, as its TOML grants it, see [`rights`]; an older proxy does not tell
    #[serde(default)]
    pub rights: Option<Vec<String>>,
    /// how its sandboxes come by their configured state
    pub preparation: String,
    /// first octets of the hash of component, TOML and lists
    pub hash: String,
    /// why it could not be loaded; it answers with its `on-failure`
    pub not_loaded: Option<String>,
    /// questions since the start
    pub asked: u64,
    /// of them without an answer
    pub failed: u64,
    /// CPU of all of them, in milliseconds
    pub cpu_ms: u64,
    /// whether it is asked
    pub breaker: BreakerReport,
    /// questions that were not asked because of that
    pub kept_out: u64,
}

/// What a filter may use, as in `grant`, and the verdicts that count of it.
pub fn rights(policy: &Policy) -> Vec<String> {
    let uses = policy.grant.iter().map(Grant::to_string);
    let says = policy.verdicts.0.iter().map(|it| it.name().to_owned());
    uses.chain(says).collect()
}

/// Whether a filter is asked, or left alone because it failed over and over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BreakerReport {
    /// `closed`; `open`: not asked, its `on-failure` answers; `half-open`: one question is trying it
    pub state: String,
    /// failures in a row, as far as they are counted
    pub failures: usize,
    /// milliseconds until one question may try it, rounded up: 0 is now
    pub next_probe_ms: Option<u64>,
}

impl BreakerReport {
    /// Is the filter not asked?
    pub fn is_open(&self) -> bool {
        self.state != "closed"
    }
}

impl From<BreakerStanding> for BreakerReport {
    fn from(standing: BreakerStanding) -> Self {
        let (state, next) = match standing.state {
            BreakerState::Closed => ("closed", None),
            BreakerState::Open(left) => ("open", Some(left)),
            BreakerState::HalfOpen => ("half-open", None),
        };
        Self {
            state: state.to_owned(),
            failures: standing.failures,
            next_probe_ms: next.map(whole_milliseconds),
        }
    }
}

/// The operator's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SwitchReport {
    /// `enforce`, `observe`
    pub mode: String,
    /// in seconds since 1970
    pub since: u64,
}

/// Why the directory, as it is now, does not run: the last good generation goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TroubleReport {
    /// in seconds since 1970
    pub since: u64,
    /// one for each file at fault
    pub errors: Vec<String>,
}

/// As written in TOML.
pub fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
        Mode::Off => "off",
    }
}

pub(crate) fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or(Duration::ZERO).as_secs()
}

impl From<Switched> for SwitchReport {
    fn from(switched: Switched) -> Self {
        Self {
            mode: word(switched.mode).to_owned(),
            since: seconds(switched.since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_time_is_left_only_when_none_is() {
        let told = |left| {
            let standing = BreakerStanding {
                state: BreakerState::Open(left),
                failures: 3,
            };
            BreakerReport::from(standing).next_probe_ms
        };
        assert_eq!(told(Duration::ZERO), Some(0));
        assert_eq!(told(Duration::from_micros(1)), Some(1));
        assert_eq!(told(Duration::from_millis(7)), Some(7));
    }
}
