//! What a filter's TOML takes for granted, and a configuration may not have.

use std::path::Path;

use lazaret_mail::{Filter, LoadError, Policy};

use super::draft;
use crate::{Config, StartError};

/// What gives filters a memory.
const STATE_CURE: &str = "add `state = \"state.redb\"` (or \"redis://..\", or \"memory\") to the configuration and restart; or deny the filter `state`";

/// What of a configuration filters depend on.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    places: Places,
    listeners: Vec<String>,
}

/// What the configuration names for filters to keep things in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Places {
    Both,
    Quarantine,
    State,
    Neither,
}

impl Places {
    fn of(config: &Config) -> Self {
        match (config.quarantine.is_some(), config.state.is_some()) {
            (true, true) => Places::Both,
            (true, false) => Places::Quarantine,
            (false, true) => Places::State,
            (false, false) => Places::Neither,
        }
    }
}

impl Needs {
    pub(crate) fn of(config: &Config) -> Self {
        let listeners = config.listeners.iter();
        Self {
            places: Places::of(config),
            listeners: listeners.map(|listener| listener.name.clone()).collect(),
        }
    }

    fn lacks_quarantine(&self, policy: &Policy) -> bool {
        policy.may_quarantine() && matches!(self.places, Places::State | Places::Neither)
    }

    fn lacks_state(&self, policy: &Policy) -> bool {
        policy.has_state() && matches!(self.places, Places::Quarantine | Places::Neither)
    }

    fn lacks_listener<'p>(&self, policy: &'p Policy) -> Option<&'p String> {
        let wanted = policy.listeners.iter().flatten();
        wanted
            .into_iter()
            .find(|name| !self.listeners.contains(name))
    }

    /// The same as [`fits`] for a filter that is not loaded yet.
    pub(super) fn misfit(&self, toml: Option<&Path>, policy: &Policy) -> Option<LoadError> {
        let toml = toml.unwrap_or(Path::new(""));
        if self.lacks_quarantine(policy) {
            let cure = "take the verdict from the filter; or add `quarantine = \"DIRECTORY\"` to the configuration and restart";
            let problem = "may quarantine, but there is no quarantine";
            return Some(draft::error(toml, problem, cure.to_owned()));
        }
        if self.lacks_state(policy) {
            let problem = "is granted `state`, but there is nowhere to keep it";
            return Some(draft::error(toml, problem, STATE_CURE.to_owned()));
        }
        let listener = self.lacks_listener(policy)?;
        let problem =
            format!("has `listeners = [\"{listener}\"]`, but no [[listener]] has that name");
        let cure = format!("known here: `{}`", self.listeners.join("`, `"));
        Some(draft::error(toml, &problem, cure))
    }
}

/// What a filter's TOML takes for granted must be there: a quarantine if it may quarantine, each of its `listeners`.
/// [`Proxy::bind`](crate::Proxy::bind) asks this of every filter.
pub fn fits(filter: &dyn Filter, config: &Config) -> Result<(), StartError> {
    let needs = Needs::of(config);
    if needs.lacks_quarantine(filter.policy()) {
        return Err(StartError::NoQuarantine(filter.name().to_owned()));
    }
    if needs.lacks_state(filter.policy()) {
        return Err(StartError::NoState(filter.name().to_owned()));
    }
    match needs.lacks_listener(filter.policy()) {
        None => Ok(()),
        Some(listener) => Err(StartError::NoListener {
            filter: filter.name().to_owned(),
            listener: listener.clone(),
        }),
    }
}
