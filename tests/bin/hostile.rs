//! `cargo xtask hostile`: plays the hostile set beside good clients and prints what came of it.

use std::cell::Cell;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lazaret_engine::EngineSettings;
use lazaret_tests::hostile::{Nursery, nursery, page, report, run};

const HELP: &str = "\
Plays the hostile set beside good clients and prints a table.

Usage: cargo xtask hostile [--quick | --invocations N] [--json] [--page FILE]

  --invocations N   how many in all (default 10000; each attack is played at least once)
  --quick           each attack once
  --json            the result as JSON instead of a table
  --page FILE       writes the result as a page, too; `cargo xtask hostile` does so for docs/hostile.md after a
                    run that was not shortened

Exit code: 0 all as it must be, 1 something was not, 2 a wrong argument.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == "prepare") {
        // Filters are prepared by this same program, as `lazaret run` does it.
        return lazaret::main();
    }
    match wishes(arguments) {
        Ok(Some(wishes)) => play(&wishes),
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

/// What is to be done.
struct Wishes {
    invocations: u64,
    json: bool,
    page: Option<PathBuf>,
}

/// None if only help is wanted.
fn wishes(mut arguments: impl Iterator<Item = String>) -> Result<Option<Wishes>, String> {
    let mut wishes = Wishes {
        invocations: 10_000,
        json: false,
        page: None,
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => wishes.json = true,
            "--quick" => wishes.invocations = 0,
            "--invocations" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                wishes.invocations = number.ok_or("--invocations wants a number")?;
            }
            "--page" => {
                wishes.page = Some(arguments.next().ok_or("--page wants a file")?.into());
            }
            "-h" | "--help" => return Ok(None),
            other => return Err(format!("unknown argument `{other}` (--help has the list)")),
        }
    }
    Ok(Some(wishes))
}

fn play(wishes: &Wishes) -> ExitCode {
    let nursery = Nursery::new(settings());
    let shown = Cell::new(Instant::now());
    let is_terminal = std::io::stderr().is_terminal();
    let every = Duration::from_millis(if is_terminal { 500 } else { 15_000 });
    let outcome = run::run(wishes.invocations, &nursery, &|played, kind| {
        if shown.get().elapsed() >= every {
            shown.set(Instant::now());
            let of = wishes.invocations.max(played);
            progress(&format!("{played} of {of}: {kind}"));
        }
    });
    if is_terminal {
        progress("");
    }
    let text = match wishes.json {
        true => format!("{:#}\n", report::as_json(&outcome)),
        false => report::table(&outcome),
    };
    let _ = std::io::stdout().write_all(text.as_bytes());
    let is_written = wishes.page.as_deref().is_none_or(|file| {
        let written = std::fs::write(file, page::page(&outcome));
        written
            .map_err(|error| eprintln!("hostile: {}: {error}", file.display()))
            .is_ok()
    });
    ExitCode::from(u8::from(!outcome.is_good() || !is_written))
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
