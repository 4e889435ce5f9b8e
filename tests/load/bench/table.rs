//! The tables of the page, in Markdown.

use std::fmt::Write;

use crate::arguments::Kind;
use crate::growth::Curve;
use crate::machine::Origin;
use crate::memory::Memory;
use crate::peers::Peer;
use crate::plot;
use crate::results::{Figure, Results};
use crate::statistics::Spread;
use crate::targets::{Standing, TARGETS};
use crate::tools::Pair;

/// A part of the page: what its markers are called, and its table.
pub type Part = (&'static str, String);

/// The parts of these stages, and the aims, of all that `results` have.
pub fn parts(results: &Results, kinds: &[Kind]) -> Vec<Part> {
    let names = names(kinds.iter().copied()).into_iter();
    names.map(|name| (name, part(results, name))).collect()
}

/// What the parts of these stages are called, and the aims. The first of a stage says where its figures come from.
pub fn names(kinds: impl IntoIterator<Item = Kind>) -> Vec<&'static str> {
    let of_kind = |kind| match kind {
        Kind::Loads => &["machine-loads", "cpu", "rate", "latency", "large"][..],
        Kind::Syscalls => &["machine-syscalls", "syscalls"],
        Kind::Memory => &["machine-memory", "memory"],
        Kind::Tools => &["machine-tools", "tools"],
        Kind::Growth => &["machine-growth", "growth"],
    };
    let stages = kinds.into_iter().flat_map(of_kind);
    stages.copied().chain(["targets"]).collect()
}

fn part(results: &Results, name: &str) -> String {
    let text = match name {
        "cpu" => cpu(results),
        "rate" => rate(results),
        "latency" => latency(results),
        "large" => large(results),
        "memory" => memory(results),
        "syscalls" => syscalls(results),
        "tools" => tools(results),
        "growth" => growth(results),
        "targets" => Some(targets(results)),
        _ => origins(results)
            .find(|(stage, ..)| name.strip_prefix("machine-") == Some(stage))
            .map(|(_, about, origin)| machine(about, origin)),
    };
    text.unwrap_or_else(|| "not measured\n".to_owned())
}

/// Each stage that there is: its name, what it is about, where it comes from.
fn origins(results: &Results) -> impl Iterator<Item = (&'static str, &'static str, &Origin)> {
    let Results {
        loads,
        memory,
        syscalls,
        tools,
        growth,
    } = results;
    let origins = [
        (
            "loads",
            "CPU, rate, latency, large messages",
            loads.as_ref().map(|s| &s.origin),
        ),
        ("memory", "Memory", memory.as_ref().map(|s| &s.origin)),
        (
            "syscalls",
            "System calls",
            syscalls.as_ref().map(|s| &s.origin),
        ),
        (
            "tools",
            "Generators and sinks",
            tools.as_ref().map(|s| &s.origin),
        ),
        (
            "growth",
            "How cost grows",
            growth.as_ref().map(|s| &s.origin),
        ),
    ];
    let there = |(name, about, origin)| Some((name, about, origin?));
    origins.into_iter().filter_map(there)
}

/// A column: its head, the load, the figure, digits after the point.
type Column = (&'static str, &'static str, Figure, usize);

/// Shares of 1 are shown as they are: the share of one peer in terms of another's means nothing.
const SHARE: &str = "of these resumed";

fn machine(about: &str, origin: &Origin) -> String {
    let Origin {
        commit,
        day,
        load,
        rounds,
        seconds,
        ..
    } = origin;
    let mut text = format!(
        "**{about}**: commit {commit}, measured on {day}, load average {load} at the start, {rounds} alternated \
         rounds, {seconds} s a load\n\n"
    );
    for line in &origin.machine {
        let _ = writeln!(text, "- {line}");
    }
    for presence in &origin.peers {
        let (peer, version) = (presence.peer, &presence.version);
        let _ = match &presence.absent {
            Some(reason) => writeln!(text, "- {peer}: **absent**, {reason}"),
            None if version.is_empty() => writeln!(text, "- {peer}"),
            None => writeln!(text, "- {peer}: {version}"),
        };
    }
    text
}

