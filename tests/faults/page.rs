//! `docs/faults.md`: the table of the last whole run.

use std::fmt::Write;

use super::gauges::GAUGES;
use super::held::{SLACK, SLACK_OF_PLAYS};
use super::plays::{GROWTH, MOST};
use super::report::{millis, result};
use super::run::{Line, NOT_SLOW, Outcome, TIMES};

const HEAD: &str = "\
# What came of the fault table

Written by `cargo xtask faults`. Each row starts the program as a process of its own, lets it run quietly, hurts it while clients send, waits
up to ten seconds until all is as it was, and closes the books: **N** messages were sent, **A** accepted, **R** refused, **U** ended without a
reply. **lost** were accepted and are not at the backend, **doubled** are there twice, **ghosts** are there though they were refused, but for
those that the backend took **in silence** (RFC 1047), where nobody can know. **quiet** is the 99th percentile of a client that has nothing to
do with the fault and sends a message every 10 ms: for 3 s before it, while ten clients send as fast as they can, as they do later. **beside**
is the same meanwhile, and **factor** is **beside** by **quiet**; `-` where the fault is everybody's. Memory, descriptors and threads are of
the program, before and after.

A row fails where a message is lost, doubled or a ghost, where what its fault is to come to did not come, where the process ends, and where
* the client beside hears anything but 250; only where messages have no room (rows 12 and 14) may that be 452;
";

const COLUMNS: &str = "
| row | fault | result | N | A | R | U | lost | doubled | ghosts | in silence | quiet | beside | factor | RSS MiB | files | threads | seen |
| ---: | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- | --- | --- | --- |
";

/// What is judged, with the numbers.
fn limits() -> String {
    let mib = |octets: u64| octets >> 20;
    format!(
        "\
* **beside** is more than {TIMES} times **quiet** and more than {} ms: what is below that, a machine that is shared with the clients does by
  itself. A row in which only that client was slow is played again, up to three times;
* after ten seconds the process holds more than {} MiB, {} descriptors or {} threads on top of what it held before, which an allocator and a
  pool of connections may keep; what is remembered of past transactions is full before the fault. Where a load takes more, it is played over
  and over, up to {MOST} times, until two plays in a row leave no more than {} MiB on top of what was held before them: **seen** has what was
  **resident** before the first play and after each. What somebody forgets to give back comes on top each time, and never ends; an allocator
  keeps what was freed in each of its threads, and that does. All plays together may leave {} MiB;
* within the same ten seconds, with no client left, one of these is not 0: `{}`.
",
        NOT_SLOW.as_millis(),
        mib(SLACK.resident),
        SLACK.descriptors,
        SLACK.threads,
        mib(GROWTH),
        mib(SLACK_OF_PLAYS.resident),
        GAUGES.join("`, `"),
    )
}

/// The whole page.
pub fn page(outcome: &Outcome) -> String {
    let mut text = [HEAD, &limits(), COLUMNS].concat();
    text.extend(outcome.lines.iter().map(line_of));
    let messages: usize = outcome.lines.iter().map(|line| line.balance.sent).sum();
    let _ = writeln!(
        text,
        "\n{} rows, {messages} messages, {:.0} s.",
        outcome.lines.len(),
        outcome.took.as_secs_f64()
    );
    for line in &outcome.lines {
        for fault in &line.faults {
            let _ = writeln!(text, "* **row {}**: {}", line.number, cell(fault));
        }
    }
    text
}

fn line_of(line: &Line) -> String {
    let balance = &line.balance;
    let counts = [
        balance.sent,
        balance.accepted,
        balance.refused,
        balance.unknown,
        balance.lost.len(),
        balance.doubled.len(),
        balance.ghosts.len(),
        balance.silent,
    ];
    let held = [
        (line.base.resident >> 20, line.after.resident >> 20),
        (line.base.descriptors as u64, line.after.descriptors as u64),
        (line.base.threads as u64, line.after.threads as u64),
    ];
    let mut text = format!(
        "| {} | {} | {} |",
        line.number,
        cell(line.fault),
        result(line)
    );
    for count in counts {
        let _ = write!(text, " {count} |");
    }
    let _ = write!(
        text,
        " {} | {} | {} |",
        millis(line.quiet),
        millis(line.meanwhile),
        factor(line)
    );
    for (before, after) in held {
        let _ = write!(text, " {before} > {after} |");
    }
    text + " " + &cell(&line.seen) + " |\n"
}

/// How many times as long the client beside took meanwhile; `-` where the fault is everybody's.
fn factor(line: &Line) -> String {
    if line.quiet.is_zero() || line.meanwhile.is_zero() {
        return "-".to_owned();
    }
    let factor = line.meanwhile.as_secs_f64() / line.quiet.as_secs_f64();
    format!("{factor:.1}")
}

fn cell(text: &str) -> String {
    text.replace('\n', " / ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::run::State;
    use super::*;

    #[test]
    fn the_factor_is_told_where_both_are_known() {
        let mut line = Line::default();
        assert_eq!(factor(&line), "-");
        line.quiet = Duration::from_millis(10);
        assert_eq!(factor(&line), "-");
        line.meanwhile = Duration::from_millis(25);
        assert_eq!(factor(&line), "2.5");
    }

    #[test]
    fn each_row_is_a_line_with_as_many_cells_as_the_head() {
        let line = Line {
            number: 7,
            fault: "a | b",
            state: State::Played,
            faults: vec!["2 lost".to_owned()],
            ..Line::default()
        };
        let page = page(&Outcome {
            lines: vec![line],
            ..Outcome::default()
        });
        let cells = |start: &str| {
            let line = page.lines().find(|line| line.starts_with(start));
            line.unwrap().replace("\\|", "").matches('|').count()
        };
        assert_eq!(cells("| 7 |"), cells("| row |"), "{page}");
        assert!(page.contains("* **row 7**: 2 lost"), "{page}");
        assert!(page.contains("more than 25 ms"), "{page}");
    }
}
