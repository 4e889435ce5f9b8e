//! `docs/languages.md`: the text is here, the figures are measured.

use std::fs;
use std::path::Path;

use crate::step::{self, Outcome, Problem};

const TEXT: &str = "\
# Languages for filters

A filter is a WebAssembly component of the contract in [wit/](../wit/README.md), and may be written in any language that
makes one. In four of them the [reference filter](../guest-sdk/reference/README.md), with every stage and every permission
in it, is kept working: the same transcripts are played against each, in CI.

| language | read |
| --- | --- |
| Rust | [guest-sdk/rust](../guest-sdk/rust/README.md), [the reference](../guest-sdk/rust/reference/src/lib.rs) |
| C | [guest-sdk/c](../guest-sdk/c/README.md), [the reference](../guest-sdk/c/reference/reference.c) |
| Python | [guest-sdk/python](../guest-sdk/python/README.md), [the reference](../guest-sdk/python/reference) |
| JavaScript | [guest-sdk/javascript](../guest-sdk/javascript/README.md), [the reference](../guest-sdk/javascript/reference) |

## What they cost

";

const MEANING: &str = "
* **size**: of the component of the reference filter.
* **load**: CPU time to check, compile, configure and prepare it, with nothing cached. It happens apart from the mail path.
* **configured**: `snapshot`, or why each sandbox is configured anew.
* **first call**: from the fork of a sandbox to the answer of its first call, once for each transaction and for each
  connection stage.
* **further call**: each stage after that.
* **linear** and **resident**: memory of the sandbox as it sees it, and what the process holds for it.

Calls are medians of 200; the filter logs nothing and reads a few facts in them. Which language is right is mostly
a matter of who writes the filter: next to TLS and a disk even the dearest call is short. Where thousands of sessions are
open at once, memory decides.
";

/// Writes the page from the lines of figures.
pub fn write(page: &Path, figures: &Path, versions: &[(String, String)]) -> Outcome {
    let read = fs::read_to_string(figures);
    let figures = read.map_err(|error| problem(figures, &error))?;
    let (profile, figures) = figures.split_once('\n').unwrap_or_default();
    let table = table(figures)?;
    let mut text = format!("{TEXT}{table}{MEANING}\nBuilt with:\n\n");
    for (language, version) in versions {
        text.push_str(&format!("* {}: {version}\n", title(language)));
    }
    text.push_str(&format!(
        "\nMeasured on {} in the {profile} profile. `cargo xtask languages` builds all four, plays the transcripts and \
         writes this page.\n",
        machine()
    ));
    fs::write(page, &text).map_err(|error| problem(page, &error))?;
    step::say(&table);
    Ok(())
}

fn problem(file: &Path, error: &std::io::Error) -> Problem {
    Problem::failed(format!("{}: {error}", file.display()))
}

fn table(figures: &str) -> Result<String, Problem> {
    let mut table =
        "| language | size | load | configured | first call | further call | linear | resident |\n\
                     | --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for line in figures.lines() {
        table.push_str(&row(line)?);
    }
    Ok(table)
}

fn row(line: &str) -> Result<String, Problem> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [
        language,
        size,
        load,
        configured,
        first,
        further,
        linear,
        resident,
    ] = fields[..]
    else {
        return Err(Problem::failed(format!("not a line of figures: {line}")));
    };
    let configured = if configured.is_empty() {
        "in each sandbox"
    } else {
        configured
    };
    Ok(format!(
        "| {} | {} | {load} ms | {configured} | {first} us | {further} us | {linear} KiB | {resident} KiB |\n",
        title(language),
        octets(size)
    ))
}

fn octets(size: &str) -> String {
    match size.parse::<f64>() {
        Ok(size) if size >= 1e6 => format!("{:.1} MB", size / 1e6),
        Ok(size) => format!("{:.0} KB", size / 1e3),
        Err(_) => size.to_owned(),
    }
}

fn title(language: &str) -> &str {
    match language {
        "rust" => "Rust",
        "c" => "C",
        "python" => "Python",
        "javascript" => "JavaScript",
        other => other,
    }
}

/// The processor by its own name, and how many.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|line| line.starts_with("model name"));
    let model = model
        .and_then(|line| line.split(": ").nth(1))
        .unwrap_or("an unknown processor");
    let count = info
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    format!("{count} processors, {model}")
}

#[cfg(test)]
mod tests {
    use super::row;

    #[test]
    fn a_line_of_figures_is_a_row() {
        let line = "python\t18517120\t43210\tsnapshot\t970\t12\t12800\t4096";
        let row = row(line).unwrap_or_default();
        let wanted =
            "| Python | 18.5 MB | 43210 ms | snapshot | 970 us | 12 us | 12800 KiB | 4096 KiB |\n";
        assert_eq!(row, wanted);
        assert!(super::row("python\t1").is_err());
    }
}
