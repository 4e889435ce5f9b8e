//! `cargo xtask faults`: plays the fault table and prints what came of it.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use lazaret_tests::faults::run::Line;
use lazaret_tests::faults::{Row, Scale, page, report, rows, run};

const HELP: &str = "\
Hurts a running lazaret in every way of the fault table, while clients send, and checks that no mail is lost or doubled.

Usage: cargo xtask faults [--row N]... [--messages N] [--json] [--page FILE]

  --row N           only this row; may be given again
  --messages N      of each row at least (default 500)
  --lazaret FILE    the program; default: the one that `cargo xtask faults` has built
  --list            the rows
  --json            the result as JSON instead of a table
  --page FILE       writes the result as a page, too; `cargo xtask faults` does so for docs/faults.md after a run of
                    all rows

A row that cannot be played for want of a tool says so (`skipped: libfaketime not installed`); with
LAZARET_REQUIRE_PEERS=1 it fails.

Exit code: 0 every row that could be played passed, 1 one did not, 2 a wrong argument.
";

struct Wishes {
    rows: Vec<u8>,
    scale: Scale,
    program: PathBuf,
    output: Output,
    page: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Output {
    Table,
    Json,
    List,
    Help,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .first()
        .is_some_and(|first| first == "run" || first == "prepare")
    {
        return lazaret::main();
    }
    match wishes(arguments.into_iter()) {
        Ok(wishes) => act(&wishes),
        Err(problem) => {
            eprintln!("faults: {problem}");
            ExitCode::from(2)
        }
    }
}

fn wishes(mut arguments: impl Iterator<Item = String>) -> Result<Wishes, String> {
    let mut wishes = Wishes {
        rows: Vec::new(),
        scale: Scale::WHOLE,
        program: std::env::current_exe().map_err(|error| error.to_string())?,
        output: Output::Table,
        page: None,
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => wishes.output = Output::Json,
            "--list" => wishes.output = Output::List,
            "-h" | "--help" => wishes.output = Output::Help,
            "--row" => wishes.rows.push(number(&argument, arguments.next())?),
            "--messages" => wishes.scale.messages = number(&argument, arguments.next())?,
            "--lazaret" => wishes.program = file(&argument, arguments.next())?,
            "--page" => wishes.page = Some(file(&argument, arguments.next())?),
            other => return Err(format!("unknown argument `{other}` (--help has the list)")),
        }
    }
    let known: Vec<u8> = rows::all().iter().map(|row| row.number).collect();
    match wishes.rows.iter().find(|row| !known.contains(row)) {
        Some(unknown) => Err(format!("there is no row {unknown} (--list has them)")),
        None => Ok(wishes),
    }
}

fn number<N: std::str::FromStr>(argument: &str, value: Option<String>) -> Result<N, String> {
    let number = value.and_then(|value| value.parse().ok());
    number.ok_or_else(|| format!("{argument} wants a number"))
}

fn file(argument: &str, value: Option<String>) -> Result<PathBuf, String> {
    value
        .map(PathBuf::from)
        .ok_or_else(|| format!("{argument} wants a file"))
}

fn act(wishes: &Wishes) -> ExitCode {
    match wishes.output {
        Output::Help => say(HELP),
        Output::List => say(&list()),
        Output::Table | Output::Json => return play(wishes),
    }
    ExitCode::SUCCESS
}

fn list() -> String {
    let rows = rows::all().into_iter();
    rows.map(|row| format!("{:>3} {}\n", row.number, row.fault))
        .collect()
}

fn play(wishes: &Wishes) -> ExitCode {
    let mut rows = rows::all();
    rows.retain(|row| wishes.rows.is_empty() || wishes.rows.contains(&row.number));
    // A row that fails does so by a panic, and is told in the table.
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = run(&rows, &wishes.program, wishes.scale, &progress);
    match wishes.output {
        Output::Json => say(&format!("{:#}\n", report::as_json(&outcome))),
        _ => say(&report::table(&outcome)),
    }
    let is_written = wishes.page.as_deref().is_none_or(|file| {
        let written = std::fs::write(file, page::page(&outcome));
        let told = |error| eprintln!("faults: {}: {error}", file.display());
        written.map_err(told).is_ok()
    });
    ExitCode::from(u8::from(!outcome.is_good() || !is_written))
}

/// On a terminal the row that is played stands in the last line; what came of each is kept above.
fn progress(row: &Row, line: Option<&Line>) {
    let mut stderr = std::io::stderr();
    let is_terminal = stderr.is_terminal();
    let text = match line {
        Some(line) => report::brief(line) + "\n",
        None if is_terminal => format!("row {} ...: {}", row.number, row.fault),
        None => return,
    };
    let clear = if is_terminal { "\r\u{1b}[K" } else { "" };
    let _ = write!(stderr, "{clear}{text}");
}

fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
