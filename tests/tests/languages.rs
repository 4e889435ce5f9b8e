//! The reference filter in every language, against the same transcripts (`guest-sdk/reference/transcripts`).
//!
//! Rust is built with the tests. The others are played where `cargo xtask languages --build` has built them, and
//! skipped where not; with `LAZARET_REQUIRE_LANGUAGES=1` that is a failure. The log of all proxies is one: transcripts are
//! played in turns.

#[path = "../languages/mod.rs"]
mod languages;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use languages::{Absent, Language, Stage};
use libtest_mimic::{Arguments, Failed, Trial};

/// Fewer are a mistake of whoever moved them.
const LEAST: usize = 25;

/// The log of all proxies is one: while a transcript reads in it what its filter wrote, no other is played.
static TURN: Mutex<()> = Mutex::new(());

type Theatre = LazyLock<Stage, Box<dyn FnOnce() -> Stage + Send>>;

fn main() {
    let transcripts = transcripts();
    assert!(
        transcripts.len() >= LEAST,
        "{} transcripts",
        transcripts.len()
    );
    let trials = Language::ALL
        .into_iter()
        .flat_map(|language| trials(language, &transcripts))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// Every transcript of a language, or one trial that says why there are none.
fn trials(language: Language, transcripts: &[PathBuf]) -> Vec<Trial> {
    let component = match language.component() {
        Ok(component) => component,
        Err(absent) => return absence(language, absent),
    };
    let octets = component.clone();
    let new: Box<dyn FnOnce() -> Stage + Send> = Box::new(move || Stage::new(&octets));
    let theatre: Arc<Theatre> = Arc::new(LazyLock::new(new));
    let trial = |transcript: &PathBuf| {
        let (theatre, transcript) = (Arc::clone(&theatre), transcript.clone());
        Trial::test(name(language, &transcript), move || {
            in_turn(|| theatre.play(&transcript))
        })
    };
    let mut all: Vec<_> = transcripts.iter().map(trial).collect();
    let large = component.clone();
    let complete = move || languages::is_complete(&component).map_err(Failed::from);
    all.push(Trial::test(
        format!("{}/complete", language.name()),
        complete,
    ));
    if language == Language::Python {
        let beside = move || in_turn(|| languages::beside::mail(&large));
        all.push(Trial::test("python/mail beside", beside));
    }
    let fresh = move || in_turn(|| theatre.draws_fresh_octets());
    all.push(Trial::test(format!("{}/random", language.name()), fresh));
    all
}

fn in_turn(play: impl FnOnce() -> Result<(), String>) -> Result<(), Failed> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    play().map_err(Failed::from)
}

fn name(language: Language, transcript: &Path) -> String {
    let transcript = transcript.file_stem().unwrap_or_default();
    format!("{}/{}", language.name(), transcript.to_string_lossy())
}

fn absence(language: Language, absent: Absent) -> Vec<Trial> {
    let problem = match absent {
        Absent::NotBuilt(toolchain) if !required() => {
            println!("skipped: {toolchain} not installed");
            return Vec::new();
        }
        Absent::NotBuilt(toolchain) => format!("not built with {toolchain}"),
        Absent::Stale(why) => why,
    };
    let cure = "run `cargo xtask languages --build`";
    let trial = Trial::test(format!("{}/component", language.name()), move || {
        Err(Failed::from(format!("{problem}; {cure}")))
    });
    vec![trial]
}

fn required() -> bool {
    std::env::var("LAZARET_REQUIRE_LANGUAGES").is_ok_and(|value| value == "1")
}

fn transcripts() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(languages::transcripts()).expect("a readable directory");
    let mut files: Vec<_> = entries
        .map(|entry| entry.expect("a readable entry").path())
        .filter(|path| path.extension().is_some_and(|it| it == "smtp"))
        .collect();
    files.sort();
    files
}
