//! The table of a run, for people and for programs.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::run::{Line, Outcome, State};

/// For people: a line for each row, then what was wrong.
pub fn table(outcome: &Outcome) -> String {
    let mut text = format!(
        "{:>3} {:<44} {:<7} {:>5} {:>5} {:>5} {:>4} {:>5} {:>5} {:>9} {:>9} {:>9} {:>5} {:>5}  {}\n",
        "row", "fault", "result", "N", "A", "R", "U", "S", "quiet commits", "p99 quiet", "meanwhile", "RSS MiB", "fds", "time", "seen"
    )
    .replace("quiet commits", "sil.");
    for line in &outcome.lines {
        text.push_str(&line_of(line));
    }
    text.push_str(&summary(outcome));
    text
}

fn line_of(line: &Line) -> String {
    let balance = &line.balance;
    format!(
        "{:>3} {:<44} {:<7} {:>5} {:>5} {:>5} {:>4} {:>5} {:>4} {:>9} {:>9} {:>9} {:>5} {:>4.0}s  {}\n",
        line.number,
        line.fault,
        result(line),
        balance.sent,
        balance.accepted,
        balance.refused,
        balance.unknown,
        balance.stored,
        balance.silent,
        millis(line.quiet),
        millis(line.meanwhile),
        format!("{}>{}", line.base.resident >> 20, line.after.resident >> 20),
        format!("{}>{}", line.base.descriptors, line.after.descriptors),
        line.took.as_secs_f64(),
        line.seen
    )
}

/// One word.
pub(super) fn result(line: &Line) -> &'static str {
    match line.state {
        _ if !line.faults.is_empty() => "FAILED",
        State::Skipped => "skipped",
        State::Played if line.skipped.is_empty() => "passed",
        State::Played => "in part",
    }
}

fn summary(outcome: &Outcome) -> String {
    let count = |wanted: &str| {
        outcome
            .lines
            .iter()
            .filter(|line| result(line) == wanted)
            .count()
    };
    let messages: usize = outcome.lines.iter().map(|line| line.balance.sent).sum();
    let mut text = format!(
        "\n{} passed, {} failed, {} in part, {} skipped; {messages} messages in {:.0} s\n\
         N sent, A accepted, R refused, U without a reply, S at the backend, sil. taken by it in silence; before > after\n",
        count("passed"),
        count("FAILED"),
        count("in part"),
        count("skipped"),
        outcome.took.as_secs_f64()
    );
    for line in &outcome.lines {
        for why in &line.skipped {
            let (number, fault) = (line.number, line.fault);
            let _ = writeln!(text, "SKIPPED: row {number} ({fault}): {why}");
        }
        for fault in &line.faults {
            let _ = writeln!(text, "WRONG: row {} ({}): {fault}", line.number, line.fault);
        }
    }
    text
}

/// One line of progress.
pub fn brief(line: &Line) -> String {
    let words = match line.faults.first() {
        Some(fault) => fault.replace('\n', " / "),
        None => line.seen.clone(),
    };
    format!(
        "row {} {}: {} ({words})",
        line.number,
        result(line),
        line.fault
    )
}

/// For programs; durations in microseconds, memory in octets.
pub fn as_json(outcome: &Outcome) -> Value {
    json!({
        "rows": outcome.lines.iter().map(line_as_json).collect::<Vec<_>>(),
        "took_us": micros(outcome.took),
        "good": outcome.is_good(),
    })
}

fn line_as_json(line: &Line) -> Value {
    let balance = &line.balance;
    json!({
        "row": line.number,
        "fault": line.fault,
        "result": result(line).to_lowercase(),
        "seen": line.seen,
        "skipped": line.skipped,
        "wrong": line.faults,
        "sent": balance.sent,
        "accepted": balance.accepted,
        "refused": balance.refused,
        "unknown": balance.unknown,
        "stored": balance.stored,
        "silent": balance.silent,
        "lost": balance.lost.len(),
        "doubled": balance.doubled.len(),
        "ghosts": balance.ghosts.len(),
        "foreign": balance.foreign.len(),
        "answered_us": micros(line.answered),
        "quiet_p99_us": micros(line.quiet),
        "p99_us": micros(line.meanwhile),
        "resident": [line.base.resident, line.after.resident],
        "descriptors": [line.base.descriptors, line.after.descriptors],
        "threads": [line.base.threads, line.after.threads],
        "took_us": micros(line.took),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_in_both_and_the_run_is_not_good() {
        let line = Line {
            number: 16,
            fault: "SIGKILL under load",
            state: State::Played,
            faults: vec!["2 lost, e.g. x".to_owned()],
            ..Line::default()
        };
        let in_part = Line {
            number: 28,
            state: State::Played,
            skipped: vec!["openssl not installed".to_owned()],
            ..Line::default()
        };
        let outcome = Outcome {
            lines: vec![line, Line::default(), in_part],
            ..Outcome::default()
        };
        assert!(!outcome.is_good());
        let table = table(&outcome);
        assert!(
            table.contains("WRONG: row 16 (SIGKILL under load): 2 lost, e.g. x"),
            "{table}"
        );
        assert!(
            table.contains("0 passed, 1 failed, 1 in part, 1 skipped"),
            "{table}"
        );
        assert!(
            table.contains("SKIPPED: row 28 (): openssl not installed"),
            "{table}"
        );
        let json = as_json(&outcome);
        assert_eq!(json["rows"][0]["result"], "failed");
        assert_eq!(json["rows"][1]["result"], "skipped");
        assert_eq!(json["good"], false);
    }
}
