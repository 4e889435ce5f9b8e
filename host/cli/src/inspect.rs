//! `lazaret inspect`: what a component is and wants, in words; nothing of it is run.

use std::fmt::Write;
use std::path::Path;

use lazaret_engine::{Configure, EngineSettings, Inspection, Preparation};
use serde_json::json;

use crate::arguments::Inspect;
use crate::exit::{Exit, Failure};
use crate::output;

/// Reads the component and prints what it exports and imports.
pub fn inspect(arguments: &Inspect) -> Result<Exit, Failure> {
    let path = &arguments.wasm;
    if !path.exists() {
        return Err(Failure::usage(format!(
            "{}: there is no such file",
            path.display()
        )));
    }
    let seen = lazaret_engine::inspect_file(path, EngineSettings::default().max_wasm)?;
    output::say(&match arguments.print.json {
        true => format!("{:#}\n", as_json(path, &seen)),
        false => as_text(path, &seen),
    })?;
    Ok(Exit::Good)
}

fn as_json(path: &Path, seen: &Inspection) -> serde_json::Value {
    json!({
        "file": path.display().to_string(),
        "octets": seen.size,
        "language": seen.language,
        "stages": stages(seen),
        "configure": seen.configure != Configure::Absent,
        "permissions": requests(seen),
        "inert": seen.inert,
        "ignored-exports": seen.extra,
        "core-instances": seen.core_instances,
        "snapshot": seen.preparation == Preparation::Snapshot,
        "preparation": seen.preparation.to_string(),
    })
}

fn as_text(path: &Path, seen: &Inspection) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: String| {
        let _ = writeln!(text, "{label:12}{}", output::printable(&value));
    };
    let language = seen.language.as_deref().unwrap_or("language unknown");
    line(
        "filter",
        format!("{}, {}, {language}", path.display(), kib(seen.size)),
    );
    line("asked at", or_nothing(stages(seen)));
    line("configure", configure(seen).to_owned());
    line("wants", or_nothing(requests(seen)));
    line(
        "inert",
        format!(
            "{} WASI interfaces, served empty: no files, no sockets, no environment",
            seen.inert.len()
        ),
    );
    line("snapshot", snapshot(seen));
    if !seen.extra.is_empty() {
        line(
            "ignored",
            format!("exports outside the contract: {}", seen.extra.join(", ")),
        );
    }
    text.push_str(
        "\nTo use it, write these rights into the .toml beside it, granting or denying each:\n",
    );
    let wanted: Vec<_> = requests(seen).iter().map(|p| format!("\"{p}\"")).collect();
    let _ = writeln!(text, "  grant = [{}]", wanted.join(", "));
    text
}

fn stages(seen: &Inspection) -> Vec<&'static str> {
    seen.stages.iter().map(|stage| stage.name()).collect()
}

fn requests(seen: &Inspection) -> Vec<&'static str> {
    seen.requests()
        .map(|permission| permission.name())
        .collect()
}

fn configure(seen: &Inspection) -> &'static str {
    match seen.configure {
        Configure::Absent => "takes no [config]",
        Configure::Exported => "takes the [config] table of its .toml",
    }
}

/// As far as it can be said before it runs.
fn snapshot(seen: &Inspection) -> String {
    match &seen.preparation {
        Preparation::Absent => "no need: nothing runs before its first question".to_owned(),
        Preparation::Snapshot => {
            "yes, unless its configure leaves something open; `lazaret check` makes it".to_owned()
        }
        Preparation::InEachFork(why) => format!("no, each sandbox is configured anew: {why}"),
    }
}

fn or_nothing(words: Vec<&str>) -> String {
    match words.is_empty() {
        true => "nothing".to_owned(),
        false => words.join(", "),
    }
}

fn kib(octets: u64) -> String {
    format!("{} KiB", octets.div_ceil(1024))
}
