//! `docs/faults.md`: the table of the last whole run.

use std::fmt::Write;

use super::gauges::GAUGES;
use super::held::{SLACK, SLACK_OF_PLAYS};
use super::plays::{GROWTH, MOST};
use super::report::{millis, result};
use super::run::{ANSWERED, Line, NOT_SLOW, Outcome, TIMES};

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
* **beside** is more than {TIMES} times **quiet** and more than {} ms, which a few switches of tasks take on a machine that is shared with the
  clients; below the table is what came of that allowance. A row in which only that client was slow is played again, up to three times;
* a message that was sent before the fault waits more than {} s for its reply, from the dot on;
* after ten seconds the process holds more than {} MiB, {} descriptors or {} threads on top of what it held before, which an allocator and a
  pool of connections may keep; what is remembered of past transactions is full before the fault. Where a load takes more, it is played over
  and over, up to {MOST} times, until two plays in a row leave no more than {} MiB on top of what was held before them: **seen** has what was
  **resident** before the first play and after each. What somebody forgets to give back comes on top each time, and never ends; an allocator
  keeps what was freed in each of its threads, and that does. All plays together may leave {} MiB;
* within the same ten seconds, with no client left, one of these is not 0: `{}`.

What cannot be played for want of a tool is **skipped**, or a row **in part**; with `LAZARET_REQUIRE_PEERS=1` it fails.
",
        NOT_SLOW.as_millis(),
        ANSWERED.as_secs(),
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
    let lines = &outcome.lines;
    let mut text = [HEAD, &limits(), COLUMNS].concat();
    text.extend(lines.iter().map(line_of));
    let messages: usize = lines.iter().map(|line| line.balance.sent).sum();
    let timed: usize = lines.iter().map(|line| line.timed).sum();
    let answered = lines.iter().map(|line| line.answered).max();
    let _ = writeln!(
        text,
        "\n{} rows, {messages} messages, {:.0} s. Of {timed} messages that were accepted before a fault each had its reply within {} of its dot.\n{}.",
        lines.len(),
        outcome.took.as_secs_f64(),
        millis(answered.unwrap_or_default()),
        allowed(lines),
    );
    text.extend(lines.iter().map(remarks));
    text
}

/// The rows in which the client beside would have been slow without the allowance.
fn allowed(lines: &[Line]) -> String {
    let allowed = |line: &&Line| line.meanwhile <= NOT_SLOW && line.meanwhile > line.quiet * TIMES;
    let rows: Vec<_> = lines
        .iter()
        .filter(allowed)
        .map(|line| line.number.to_string())
        .collect();
    let allowance = NOT_SLOW.as_millis();
    match rows.is_empty() {
        true => format!("No row needed the allowance of {allowance} ms"),
        false => format!(
            "The allowance of {allowance} ms was needed in row {}",
            rows.join(", ")
        ),
    }
}

/// What was skipped, and what was wrong.
fn remarks(line: &Line) -> String {
    let number = line.number;
    let skipped = line
        .skipped
        .iter()
        .map(|why| format!("skipped: {}", cell(why)));
    let faults = line.faults.iter().map(|fault| cell(fault));
    let remark = |remark| format!("* **row {number}**: {remark}\n");
    skipped.chain(faults).map(remark).collect()
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
            skipped: vec!["moon not installed".to_owned()],
            quiet: Duration::from_millis(1),
            meanwhile: NOT_SLOW,
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
        for told in [
            "* **row 7**: skipped: moon not installed\n* **row 7**: 2 lost\n",
            "and more than 10 ms",
            "The allowance of 10 ms was needed in row 7.",
        ] {
            assert!(page.contains(told), "no {told} in {page}");
        }
    }
}
