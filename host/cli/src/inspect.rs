//! `lazaret inspect`: what a component is and wants, in words; nothing of it is run unless it shall be prepared.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use lazaret_engine::{Configure, EngineSettings, Inspection, Preparation};
use serde_json::json;

use crate::arguments::Inspect;
use crate::exit::{Exit, Failure};
use crate::trial::rights::source;
use crate::{output, wire};

/// What came of preparing it.
struct Prepared {
    how: Preparation,
    /// real time
    took: Duration,
    /// that rights were assumed
    note: Option<String>,
}

/// Reads the component and prints what it exports and imports; with `--prepare` also how its sandboxes start.
pub async fn inspect(arguments: &Inspect) -> Result<Exit, Failure> {
    let path = &arguments.wasm;
    if !path.exists() {
        return Err(Failure::usage(format!(
            "{}: there is no such file",
            path.display()
        )));
    }
    let seen = lazaret_engine::inspect_file(path, EngineSettings::default().max_wasm)?;
    let prepared = match arguments.prepare {
        true => Some(prepare(path).await?),
        false => None,
    };
    let prepared = prepared.as_ref();
    output::say(&match arguments.print.json {
        true => output::json(&as_json(path, &seen, prepared)),
        false => as_text(path, &seen, prepared),
    })?;
    Ok(Exit::Good)
}

/// As the proxy would, with services that ask nobody.
async fn prepare(path: &Path) -> Result<Prepared, Failure> {
    let (source, note) = source(path)?;
    let engine = wire::sandboxes(None, wire::aside(None).await?)?;
    let begun = Instant::now();
    Ok(Prepared {
        how: engine.try_preparation(source).await?,
        took: begun.elapsed(),
        note,
    })
}

fn as_json(path: &Path, seen: &Inspection, prepared: Option<&Prepared>) -> serde_json::Value {
    let how = prepared.map_or(&seen.preparation, |prepared| &prepared.how);
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
        "prepared": prepared.is_some(),
        "snapshot": *how == Preparation::Snapshot,
        "preparation": how.to_string(),
        "no-snapshot-because": reason(how),
        "assumed": prepared.and_then(|prepared| prepared.note.as_deref()),
    })
}

fn as_text(path: &Path, seen: &Inspection, prepared: Option<&Prepared>) -> String {
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
    line("snapshot", snapshot(seen, prepared));
    if let Some(note) = prepared.and_then(|prepared| prepared.note.as_ref()) {
        line("assumed", note.clone());
    }
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

/// What happened, or as far as it can be said before it runs.
fn snapshot(seen: &Inspection, prepared: Option<&Prepared>) -> String {
    let how = prepared.map_or(&seen.preparation, |prepared| &prepared.how);
    match (how, prepared) {
        (Preparation::Absent, _) => "no need: nothing runs before its first question".to_owned(),
        (Preparation::Snapshot, Some(prepared)) => format!(
            "yes, each sandbox is forked from it; ready after {:.1} s",
            prepared.took.as_secs_f64()
        ),
        (Preparation::Snapshot, None) => {
            "to be expected, unless its configure leaves something open: --prepare tries it"
                .to_owned()
        }
        (Preparation::InEachFork(why), _) => {
            format!("no, each sandbox is configured anew: {why}")
        }
    }
}

fn reason(how: &Preparation) -> Option<&str> {
    match how {
        Preparation::InEachFork(why) => Some(why),
        Preparation::Absent | Preparation::Snapshot => None,
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
