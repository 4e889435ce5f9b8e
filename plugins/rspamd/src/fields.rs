//! The header section: what is written of an opinion, and what rspamd wants to have there.

use lazaret_filter::{Error, edit_headers, log};
use serde_json::Value;

use crate::opinion::{Opinion, safe};
use crate::settings::{Answer, Checked, MilterHeaders, Report};

/// Sorting programs look for it.
const FLAG: &str = "X-Spam";

/// Score and symbols.
const REPORT: &str = "X-Rspamd-Report";

/// Fields of rspamd's that are added or removed; who wants more is not rspamd.
const MOST_CHANGES: usize = 64;

/// Octets of the symbols in a report.
const MOST_OF_A_REPORT: usize = 600;

/// What a sender wrote there would be read as ours.
pub fn remove_forged() {
    for name in [FLAG, REPORT] {
        // Where fields are denied, nobody reads them.
        let _ = edit_headers::remove_all(name);
    }
}

/// All that this opinion leaves in the message.
pub fn write(settings: &Checked, answer: Answer, opinion: &Opinion) {
    if settings.milter_headers == MilterHeaders::Apply {
        apply(opinion);
    }
    let spam = matches!(answer, Answer::Tag | Answer::Subject);
    if spam {
        told(FLAG, edit_headers::add(FLAG, "Yes"));
    }
    if let (Answer::Subject, Some(subject)) = (answer, &opinion.subject) {
        rewrite_subject(subject);
    }
    if settings.report == Report::Always || (spam && settings.report == Report::Spam) {
        told(REPORT, edit_headers::add(REPORT, &report(opinion)));
    }
}

fn rewrite_subject(subject: &str) {
    let subject: String = subject.chars().filter(|c| !c.is_control()).collect();
    let replaced = match edit_headers::replace("Subject", 0, &subject) {
        // There was none.
        Err(Error::Invalid) => edit_headers::add("Subject", &subject),
        done => done,
    };
    told("Subject", replaced);
}

/// `add header, score=7.1 of 15.0; SYMBOL=5.0 OTHER=2.1`
pub fn report(opinion: &Opinion) -> String {
    let Opinion {
        action,
        score,
        required_score,
        ..
    } = opinion;
    let mut text = format!("{action}, score={score:.1} of {required_score:.1};");
    for (name, symbol) in opinion.weighty() {
        let entry = format!(" {}={:.1}", safe(name, 64), symbol.score);
        if text.len() + entry.len() > MOST_OF_A_REPORT {
            text += " ..";
            break;
        }
        text += &entry;
    }
    text
}

/// Removals first, as rspamd means them: of what the sender wrote.
fn apply(opinion: &Opinion) {
    let removals = opinion
        .milter
        .get("remove_headers")
        .and_then(Value::as_object);
    let removals = removals.into_iter().flatten().take(MOST_CHANGES);
    removals.for_each(|(name, nth)| told(name, remove(name, nth.as_i64())));
    let additions = opinion.milter.get("add_headers").and_then(Value::as_object);
    let additions = additions.into_iter().flatten();
    let signatures = Some(&opinion.dkim_signature).filter(|value| !value.is_null());
    let signatures = signatures.map(|value| ("DKIM-Signature", value));
    let all = additions
        .map(|(name, value)| (name.as_str(), value))
        .chain(signatures);
    let each = all.flat_map(|(name, value)| values(value).map(move |value| (name, value)));
    each.take(MOST_CHANGES)
        .for_each(|(name, value)| told(name, edit_headers::add(name, &unfolded(value))));
}

/// All (0), or the nth from 1 on; from the end nothing is counted.
fn remove(name: &str, nth: Option<i64>) -> Result<(), Error> {
    let nth = nth
        .and_then(|nth| u32::try_from(nth).ok())
        .ok_or(Error::Invalid)?;
    match nth.checked_sub(1) {
        None => edit_headers::remove_all(name).map(drop),
        Some(nth) => edit_headers::remove(name, nth).map(drop),
    }
}

/// A text, an object with `value`, or a list of either.
pub fn values(value: &Value) -> impl Iterator<Item = &str> {
    let several = value
        .as_array()
        .map_or(std::slice::from_ref(value), Vec::as_slice);
    several
        .iter()
        .filter_map(|one| one.as_str().or_else(|| one.get("value")?.as_str()))
}

/// The host folds by itself and takes no line ends.
pub fn unfolded(value: &str) -> String {
    let lines = value.split(['\r', '\n', '\t']).map(str::trim);
    let lines: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    lines.join(" ")
}

fn told(name: &str, done: Result<(), Error>) {
    if let Err(error) = done {
        log::warn(format_args!(
            "the field {} is not changed ({}): write \"edit-headers:{}\" into `grant` if it should be",
            safe(name, 64),
            error.name(),
            safe(name, 64)
        ));
    }
}
