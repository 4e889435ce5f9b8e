//! What a filter costs in each language: `cargo xtask languages` asks, in the release profile, for `docs/languages.md`.
//! An example, because a test of this package is built with all its programs, each as large as Lazaret.

#[path = "../../languages/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the rest of it plays transcripts")]
mod languages;
mod measure;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: measure-languages FILE");
        return ExitCode::from(2);
    };
    match measure::write(Path::new(&file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
