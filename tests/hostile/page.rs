//! `docs/hostile.md`: what a whole run came to, one line for each kind.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use super::attack::STAGES;
use super::report::{P99, before_and_after, millis, summary};
use super::run::{Outcome, Row};
use crate::quantile::quantile;

const HEAD: &str = "\
# What came of the hostile set

Written by `cargo xtask hostile`; [security.md](security.md) says what it is. Each line is a kind of attack, at all the stages where it
was played; what the proxy answered is the reply's code, or the error of a file that was refused. **call** is the longest one, in CPU time of
the filter and of the host for it. **beside** is the 99th percentile of the messages of two clients that did nothing wrong, while it was
played, and **quiet** just after it, when nobody attacked: there are a few dozen messages to a line, so that this is nearly the slowest one.
Memory and descriptors are of the process that holds proxy, clients and backend, before the last round and after it.

| kind | stages | times | answer | call | beside | quiet | RSS MiB | files |
| --- | --- | ---: | --- | ---: | ---: | ---: | --- | --- |
";

/// Characters of an answer that are shown.
const WORDS: usize = 70;

/// The whole page.
pub fn page(outcome: &Outcome) -> String {
    let mut text = HEAD.to_owned();
    for rows in kinds(&outcome.rows) {
        text.push_str(&line(&rows));
    }
    let _ = write!(
        text,
        "\nIn all:\n\n```text\n{}```\n",
        summary(outcome).trim_start()
    );
    text
}

/// The rows of each kind together, asked before loaded, in their order.
fn kinds(rows: &[Row]) -> Vec<Vec<&Row>> {
    let mut kinds: Vec<Vec<&Row>> = Vec::new();
    for row in rows {
        let same =
            |kind: &&mut Vec<&Row>| kind[0].kind == row.kind && is_asked(kind[0]) == is_asked(row);
        match kinds.iter_mut().find(same) {
            Some(kind) => kind.push(row),
            None => kinds.push(vec![row]),
        }
    }
    kinds
}

/// Is it played while mail flows?
fn is_asked(row: &Row) -> bool {
    STAGES.iter().any(|stage| stage.name() == row.stage)
}

fn line(rows: &[&Row]) -> String {
    let last = rows[rows.len() - 1];
    let longest = rows.iter().map(|row| row.longest).max();
    let p99 = |of: fn(&Row) -> &[Duration]| {
        let samples: Vec<Duration> = rows.iter().flat_map(|row| of(row)).copied().collect();
        millis(quantile(&samples, P99))
    };
    format!(
        "| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
        cell(&rows[0].kind),
        stages(rows),
        rows.iter().map(|row| row.times).sum::<u64>(),
        answers(rows),
        millis(longest.unwrap_or_default()),
        p99(|row| &row.attack),
        p99(|row| &row.quiet),
        before_and_after(last.base.resident >> 20, last.held.resident >> 20),
        before_and_after(last.base.descriptors as u64, last.held.descriptors as u64),
    )
}

fn stages(rows: &[&Row]) -> String {
    let names: Vec<&str> = rows.iter().map(|row| row.stage).collect();
    match names.len() == STAGES.len() {
        true => "all".to_owned(),
        false => names.join(", "),
    }
}

/// Codes where a client heard something, words where a file was loaded; what was wrong before both.
fn answers(rows: &[&Row]) -> String {
    let fault = rows.iter().find_map(|row| row.fault.as_deref());
    if let Some(fault) = fault {
        return format!("**WRONG**: {}", cell(fault));
    }
    let answer = |row: &&Row| match is_asked(row) {
        true => row.answer.chars().take(3).collect(),
        false => cell(&row.answer),
    };
    let distinct: BTreeSet<String> = rows.iter().map(answer).collect();
    distinct.into_iter().collect::<Vec<_>>().join(" or ")
}

/// Words that neither end the cell nor mean anything to Markdown.
fn cell(text: &str) -> String {
    let clipped = text.lines().next().unwrap_or_default().chars().take(WORDS);
    let escaped = clipped.flat_map(|c| {
        let marks = matches!(c, '|' | '<' | '>' | '*' | '_' | '`' | '[' | ']' | '\\');
        marks.then_some('\\').into_iter().chain([c])
    });
    escaped.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(kind: &str, stage: &'static str, answer: &str) -> Row {
        Row {
            kind: kind.to_owned(),
            stage,
            answer: answer.to_owned(),
            times: 2,
            ..Row::default()
        }
    }

    #[test]
    fn a_kind_is_one_line_for_its_stages_and_one_for_loading() {
        let outcome = Outcome {
            rows: vec![
                row("loop", "mail", "451 4.7.1 later [s1]"),
                row("trap", "mail", "451 4.7.1 later [s2]"),
                row("loop", "connect", "421 4.7.1 later [s3]"),
                row("loop", "configure", "it used up its | time\nand more"),
            ],
            ..Outcome::default()
        };
        let page = page(&outcome);
        assert!(
            page.contains("| loop | mail, connect | 4 | 421 or 451 |"),
            "{page}"
        );
        assert!(
            page.contains("| loop | configure | 2 | it used up its \\| time |"),
            "{page}"
        );
        assert!(page.contains("8 invocations of 4 kinds"), "{page}");
    }

    #[test]
    fn what_went_wrong_is_in_its_line() {
        let mut wrong = row("loop", "mail", "451");
        wrong.fault = Some("it went on".to_owned());
        let outcome = Outcome {
            rows: vec![wrong],
            ..Outcome::default()
        };
        assert!(page(&outcome).contains("**WRONG**: it went on"));
    }
}
