//! `cargo xtask crowd`: ten thousand slow or idle connections, and a good client among them.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use lazaret_tests::faults::crowd::{self, POSTURES, Size, page};

const HELP: &str = "\
Opens thousands of connections to a running lazaret that are idle, slow, or stalled, and sends a message every 100 ms beside them:
each must be accepted, p99 within twice that of the client alone (which is 20 ms at most, or the machine is busy).
Prints the memory a connection costs, which has a bound where there are 500 of a kind.

Usage: cargo xtask crowd [--connections N] [--messages N] [--json] [--page FILE]

  --connections N   how many in all (default 10000)
  --messages N      of the good client, alone and in the crowd (default 600)
  --lazaret FILE    the program; default: the one that `cargo xtask crowd` has built
  --json            the result as JSON instead of text
  --page FILE       writes the result as a page, too; `cargo xtask crowd` does so for docs/crowd.md after a run that
                    was not shortened

Exit code: 0 as it must be, 1 something was not, 2 a wrong argument.
";

struct Wishes {
    size: Size,
    program: PathBuf,
    json: bool,
    page: Option<PathBuf>,
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
        Ok(Some(wishes)) => act(&wishes),
        Ok(None) => {
            say(HELP);
            ExitCode::SUCCESS
        }
        Err(problem) => {
            eprintln!("crowd: {problem}");
            ExitCode::from(2)
        }
    }
}

fn wishes(mut arguments: impl Iterator<Item = String>) -> Result<Option<Wishes>, String> {
    let mut wishes = Wishes {
        size: Size {
            each: 10_000 / POSTURES.len(),
            messages: 600,
        },
        program: std::env::current_exe().map_err(|error| error.to_string())?,
        json: false,
        page: None,
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => wishes.json = true,
            "--connections" => {
                wishes.size.each = number(&argument, arguments.next())?.div_ceil(POSTURES.len())
            }
            "--messages" => wishes.size.messages = number(&argument, arguments.next())?,
            "--lazaret" => {
                wishes.program = arguments.next().ok_or("--lazaret wants a file")?.into()
            }
            "--page" => wishes.page = Some(arguments.next().ok_or("--page wants a file")?.into()),
            "-h" | "--help" => return Ok(None),
            other => return Err(format!("unknown argument `{other}` (--help has the list)")),
        }
    }
    Ok(Some(wishes))
}

fn number(argument: &str, value: Option<String>) -> Result<usize, String> {
    let number = value
        .and_then(|value| value.parse().ok())
        .filter(|number| *number > 0);
    number.ok_or_else(|| format!("{argument} wants a number"))
}

fn act(wishes: &Wishes) -> ExitCode {
    let seen = crowd::run(&wishes.program, wishes.size);
    match wishes.json {
        true => say(&format!("{:#}\n", seen.as_json())),
        false => say(&seen.to_string()),
    }
    let is_written = wishes.page.as_deref().is_none_or(|file| {
        let written = std::fs::write(file, page::page(&seen));
        let told = |error| eprintln!("crowd: {}: {error}", file.display());
        written.map_err(told).is_ok()
    });
    ExitCode::from(u8::from(!seen.faults.is_empty() || !is_written))
}

fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