fn targets(results: &Results) -> String {
    let mut text = head(&[
        "measure; compared with",
        "aim",
        "not worse than",
        "measured",
        "",
    ]);
    for target in &TARGETS {
        let show = |figure| target.unit.show(figure);
        let rounds = (target.measured)(results);
        let figure = rounds.map_or_else(
            || "not measured".to_owned(),
            |Spread {
                 least,
                 median,
                 most,
             }| match least == most {
                true => show(median),
                false => format!("{} ({}–{})", show(median), show(least), show(most)),
            },
        );
        let word = rounds.map_or("", |rounds| word(target.standing(rounds)));
        let cells = [
            show(target.aim),
            show(target.limit),
            figure,
            word.to_owned(),
        ];
        row(&mut text, target.measure, &cells);
    }
    let mut of_runs: Vec<_> = origins(results)
        .filter(|(stage, ..)| matches!(*stage, "loads" | "memory" | "syscalls"))
        .map(|(_, about, origin)| format!("{about}: {}", origin.commit))
        .collect();
    of_runs.dedup();
    if !of_runs.is_empty() {
        let _ = writeln!(text, "\n{}.", of_runs.join("; "));
    }
    text
}

fn word(standing: Standing) -> &'static str {
    match standing {
        Standing::Reached => "reached",
        Standing::Within => "within",
        Standing::Missed => "**missed**",
    }
}

fn cpu(results: &Results) -> Option<String> {
    // Microseconds a message are milliseconds, and so thousandths of a second, a thousand messages.
    let cpu: Figure = |sample| sample.cpu / 1000.0;
    columns(
        results,
        &[
            ("plain, 20 a connection", "plain-20", cpu, 3),
            ("plain, 1 a connection", "plain-1", cpu, 3),
            ("TLS, 20 a connection", "tls-20", cpu, 3),
            ("TLS, 1, full handshake", "tls-1", cpu, 3),
            ("TLS, 1, resumed", "tls-1-resumed", cpu, 3),
            (SHARE, "tls-1-resumed", |s| s.resumed, 2),
            ("STARTTLS, 20 a connection", "starttls-20", cpu, 3),
            ("plain, 20, pipelined", "pipelined", cpu, 3),
            ("plain, 20, 5 recipients", "rcpt-5", cpu, 3),
            ("100 connections", "crowd", cpu, 3),
        ],
    )
}

fn rate(results: &Results) -> Option<String> {
    let rate: Figure = |sample| sample.rate;
    columns(
        results,
        &[
            ("plain, 20 connections", "plain-20", rate, 0),
            ("plain, 100 connections", "crowd", rate, 0),
            ("TLS, 20 connections", "tls-20", rate, 0),
            ("TLS, 1 message a connection", "tls-1", rate, 0),
        ],
    )
}

fn latency(results: &Results) -> Option<String> {
    let p50: Figure = |sample| sample.latency.p50;
    let p99: Figure = |sample| sample.latency.p99;
    columns(
        results,
        &[
            ("1 connection, p50", "alone", p50, 0),
            ("p99", "alone", p99, 0),
            ("20 connections, p50", "plain-20", p50, 0),
            ("p99", "plain-20", p99, 0),
            ("TLS set-up, p50", "alone-tls", |s| s.set_up.p50, 0),
            ("p99", "alone-tls", |s| s.set_up.p99, 0),
        ],
    )
}

fn large(results: &Results) -> Option<String> {
    let cost: Figure = |sample| sample.cpu_per_gigabyte;
    columns(
        results,
        &[
            ("1 MiB, CPU s/GB", "mib-1", cost, 2),
            ("10 MiB, CPU s/GB", "mib-10", cost, 2),
            ("10 MiB, messages/s", "mib-10", |s| s.rate, 1),
        ],
    )
}

