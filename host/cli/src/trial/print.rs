//! A journey for people, and for programs.

use std::fmt::Write;
use std::time::Duration;

use lazaret_config::ByteSize;
use lazaret_mail::chain::{Said, Weight};
use lazaret_mail::{ReplyHint, Verdict};
use serde_json::{Value, json};

use super::journey::{Journey, Step};
use crate::output::{Table, printable};

/// Stage by stage, then the edits, then what it comes to.
pub fn text(journey: &Journey) -> String {
    let mut table = Table::new(&[
        "stage", "filter", "said", "points", "CPU", "memory", "words",
    ]);
    for step in &journey.steps {
        table.row(row(step));
    }
    let mut text = table.print(0);
    edits(&mut text, journey);
    failures(&mut text, journey);
    for heard in &journey.replies {
        let by = heard.by.as_deref().unwrap_or("the chain");
        let words = printable(&heard.words());
        let _ = writeln!(text, "\nat {}, {by}: {words}", heard.stage);
    }
    let _ = writeln!(text, "\nscore {}; {}", journey.score, fate(journey));
    text
}

fn fate(journey: &Journey) -> String {
    match &journey.delivered {
        Some(message) => format!(
            "the backend would be asked to take {} octets",
            message.size()
        ),
        None => "the backend would not get it".to_owned(),
    }
}

fn row(step: &Step) -> [String; 7] {
    let record = &step.record;
    let weight = match record.weight {
        Weight::Counted => String::new(),
        other => format!(" ({other})"),
    };
    let points: f64 = record.scores.iter().map(|(_, points, _)| points).sum();
    [
        record.stage.name().to_owned(),
        record.filter.to_string(),
        format!("{}{weight}", record.word()),
        match record.scores.is_empty() {
            true => String::new(),
            false => format!("{points:+}"),
        },
        milliseconds(record.cpu),
        match record.memory {
            0 => String::new(),
            octets => ByteSize(octets).to_string(),
        },
        one_line(&said(&record.said)),
    ]
}

fn edits(text: &mut String, journey: &Journey) {
    for step in journey.steps.iter().filter(|step| !step.diff.is_empty()) {
        let record = &step.record;
        let dropped = match (record.weight, &record.edit_fault) {
            (_, Some(fault)) => format!(" (dropped: {fault})"),
            (Weight::Observed, None) => " (observed, not applied)".to_owned(),
            _ => String::new(),
        };
        let _ = writeln!(text, "\n{} at {}{dropped}", record.filter, record.stage);
        for line in &step.diff {
            let _ = writeln!(text, "{line}");
        }
    }
}

/// What helps the author: where the filter was, and what it said last.
fn failures(text: &mut String, journey: &Journey) {
    for step in &journey.steps {
        let record = &step.record;
        let Said::Failed(failure) = &record.said else {
            continue;
        };
        let kind = one_line(&failure.kind.to_string());
        let _ = writeln!(
            text,
            "\n{} failed at {}: {kind}",
            record.filter, record.stage
        );
        let clues = &failure.clues;
        if let Some(detail) = &clues.detail {
            let _ = writeln!(text, "  {}", one_line(detail));
        }
        list(text, "last on stderr", &clues.stderr);
        list(text, "it was in", &clues.backtrace);
    }
}

fn list(text: &mut String, heading: &str, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(text, "  {heading}:");
    for line in lines {
        let _ = writeln!(text, "    {}", one_line(line));
    }
}

/// In its own words.
fn said(said: &Said) -> String {
    match said {
        Said::Verdict(verdict) => words(verdict),
        Said::Failed(failure) => failure.kind.to_string(),
        Said::FailedEarlier(_) => "not asked: failed earlier".to_owned(),
        Said::Unscanned { size, limit } => {
            format!("not shown: {size} octets, max-message {}", ByteSize(*limit))
        }
    }
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Continue | Verdict::Accept | Verdict::Discard => String::new(),
        Verdict::Quarantine(reason) => reason.clone(),
        Verdict::Reject(hint) | Verdict::Defer(hint) | Verdict::Disconnect(hint) => reply(hint),
    }
}

fn reply(hint: &ReplyHint) -> String {
    let code = hint.code.map(|code| format!("{code} ")).unwrap_or_default();
    let enhanced = hint
        .enhanced
        .as_ref()
        .map(|e| format!("{e} "))
        .unwrap_or_default();
    format!("{code}{enhanced}{}", hint.text)
}

fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// The same as JSON.
pub fn json(journey: &Journey, octets: usize, converted: usize, notes: &[String]) -> Value {
    let steps: Vec<_> = journey.steps.iter().map(step_json).collect();
    let replies = journey.replies.iter().map(|heard| {
        json!({ "stage": heard.stage.name(), "by": heard.by.as_deref(), "reply": heard.words() })
    });
    json!({
        "message": { "octets": octets, "converted-lines": converted },
        "notes": notes,
        "steps": steps,
        "replies": replies.collect::<Vec<_>>(),
        "score": journey.score,
        "delivered-octets": journey.delivered.as_ref().map(|m| m.size()),
    })
}

fn step_json(step: &Step) -> Value {
    let record = &step.record;
    let scores = record
        .scores
        .iter()
        .map(|(symbol, points, why)| json!({ "symbol": symbol, "points": points, "why": why }));
    json!({
        "stage": record.stage.name(),
        "filter": record.filter.as_ref(),
        "said": record.word(),
        "words": said(&record.said),
        "weight": record.weight.to_string(),
        "scores": scores.collect::<Vec<_>>(),
        "edits": step.diff,
        "cpu-us": u64::try_from(record.cpu.as_micros()).unwrap_or(u64::MAX),
        "memory": record.memory,
        "pace-ms": u64::try_from(record.pace.as_millis()).unwrap_or(u64::MAX),
        "dropped": record.dropped,
        "failure": failure_json(&record.said),
    })
}

fn failure_json(said: &Said) -> Value {
    let Said::Failed(failure) = said else {
        return Value::Null;
    };
    let clues = &failure.clues;
    json!({
        "why": failure.kind.to_string(),
        "detail": clues.detail,
        "stderr": clues.stderr,
        "backtrace": clues.backtrace,
    })
}
