//! The chain: which filter is asked when, what it may do, and what it is limited to.

use std::sync::Arc;

use lazaret_config::ByteSize;
use lazaret_mail::chain::BreakerPolicy;
use lazaret_mail::{Filter, Grant, Mode, OnFailure, Policy};
use lazaret_proxy::Config;
use lazaret_proxy::filters::fits;
use lazaret_proxy::filters::report::{ChainReport, rights as rights_of};
use serde_json::{Value, json};

use super::settings::span;
use crate::output::{Table, printable};

/// The chain in the order it is asked, and each filter's rights and limits.
pub fn text(config: &Config, filters: &[Arc<dyn Filter>], now: Option<&ChainReport>) -> String {
    let Some(directory) = &config.filters else {
        return "filters     none: mail passes unfiltered\n".to_owned();
    };
    if filters.is_empty() {
        return format!("filters     {}, which holds none\n", directory.display());
    }
    let mut text = format!("filters     {}, asked in this order", directory.display());
    text.push_str(match config.mode {
        Mode::Observe => "; mode = \"observe\" above: nothing they say counts:\n\n",
        Mode::Enforce | Mode::Off => ":\n\n",
    });
    text.push_str(&asked(filters, now).print(2));
    if filters
        .iter()
        .any(|filter| !new(filter.as_ref(), now).is_empty())
    {
        text.push_str("\n  + is new: the proxy that runs does not grant it now\n");
    }
    text.push('\n');
    text.push_str(&limits(filters).print(2));
    text.push('\n');
    text.push_str(&sandboxes(filters).print(2));
    text
}

/// Rights that the filter of that name has not got in the proxy that runs; none where nobody runs.
fn new(filter: &dyn Filter, now: Option<&ChainReport>) -> Vec<String> {
    let Some(now) = now else { return Vec::new() };
    let before = now.filters.iter().find(|it| it.name == filter.name());
    let before = match before.map(|it| &it.rights) {
        Some(Some(rights)) => rights.as_slice(),
        Some(None) => return Vec::new(),
        None => &[],
    };
    let rights = rights_of(filter.policy()).into_iter();
    rights.filter(|right| !before.contains(right)).collect()
}

fn marked(rights: Vec<String>, new: &[String]) -> String {
    let mark = |right: String| match new.contains(&right) {
        true => format!("+{right}"),
        false => right,
    };
    rights.into_iter().map(mark).collect::<Vec<_>>().join(" ")
}

fn asked(filters: &[Arc<dyn Filter>], now: Option<&ChainReport>) -> Table {
    let mut table = Table::new(&["filter", "mode", "stages", "may use", "may say"]);
    for filter in filters {
        let policy = filter.policy();
        let new = new(filter.as_ref(), now);
        let verdicts = verdicts(policy).into_iter().map(str::to_owned).collect();
        table.row([
            filter.name().to_owned(),
            mode(policy.mode).to_owned(),
            stages(filter.as_ref()).join(" "),
            marked(rights(policy), &new),
            marked(verdicts, &new),
        ]);
    }
    table
}

fn limits(filters: &[Arc<dyn Filter>]) -> Table {
    let mut table = Table::new(&[
        "filter",
        "on failure",
        "CPU",
        "per MiB",
        "wall",
        "at once",
        "breaker",
        "memory",
        "max message",
    ]);
    for filter in filters {
        let policy = filter.policy();
        table.row([
            filter.name().to_owned(),
            on_failure(policy.on_failure).to_owned(),
            span(policy.time),
            span(policy.time_per_mib),
            span(policy.wall),
            policy.concurrency.to_string(),
            breaker(&policy.breaker),
            ByteSize(policy.memory).to_string(),
            ByteSize(policy.max_message).to_string(),
        ]);
    }
    table
}

/// `20 in 1m, 30s`: failures in a row within a time, and for how long it is then not asked.
fn breaker(policy: &BreakerPolicy) -> String {
    match policy.failures {
        0 => "never".to_owned(),
        failures => format!(
            "{failures} in {}, {}",
            span(policy.within),
            span(policy.open)
        ),
    }
}

/// How each sandbox comes by its configured state: what really happened when it was loaded.
fn sandboxes(filters: &[Arc<dyn Filter>]) -> Table {
    let mut table = Table::new(&["filter", "sandboxes start from"]);
    for filter in filters {
        table.row([filter.name().to_owned(), printable(filter.preparation())]);
    }
    table
}

/// What a filter takes for granted and this configuration does not have: `run` would not start.
pub fn misfits(config: &Config, filters: &[Arc<dyn Filter>]) -> Vec<String> {
    let misfit = |filter: &Arc<dyn Filter>| fits(filter.as_ref(), config).err();
    let misfits = filters.iter().filter_map(misfit);
    misfits.map(|misfit| misfit.to_string()).collect()
}

/// The filters for programs.
pub fn json(filters: &[Arc<dyn Filter>], now: Option<&ChainReport>) -> Value {
    let filter = |filter: &Arc<dyn Filter>| {
        let policy = filter.policy();
        json!({
            "name": filter.name(),
            "mode": mode(policy.mode),
            "stages": stages(filter.as_ref()),
            "grant": policy.grant.iter().map(Grant::to_string).collect::<Vec<_>>(),
            "deny": policy.deny,
            "verdicts": verdicts(policy),
            "new-rights": now.map(|now| new(filter.as_ref(), Some(now))),
            "listeners": policy.listeners,
            "on-failure": on_failure(policy.on_failure),
            "time-ms": milliseconds(policy.time),
            "time-per-mib-ms": milliseconds(policy.time_per_mib),
            "wall-ms": milliseconds(policy.wall),
            "concurrency": policy.concurrency,
            "breaker": {
                "failures": policy.breaker.failures,
                "within-ms": milliseconds(policy.breaker.within),
                "open-ms": milliseconds(policy.breaker.open),
            },
            "memory": policy.memory,
            "max-message": policy.max_message,
            "preparation": filter.preparation(),
        })
    };
    filters.iter().map(filter).collect()
}

fn milliseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn stages(filter: &dyn Filter) -> Vec<&'static str> {
    filter.stages().iter().map(|stage| stage.name()).collect()
}

fn verdicts(policy: &Policy) -> Vec<&'static str> {
    policy
        .verdicts
        .0
        .iter()
        .map(|verdict| verdict.name())
        .collect()
}

fn rights(policy: &Policy) -> Vec<String> {
    let denied = policy.deny.iter().map(|name| format!("not:{name}"));
    policy
        .grant
        .iter()
        .map(Grant::to_string)
        .chain(denied)
        .collect()
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Enforce => "enforce",
        Mode::Observe => "observe",
        Mode::Off => "off",
    }
}

fn on_failure(answer: OnFailure) -> &'static str {
    match answer {
        OnFailure::Defer => "defer",
        OnFailure::Reject => "reject",
        OnFailure::Skip => "skip",
        OnFailure::Quarantine => "quarantine",
    }
}