fn memory(results: &Results) -> Option<String> {
    let stage = results.memory.as_ref()?;
    let first = stage.figures.first()?.rounds.first()?;
    let mut heads = vec!["KiB".to_owned(), "at rest".to_owned()];
    heads.extend(first.plain.iter().map(|(n, _)| format!("plain, {n} idle")));
    heads.extend(first.tls.iter().map(|(n, _)| format!("TLS, {n} idle")));
    heads.push("10 MiB in flight".to_owned());
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut text = head(&heads);
    for peer in &stage.figures {
        let idle = |n: usize, tls: bool| {
            let figure = move |memory: &Memory| {
                let figures = if tls { &memory.tls } else { &memory.plain };
                figures.get(n).map_or(f64::NAN, |figure| figure.1)
            };
            with_extremes(peer.spread(figure), 1)
        };
        let mut cells = vec![with_extremes(peer.spread(|memory| memory.base), 0)];
        cells.extend((0..first.plain.len()).map(|n| idle(n, false)));
        cells.extend((0..first.tls.len()).map(|n| idle(n, true)));
        cells.push(with_extremes(peer.spread(|memory| memory.in_flight), 0));
        row(&mut text, &peer.peer.to_string(), &cells);
    }
    Some(text)
}

fn syscalls(results: &Results) -> Option<String> {
    let stage = results.syscalls.as_ref()?;
    let mut text = head(&["", "system calls a message"]);
    for peer in &stage.figures {
        let calls = with_extremes(peer.spread(|calls| *calls), 1);
        row(&mut text, &peer.peer.to_string(), &[calls]);
    }
    Some(text)
}

fn tools(results: &Results) -> Option<String> {
    let rounds = &results.tools.as_ref()?.figures;
    let heads = [
        "source",
        "sink",
        "octets",
        "messages/s",
        "MB/s",
        "source CPU, us",
        "sink CPU, us",
    ];
    let mut text = head(&heads);
    for (number, pair) in rounds.first()?.iter().enumerate() {
        let figure = |figure: fn(&Pair) -> f64| {
            let of_pair = rounds.iter().filter_map(|round| round.get(number));
            with_extremes(Spread::of(of_pair.map(figure)), 0)
        };
        let cells = [
            pair.sink.clone(),
            pair.size.to_string(),
            figure(|pair| pair.rate),
            figure(|pair| pair.megabytes),
            figure(|pair| pair.source_cpu),
            figure(|pair| pair.sink_cpu),
        ];
        row(&mut text, &pair.source, &cells);
    }
    Some(text)
}

fn growth(results: &Results) -> Option<String> {
    let mut text = String::new();
    for curve in &results.growth.as_ref()?.figures {
        let _ = writeln!(text, "### {}\n", curve.about);
        text.push_str(&points(curve));
        let _ = writeln!(
            text,
            "\n![{}](performance/{}.svg)\n",
            curve.about, curve.name
        );
    }
    Some(text)
}

/// A column for each x, a row for each peer, and how its figures go.
fn points(curve: &Curve) -> String {
    let steps = curve.lines.first().map_or(&[][..], |line| &line.points);
    let mut heads = vec![format!("{}, by {}", curve.y, curve.x)];
    heads.extend(steps.iter().map(|point| plot::short(point.0)));
    heads.push("for one more".to_owned());
    heads.push("most / least".to_owned());
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut text = head(&heads);
    for line in &curve.lines {
        let mut cells: Vec<String> = line.points.iter().map(|p| figure(p.1)).collect();
        cells.push(line.slope().map_or_else(String::new, figure));
        let range = line.range().map(|range| format!("{range:.2}"));
        cells.push(range.unwrap_or_default());
        row(&mut text, &line.peer, &cells);
    }
    text
}

/// Three digits that count, or all of a large number.
fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.4}"),
    }
}

