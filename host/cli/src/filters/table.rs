//! The running chain for people.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use lazaret_proxy::filters::report::{ChainReport, FilterReport};

use crate::output::{self, Table};

const BOLD: &str = "\x1b[1m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// `coloured`: with escapes of terminals.
pub fn text(report: &ChainReport, coloured: bool) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |since| since.as_secs());
    let ago = |since: u64| age(now.saturating_sub(since));
    let mut text = format!(
        "generation {}, since {}",
        report.generation,
        ago(report.since)
    );
    if report.configured_mode == "observe" {
        text.push_str("; the configuration says mode = \"observe\" for all filters");
    }
    if let Some(switched) = &report.switched {
        let _ = write!(
            text,
            "; all switched to {}, {}",
            switched.mode,
            ago(switched.since)
        );
    }
    text.push_str("\n\n");
    let printed = table(report, ago).print(0);
    let colours = [BOLD].into_iter().chain(report.filters.iter().map(colour));
    for (line, colour) in printed.lines().zip(colours) {
        let line = output::printable(line);
        let _ = match coloured && !colour.is_empty() {
            true => writeln!(text, "{colour}{line}{PLAIN}"),
            false => writeln!(text, "{line}"),
        };
    }
    text + &complaints(report, ago)
}

fn colour(filter: &FilterReport) -> &'static str {
    match (&filter.not_loaded, filter.mode.as_str()) {
        (Some(_), _) => RED,
        _ if filter.breaker.is_open() => RED,
        (None, "enforce") => "",
        (None, _) => YELLOW,
    }
}

fn table(report: &ChainReport, ago: impl Fn(u64) -> String) -> Table {
    let mut table = Table::new(&[
        "filter", "mode", "stages", "asked", "failed", "CPU", "hash", "prepared",
    ]);
    for filter in &report.filters {
        let switched = filter.switched.as_ref();
        table.row([
            filter.file.clone(),
            mode(filter, switched.map(|it| ago(it.since))),
            filter.stages.join(" "),
            filter.asked.to_string(),
            filter.failed.to_string(),
            format!("{:.1} s", filter.cpu_ms as f64 / 1e3),
            filter.hash.clone(),
            filter.preparation.clone(),
        ]);
    }
    table
}

fn mode(filter: &FilterReport, switched: Option<String>) -> String {
    match switched {
        Some(ago) => format!(
            "{} (switched {ago}; its TOML: {})",
            filter.mode, filter.own_mode
        ),
        None if filter.not_loaded.is_some() => format!("{}, not loaded", filter.mode),
        None if filter.breaker.is_open() => format!("{}, suspended", filter.mode),
        None => filter.mode.clone(),
    }
}

fn complaints(report: &ChainReport, ago: impl Fn(u64) -> String) -> String {
    let mut text = String::new();
    for filter in &report.filters {
        if let Some(error) = &filter.not_loaded {
            let error = output::printable(error);
            let _ = writeln!(
                text,
                "\n{} answers with its on-failure: {error}",
                filter.file
            );
        }
    }
    for filter in report.filters.iter().filter(|it| it.breaker.is_open()) {
        let (file, kept_out) = (&filter.file, filter.kept_out);
        let _ = writeln!(
            text,
            "\n{file} failed over and over: it is not asked ({kept_out} questions so far), its on-failure answers"
        );
    }
    if let Some(trouble) = &report.load_error {
        let since = ago(trouble.since);
        let _ = writeln!(
            text,
            "\nThe files as they are now cannot be loaded ({since}); generation {} stays:",
            report.generation
        );
        for error in &trouble.errors {
            let _ = writeln!(text, "  {}", output::printable(error));
        }
    }
    text
}

/// `5 s ago`, `3 min ago`, in the largest unit that fits.
fn age(seconds: u64) -> String {
    let (number, unit) = match seconds {
        0..120 => (seconds, "s"),
        120..7_200 => (seconds / 60, "min"),
        7_200..172_800 => (seconds / 3_600, "h"),
        _ => (seconds / 86_400, "d"),
    };
    format!("{number} {unit} ago")
}

#[cfg(test)]
mod tests {
    use super::*;
    use lazaret_proxy::filters::report::{BreakerReport, SwitchReport, TroubleReport};

    fn report() -> ChainReport {
        let filter = FilterReport {
            file: "10-access".into(),
            name: "access".into(),
            mode: "enforce".into(),
            own_mode: "enforce".into(),
            switched: None,
            stages: vec!["connect".into(), "rcpt".into()],
            rights: None,
            preparation: "snapshot".into(),
            hash: "0123456789ab".into(),
            not_loaded: None,
            asked: 12,
            failed: 0,
            cpu_ms: 1_240,
            breaker: BreakerReport {
                state: "closed".into(),
                failures: 0,
                next_probe_ms: None,
            },
            kept_out: 0,
        };
        let switched = SwitchReport {
            mode: "observe".into(),
            since: 0,
        };
        let rules = FilterReport {
            file: "20-rules".into(),
            mode: "observe".into(),
            switched: Some(switched),
            ..filter.clone()
        };
        ChainReport {
            generation: 4,
            since: 0,
            configured_mode: "enforce".into(),
            switched: None,
            filters: vec![filter, rules],
            load_error: Some(TroubleReport {
                since: 0,
                errors: vec!["10-access.toml:2: unknown key\x1b[2J".into()],
            }),
        }
    }

    #[test]
    fn people_see_modes_counts_and_what_is_wrong() {
        let text = text(&report(), false);
        let days = text
            .split("since ")
            .nth(1)
            .unwrap()
            .split(" d")
            .next()
            .unwrap();
        let wanted = format!(
            "generation 4, since {days} d ago

filter     mode                                               stages        asked  failed  CPU    hash          prepared
10-access  enforce                                            connect rcpt  12     0       1.2 s  0123456789ab  snapshot
20-rules   observe (switched {days} d ago; its TOML: enforce)  connect rcpt  12     0       1.2 s  0123456789ab  snapshot

The files as they are now cannot be loaded ({days} d ago); generation 4 stays:
  10-access.toml:2: unknown key?[2J
"
        );
        assert_eq!(text, wanted);
    }

    #[test]
    fn only_a_terminal_sees_colours() {
        let text = text(&report(), true);
        let line = text.lines().find(|line| line.contains("20-rules")).unwrap();
        assert!(
            line.starts_with(YELLOW) && line.ends_with(PLAIN),
            "{line:?}"
        );
        assert!(text.lines().any(|line| line.starts_with("10-access")));
    }
}
