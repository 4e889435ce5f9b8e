//! `cargo xtask hostile`: plays the hostile set beside good clients and prints what came of it.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lazaret_engine::EngineSettings;
use lazaret_tests::hostile::{Nursery, nursery, report, run};

const HELP: &str = "\
Plays the hostile set beside good clients and prints a table.

Usage: cargo xtask hostile [--invocations N] [--json]

  --invocations N   how many in all (default 10000; each attack is played at least once)
  --json            the result as JSON instead of a table

Exit code: 0 all as it must be, 1 something was not, 2 a wrong argument.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == "prepare") {
        // Filters are prepared by this same program, as `lazaret run` does it.
        return lazaret::main();
    }
    match wishes(arguments) {
        Ok(Some((invocations, json))) => play(invocations, json),
        Ok(None) => {
            print!("{HELP}");
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("hostile: {problem}");
            ExitCode::from(2)
        }
    }
}

fn wishes(mut arguments: impl Iterator<Item = String>) -> Result<Option<(u64, bool)>, String> {
    let (mut invocations, mut json) = (10_000, false);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = true,
            "--invocations" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                invocations = number.ok_or("--invocations wants a number")?;
            }
            "-h" | "--help" => return Ok(None),
            other => return Err(format!("unknown argument `{other}` (--help has the list)")),
        }
    }
    Ok(Some((invocations, json)))
}

fn play(invocations: u64, json: bool) -> ExitCode {
    let nursery = Nursery::new(settings());
    let shown = Cell::new(Instant::now());
    let is_terminal = std::io::stderr().is_terminal();
    let every = Duration::from_millis(if is_terminal { 500 } else { 15_000 });
    let outcome = run::run(invocations, &nursery, &|played, kind| {
        if shown.get().elapsed() >= every {
            shown.set(Instant::now());
            progress(&format!("{played} of {invocations}: {kind}"));
        }
    });
    if is_terminal {
        progress("");
    }
    let text = match json {
        true => format!("{:#}\n", report::as_json(&outcome)),
        false => report::table(&outcome),
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::from(u8::from(!outcome.is_good()))
}

/// Files are prepared by this same program, started anew for each, with limits that bombs meet soon.
fn settings() -> EngineSettings {
    let program = std::env::current_exe().expect("a running program");
    nursery::apart(program)
}

/// One line that is written over; in a file, one after the other.
fn progress(text: &str) {
    let mut stderr = std::io::stderr();
    let shown: String = text.chars().take(78).collect();
    let _ = match stderr.is_terminal() {
        true => write!(stderr, "\r\u{1b}[K{shown}"),
        false => writeln!(stderr, "hostile: {shown}"),
    };
}
