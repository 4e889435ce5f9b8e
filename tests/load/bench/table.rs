//! The tables of the page, in Markdown.

use std::fmt::Write;

use crate::growth::Curve;
use crate::peers::Peer;
use crate::plot;
use crate::results::{Figure, Results};
use crate::targets::{Standing, TARGETS};

/// A part of the page: what its markers are called, and its table.
pub type Part = (&'static str, String);

/// All parts.
pub fn parts(results: &Results) -> Vec<Part> {
    vec![
        ("machine", machine(results)),
        ("targets", targets(results)),
        ("cpu", cpu(results)),
        ("rate", rate(results)),
        ("latency", latency(results)),
        ("large", large(results)),
        ("memory", memory(results)),
        ("syscalls", syscalls(results)),
        ("tools", tools(results)),
        ("growth", growth(results)),
    ]
}

/// A column: its head, the load, the figure, digits after the point.
type Column = (&'static str, &'static str, Figure, usize);

fn machine(results: &Results) -> String {
    let mut text = String::new();
    for line in &results.machine {
        let _ = writeln!(text, "- {line}");
    }
    let _ = writeln!(
        text,
        "- {} alternated rounds, {} s a load",
        results.rounds, results.seconds
    );
    for presence in &results.peers {
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
        let (aim, limit) = (target.unit.show(target.aim), target.unit.show(target.limit));
        let (figure, word) = match (target.measured)(results) {
            None => ("not measured".to_owned(), ""),
            Some(figure) => (target.unit.show(figure), word(target.standing(figure))),
        };
        row(
            &mut text,
            target.measure,
            &[aim, limit, figure, word.to_owned()],
        );
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

fn cpu(results: &Results) -> String {
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
            ("plain, 20, pipelined", "pipelined", cpu, 3),
            ("100 connections", "crowd", cpu, 3),
        ],
    )
}

fn rate(results: &Results) -> String {
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

fn latency(results: &Results) -> String {
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

fn large(results: &Results) -> String {
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

fn memory(results: &Results) -> String {
    let Some((_, first)) = results.memory.first() else {
        return "not measured\n".to_owned();
    };
    let mut heads = vec!["KiB".to_owned(), "at rest".to_owned()];
    heads.extend(first.plain.iter().map(|(n, _)| format!("plain, {n} idle")));
    heads.extend(first.tls.iter().map(|(n, _)| format!("TLS, {n} idle")));
    heads.push("10 MiB in flight".to_owned());
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let mut text = head(&heads);
    for (peer, memory) in &results.memory {
        let each = memory.plain.iter().chain(&memory.tls);
        let mut cells = vec![format!("{:.0}", memory.base)];
        cells.extend(each.map(|(_, kibibytes)| format!("{kibibytes:.1}")));
        cells.push(format!("{:.0}", memory.in_flight));
        row(&mut text, &peer.to_string(), &cells);
    }
    text
}

fn syscalls(results: &Results) -> String {
    if results.syscalls.is_empty() {
        return "not measured\n".to_owned();
    }
    let mut text = head(&["", "system calls a message"]);
    for (peer, calls) in &results.syscalls {
        row(&mut text, &peer.to_string(), &[format!("{calls:.1}")]);
    }
    text
}

fn tools(results: &Results) -> String {
    if results.tools.is_empty() {
        return "not measured\n".to_owned();
    }
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
    for pair in &results.tools {
        let figures = [pair.rate, pair.megabytes, pair.source_cpu, pair.sink_cpu];
        let mut cells = vec![pair.sink.to_owned(), pair.size.to_string()];
        cells.extend(figures.map(|figure| format!("{figure:.0}")));
        row(&mut text, pair.source, &cells);
    }
    text
}

fn growth(results: &Results) -> String {
    if results.growth.is_empty() {
        return "not measured\n".to_owned();
    }
    let mut text = String::new();
    for curve in &results.growth {
        let _ = writeln!(text, "### {}\n", curve.about);
        text.push_str(&points(curve));
        let _ = writeln!(
            text,
            "\n![{}](performance/{}.svg)\n",
            curve.about, curve.name
        );
    }
    text
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
fn columns(results: &Results, columns: &[Column]) -> String {
    let measured: Vec<&Column> = columns
        .iter()
        .filter(|column| results.loads.iter().any(|load| load.scenario == column.1))
        .collect();
    if measured.is_empty() {
        return "not measured\n".to_owned();
    }
    let heads: Vec<&str> = std::iter::once("")
        .chain(measured.iter().map(|c| c.0))
        .collect();
    let mut text = head(&heads);
    for peer in results.present() {
        let cells: Vec<String> = measured.iter().map(|c| cell(results, peer, c)).collect();
        row(&mut text, &peer.to_string(), &cells);
    }
    text
}

fn cell(results: &Results, peer: Peer, &(_, scenario, figure, digits): &Column) -> String {
    let Some(spread) = results.spread(scenario, peer, figure) else {
        return "–".to_owned();
    };
    let (least, median, most) = (spread.least, spread.median, spread.most);
    let mut text = format!("**{median:.digits$}**");
    if let Some(ratio) = results.ratio(scenario, (peer, Peer::Haproxy), figure) {
        let _ = write!(text, " {:.2}x", ratio.median);
    }
    let _ = write!(text, " ({least:.digits$}–{most:.digits$})");
    text
}

fn head(heads: &[&str]) -> String {
    let rules: Vec<&str> = heads.iter().map(|_| "---").collect();
    format!("| {} |\n| {} |\n", heads.join(" | "), rules.join(" | "))
}

fn row(text: &mut String, first: &str, cells: &[String]) {
    let _ = writeln!(text, "| {first} | {} |", cells.join(" | "));
}