/// A row for each peer that was there, a column for each load; a cell has the median, the extremes, and the ratio to
/// HAProxy round by round.
fn columns(results: &Results, columns: &[Column]) -> Option<String> {
    let measured = columns.iter().filter(|column| results.has(column.1));
    let measured: Vec<&Column> = measured.collect();
    if measured.is_empty() {
        return None;
    }
    let heads: Vec<&str> = std::iter::once("")
        .chain(measured.iter().map(|c| c.0))
        .collect();
    let mut text = head(&heads);
    for peer in results.present() {
        let cells: Vec<String> = measured.iter().map(|c| cell(results, peer, c)).collect();
        row(&mut text, &peer.to_string(), &cells);
    }
    Some(text)
}

fn cell(results: &Results, peer: Peer, &(head, scenario, figure, digits): &Column) -> String {
    let Some(spread) = results.spread(scenario, peer, figure) else {
        return "–".to_owned();
    };
    let (least, median, most) = (spread.least, spread.median, spread.most);
    let mut text = format!("**{median:.digits$}**");
    let ratio = results.ratio(scenario, (peer, Peer::Haproxy), figure);
    if let Some(ratio) = ratio.filter(|_| head != SHARE) {
        let _ = write!(text, " {:.2}x", ratio.median);
    }
    let _ = write!(text, " ({least:.digits$}–{most:.digits$})");
    text
}

fn with_extremes(spread: Option<Spread>, digits: usize) -> String {
    let Some(Spread {
        least,
        median,
        most,
    }) = spread
    else {
        return "–".to_owned();
    };
    match least == most {
        true => format!("{median:.digits$}"),
        false => format!("**{median:.digits$}** ({least:.digits$}–{most:.digits$})"),
    }
}

fn head(heads: &[&str]) -> String {
    let rules: Vec<&str> = heads.iter().map(|_| "---").collect();
    format!("| {} |\n| {} |\n", heads.join(" | "), rules.join(" | "))
}

fn row(text: &mut String, first: &str, cells: &[String]) {
    let _ = writeln!(text, "| {first} | {} |", cells.join(" | "));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::Filters;
    use crate::results::{Rounds, Stage};

    /// System calls of three rounds, counted at this commit.
    fn counted(commit: &str, rounds: &[f64]) -> Results {
        let origin = Origin {
            commit: commit.to_owned(),
            day: "2026-11-30".to_owned(),
            machine: vec!["2 processors".to_owned()],
            load: "0.50".to_owned(),
            rounds: rounds.len(),
            seconds: 4.0,
            peers: Vec::new(),
        };
        let peer = Peer::Lazaret(Filters {
            count: 3,
            read_body: true,
        });
        let rounds = rounds.to_vec();
        Results {
            syscalls: Some(Stage {
                origin,
                figures: vec![Rounds { peer, rounds }],
            }),
            ..Results::default()
        }
    }

    #[test]
    fn a_stage_has_its_own_parts_and_the_aims() {
        let results = counted("1234567 of 2026-11-29", &[20.0, 24.0, 22.0]);
        let parts = parts(&results, &[Kind::Syscalls]);
        let names: Vec<_> = parts.iter().map(|part| part.0).collect();
        assert_eq!(names, ["machine-syscalls", "syscalls", "targets"]);
        for (part, says) in [
            (
                0,
                "commit 1234567 of 2026-11-29, measured on 2026-11-30, load average 0.50 at the start, 3 alternated",
            ),
            (1, "| lazaret-3 | **22.0** (20.0–24.0) |"),
            (2, "| 16.0 | 30.0 | 22.0 (20.0–24.0) | within |"),
            (2, "| 0.85x | 0.60x | not measured |  |"),
            (2, "\nSystem calls: 1234567 of 2026-11-29.\n"),
        ] {
            assert!(parts[part].1.contains(says), "{says}\n{}", parts[part].1);
        }
    }

    #[test]
    fn one_round_has_no_extremes() {
        let parts = parts(&counted("1234567", &[20.0]), &[Kind::Syscalls]);
        assert!(
            parts[1].1.contains("| lazaret-3 | 20.0 |"),
            "{}",
            parts[1].1
        );
        assert!(
            parts[2].1.contains("| 30.0 | 20.0 | within |"),
            "{}",
            parts[2].1
        );
    }
}
