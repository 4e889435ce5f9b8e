//! A decision for people, fit to be pasted into a ticket.

use std::fmt::Write;

use lazaret_proxy::explain::Explanation;
use lazaret_proxy::explain::report::{
    ExchangeReport, FilterReport, JudgementReport, PhasesReport, SessionReport, TransactionReport,
};

/// All of it. Texts of strangers stand in it as they are: to be made printable.
pub fn text(explanation: &Explanation) -> String {
    let mut page = String::new();
    session(&mut page, &explanation.session);
    for it in &explanation.transactions {
        page.push('\n');
        transaction(&mut page, it);
    }
    page
}

/// `label      value`, indented. Nothing for nothing.
fn row(page: &mut String, label: &str, value: &str) {
    if !value.is_empty() {
        let _ = writeln!(page, "  {label:<12} {}", one_line(value));
    }
}

/// No text of somebody else begins a line of its own here.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n', '\t'], " ")
}

fn session(page: &mut String, it: &SessionReport) {
    let _ = writeln!(page, "session {}: {}", it.id, it.state);
    row(page, "began", &time(it.began));
    row(page, "listener", &it.listener);
    let ptr = it.ptr.as_ref().map(|name| format!(" ({name})"));
    row(
        page,
        "client",
        &(it.client.clone() + &ptr.unwrap_or_default()),
    );
    row(page, "helo", it.helo.as_deref().unwrap_or_default());
    row(page, "tls", it.tls.as_deref().unwrap_or("none"));
    row(
        page,
        "server name",
        it.server_name.as_deref().unwrap_or_default(),
    );
    row(
        page,
        "certificate",
        it.certificate.as_deref().unwrap_or_default(),
    );
    row(page, "user", it.user.as_deref().unwrap_or_default());
    if it.early_talker {
        row(page, "note", "spoke before our greeting");
    }
    judgements(page, &it.judgements, 0);
}

fn transaction(page: &mut String, it: &TransactionReport) {
    let _ = writeln!(page, "transaction {}: {}", it.id, it.fate);
    row(page, "began", &time(it.began));
    row(page, "reply", it.reply.as_deref().unwrap_or("none"));
    row(page, "decided by", &decider(&it.by));
    row(page, "problem", it.problem.as_deref().unwrap_or_default());
    row(page, "from", &path(&it.from));
    for to in &it.to {
        let kept = it
            .kept
            .iter()
            .any(|kept| to.split(' ').next() == Some(kept));
        let note = if kept {
            "  (kept from the backend)"
        } else {
            ""
        };
        row(page, "to", &(path(to) + note));
    }
    let size = it.size.map(|size| format!("{size} octets"));
    row(page, "size", &size.unwrap_or_default());
    row(page, "score", &format!("{:+}", it.score));
    row(page, "edits", &it.edits);
    row(page, "queue id", it.queue_id.as_deref().unwrap_or_default());
    row(page, "generation", &it.generation.to_string());
    row(page, "times", &times(&it.phases));
    judgements(page, &it.judgements, it.more_judgements);
    dialogue(page, it);
}

/// `<address> PARAMETERS`.
fn path(told: &str) -> String {
    match told.split_once(' ') {
        Some((address, parameters)) => format!("<{address}> {parameters}"),
        None => format!("<{told}>"),
    }
}

fn decider(by: &str) -> String {
    match by {
        "-" => "nobody".to_owned(),
        "(rule)" => "a rule of the proxy".to_owned(),
        "(backend)" => "the backend".to_owned(),
        filter => format!("filter {filter}"),
    }
}

fn times(it: &PhasesReport) -> String {
    format!(
        "{} ms in all: filters {}, backend {}, waiting for DATA {}, content {}; {} before MAIL",
        it.total, it.filters, it.backend, it.data, it.content, it.mail
    )
}

fn judgements(page: &mut String, all: &[JudgementReport], more: usize) {
    for it in all {
        let of = it.of.as_ref().map(|of| format!(" <{of}>"));
        let head = format!("{}{}", it.stage, of.unwrap_or_default());
        let came = match &it.reply {
            Some(reply) => format!("{reply}, by {}", decider(&it.by)),
            None => "no objection".to_owned(),
        };
        let _ = writeln!(
            page,
            "  {:>9.2} ms  {}: {}",
            it.at,
            one_line(&head),
            one_line(&came)
        );
        for filter in &it.filters {
            said(page, filter);
        }
    }
    if more > 0 {
        let _ = writeln!(page, "  and {more} more");
    }
}

fn said(page: &mut String, it: &FilterReport) {
    let mut line = format!("{}: {}", it.filter, it.said);
    if !it.words.is_empty() {
        let _ = write!(line, " \"{}\"", it.words);
    }
    if it.weight != "counted" {
        let _ = write!(line, ", {}", it.weight);
    }
    let _ = write!(line, "; CPU {} ms, took {} ms", it.cpu, it.wall);
    if it.memory > 0 {
        let _ = write!(line, ", {} KiB", it.memory / 1024);
    }
    for (what, count) in [("dropped", it.dropped), ("replaced", it.replaced)] {
        if count > 0 {
            let _ = write!(line, ", {count} {what}");
        }
    }
    if it.pace > 0.0 {
        let _ = write!(line, ", held the reply {} ms", it.pace);
    }
    let _ = writeln!(page, "                {}", one_line(&line));
    for (symbol, points, why) in &it.scores {
        let _ = writeln!(
            page,
            "                  {points:+} {}",
            one_line(&format!("{symbol} {why}"))
        );
    }
    for edit in &it.edits {
        let _ = writeln!(page, "                  {}", one_line(edit));
    }
    for fault in it.edit_fault.iter().chain(&it.clues) {
        let _ = writeln!(page, "                  {}", one_line(fault));
    }
}

fn dialogue(page: &mut String, it: &TransactionReport) {
    if let Some(backend) = &it.backend {
        let _ = writeln!(page, "  with the backend {backend}:");
    }
    for ExchangeReport {
        command,
        reply,
        took,
    } in &it.dialogue
    {
        let _ = writeln!(page, "    P: {}", one_line(command));
        let reply = reply.as_deref().unwrap_or("(nothing)");
        let _ = writeln!(page, "    B: {}  ({took} ms)", one_line(reply));
    }
    if it.more_exchanges > 0 {
        let _ = writeln!(page, "    and {} more", it.more_exchanges);
    }
}

/// `2026-11-28 15:04:57 UTC`.
fn time(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Of the days since 1970, in the Gregorian calendar.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, written) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_795_878_297, "2026-11-28 15:04:57 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
        ] {
            assert_eq!(time(seconds), written);
        }
    }
}
