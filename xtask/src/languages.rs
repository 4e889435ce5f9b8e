//! `cargo xtask languages`: the reference filter in four languages, built, played and measured.

mod page;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::guest_target;
use crate::step::{self, Outcome, Problem};

/// As in `guest-sdk`.
const ALL: [&str; 4] = ["rust", "c", "python", "javascript"];

/// Builds all; without `--build` also plays every transcript and writes `docs/languages.md`.
pub fn languages(arguments: &[String]) -> Outcome {
    let only_build = match arguments {
        [] => false,
        [flag] if flag == "--build" => true,
        [unexpected, ..] => {
            return Err(Problem::usage(format!(
                "`languages` takes `--build` or nothing, got `{unexpected}`"
            )));
        }
    };
    guest_target::ensure()?;
    for language in ALL {
        build(language)?;
    }
    if only_build {
        return Ok(());
    }
    step::run(played())?;
    let figures = directory().join("figures.tsv");
    step::run(measured(&figures))?;
    page::write(&root().join("docs/languages.md"), &figures, &versions()?)
}

/// The script installs its toolchain where we say, once.
fn script(language: &str) -> Command {
    let script = root()
        .join("guest-sdk")
        .join(language)
        .join("reference/build.sh");
    let mut command = Command::new("sh");
    let tools = directory().join("tools").join(language);
    command.arg(script).env("LAZARET_TOOLS", tools);
    command
}

fn build(language: &str) -> Outcome {
    let begun = Instant::now();
    eprintln!(
        "xtask: {language}: the first time its toolchain is fetched, which takes a minute or more"
    );
    let mut command = script(language);
    command.arg(directory().join(language));
    step::run(command)?;
    eprintln!(
        "xtask: {language}: built in {} s",
        begun.elapsed().as_secs()
    );
    Ok(())
}

fn played() -> Command {
    let mut cargo = step::cargo();
    cargo.args(["test", "--package", "lazaret-tests", "--test", "languages"]);
    cargo.env("LAZARET_REQUIRE_LANGUAGES", "1");
    cargo
}

/// In the release profile, as operators run it.
fn measured(figures: &Path) -> Command {
    let mut cargo = step::cargo();
    cargo.args(["run", "--release", "--package", "lazaret-tests"]);
    cargo.args(["--example", "measure-languages", "--"]);
    cargo.arg(figures);
    cargo
}

/// What each language was built with, in its toolchain's own words.
fn versions() -> Result<Vec<(String, String)>, Problem> {
    let mut versions = Vec::new();
    for language in ALL {
        let mut command = script(language);
        command.arg("--versions");
        versions.push((language.to_owned(), output(command)?));
    }
    Ok(versions)
}

fn output(mut command: Command) -> Result<String, Problem> {
    let output = command
        .output()
        .map_err(|error| step::not_started(&command, &error))?;
    if !output.status.success() {
        return Err(Problem::failed(String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.trim().replace('\n', ", "))
}

/// Where components, toolchains and figures go.
fn directory() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR");
    let target = target.map_or_else(|| root().join("target"), PathBuf::from);
    // The scripts and the tests run elsewhere.
    std::path::absolute(target.join("languages")).unwrap_or(target)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("")
}
