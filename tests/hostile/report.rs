//! The table of a run, for people and for programs.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::run::{Held, Outcome, Row};
use crate::quantile::quantile;

/// The share of messages that were quicker.
pub(super) const P99: f64 = 0.99;

/// For people: one line for each kind at each stage, with what the process held before its last round and after it; then what all of it cost.
pub fn table(outcome: &Outcome) -> String {
    let mut text = format!(
        "{:<46} {:<10} {:>5} {:>9} {:>9} {:>9} {:>9} {:>11} {:>12}  {}\n",
        "kind", "stage", "times", "call", "load", "p99", "quiet", "RSS MiB", "files", "answer"
    );
    for row in &outcome.rows {
        let _ = writeln!(
            text,
            "{:<46} {:<10} {:>5} {:>9} {:>9} {:>9} {:>9} {:>11} {:>12}  {}",
            clip(&row.kind, 46),
            row.stage,
            row.times,
            millis(row.longest),
            millis(row.loading),
            millis(quantile(&row.attack, P99)),
            millis(quantile(&row.quiet, P99)),
            before_and_after(row.base.resident >> 20, row.held.resident >> 20),
            before_and_after(row.base.descriptors as u64, row.held.descriptors as u64),
            clip(row.fault.as_deref().unwrap_or(&row.answer), 100)
        );
    }
    text.push_str(&summary(outcome));
    text
}

/// Of the process that holds proxy, clients and backend, as in docs/hostile.md.
pub(super) fn before_and_after(before: u64, after: u64) -> String {
    format!("{before} > {after}")
}

/// What all of it cost, and what was wrong.
pub fn summary(outcome: &Outcome) -> String {
    let (attack, quiet) = all_samples(outcome);
    let longest = outcome
        .rows
        .iter()
        .map(|row| row.longest)
        .max()
        .unwrap_or_default();
    let mut text = format!(
        "\n{} invocations of {} kinds and stages in {:.0} s; longest call {} of CPU\n\
         good clients: {} messages accepted, all delivered once; p99 {} beside attacks, {} when quiet (p50 {} and {})\n\
         resident {} MiB before, {} MiB after; descriptors {} before, {} after\n",
        outcome.invocations(),
        outcome.rows.len(),
        outcome.took.as_secs_f64(),
        millis(longest),
        outcome.accepted,
        millis(quantile(&attack, P99)),
        millis(quantile(&quiet, P99)),
        millis(quantile(&attack, 0.5)),
        millis(quantile(&quiet, 0.5)),
        outcome.before.resident >> 20,
        outcome.after.resident >> 20,
        outcome.before.descriptors,
        outcome.after.descriptors,
    );
    for row in outcome.rows.iter().filter(|row| row.fault.is_some()) {
        let fault = row.fault.as_deref().unwrap_or_default();
        let _ = writeln!(text, "WRONG: {} at {}: {fault}", row.kind, row.stage);
    }
    for fault in outcome.faults.iter().take(20) {
        let _ = writeln!(text, "WRONG: {fault}");
    }
    text
}

/// For programs; durations in microseconds, memory in octets.
pub fn as_json(outcome: &Outcome) -> Value {
    let (attack, quiet) = all_samples(outcome);
    json!({
        "rows": outcome.rows.iter().map(row_as_json).collect::<Vec<_>>(),
        "invocations": outcome.invocations(),
        "accepted": outcome.accepted,
        "p99_us": micros(quantile(&attack, P99)),
        "quiet_p99_us": micros(quantile(&quiet, P99)),
        "before": held_as_json(outcome.before),
        "after": held_as_json(outcome.after),
        "took_us": micros(outcome.took),
        "faults": outcome.faults,
        "good": outcome.is_good(),
    })
}

fn row_as_json(row: &Row) -> Value {
    json!({
        "kind": row.kind,
        "stage": row.stage,
        "answer": row.answer,
        "times": row.times,
        "longest_us": micros(row.longest),
        "loading_us": micros(row.loading),
        "p99_us": micros(quantile(&row.attack, P99)),
        "quiet_p99_us": micros(quantile(&row.quiet, P99)),
        "before": held_as_json(row.base),
        "after": held_as_json(row.held),
        "fault": row.fault,
    })
}

fn held_as_json(held: Held) -> Value {
    json!({ "resident": held.resident, "descriptors": held.descriptors })
}

fn all_samples(outcome: &Outcome) -> (Vec<Duration>, Vec<Duration>) {
    let rows = || outcome.rows.iter();
    let attack = rows().flat_map(|row| row.attack.iter().copied());
    let quiet = rows().flat_map(|row| row.quiet.iter().copied());
    (attack.collect(), quiet.collect())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// `-` for none.
pub(super) fn millis(duration: Duration) -> String {
    match duration {
        Duration::ZERO => "-".to_owned(),
        _ => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
    }
}

fn clip(text: &str, most: usize) -> String {
    let line = text.replace('\n', " / ");
    line.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_in_the_table_and_counts() {
        let row = Row {
            kind: "endless loop".to_owned(),
            stage: "mail",
            times: 3,
            longest: Duration::from_millis(12),
            base: Held {
                resident: 300 << 20,
                descriptors: 20,
            },
            held: Held {
                resident: 302 << 20,
                descriptors: 21,
            },
            fault: Some("it went on".to_owned()),
            ..Row::default()
        };
        let outcome = Outcome {
            rows: vec![row],
            ..Outcome::default()
        };
        assert!(!outcome.is_good());
        let table = table(&outcome);
        assert!(
            table.contains("WRONG: endless loop at mail: it went on"),
            "{table}"
        );
        let said = table.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            said.contains("endless loop mail 3 12.0 ms - - - 300 > 302 20 > 21 it went on"),
            "{table}"
        );
        let row = &as_json(&outcome)["rows"][0];
        assert_eq!(row["longest_us"], 12_000);
        assert_eq!(
            (&row["before"]["descriptors"], &row["after"]["descriptors"]),
            (&20.into(), &21.into())
        );
    }
}
