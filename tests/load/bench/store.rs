//! The figures of each stage as a file beside the page, `loads.json`, `memory.json`, ...: the table of aims needs those of
//! several stages, which may be of several runs.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::results::{Results, Stage};

/// Digits of a number that are kept: no figure is more certain.
const DIGITS: i32 = 4;

/// What there is in `directory`.
pub fn read(directory: &Path) -> Result<Results> {
    Ok(Results {
        loads: one(directory, "loads")?,
        memory: one(directory, "memory")?,
        syscalls: one(directory, "syscalls")?,
        tools: one(directory, "tools")?,
        growth: one(directory, "growth")?,
    })
}

/// Writes the stages that `results` has; the files of others stay as they are.
pub fn write(directory: &Path, results: &Results) -> Result<()> {
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    keep(directory, "loads", results.loads.as_ref())?;
    keep(directory, "memory", results.memory.as_ref())?;
    keep(directory, "syscalls", results.syscalls.as_ref())?;
    keep(directory, "tools", results.tools.as_ref())?;
    keep(directory, "growth", results.growth.as_ref())
}

/// Stages of `new` in place of those of `old`.
pub fn joined(new: Results, old: Results) -> Results {
    Results {
        loads: new.loads.or(old.loads),
        memory: new.memory.or(old.memory),
        syscalls: new.syscalls.or(old.syscalls),
        tools: new.tools.or(old.tools),
        growth: new.growth.or(old.growth),
    }
}

fn one<T: DeserializeOwned>(directory: &Path, name: &str) -> Result<Option<Stage<T>>> {
    let file = directory.join(name).with_extension("json");
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| file.display().to_string()),
    };
    let stage = serde_json::from_str(&text);
    let cure = || {
        format!(
            "{} is of another version: delete it, and measure that stage again (--only {name})",
            file.display()
        )
    };
    stage.map(Some).with_context(cure)
}

fn keep<T: Serialize>(directory: &Path, name: &str, stage: Option<&Stage<T>>) -> Result<()> {
    let Some(stage) = stage else {
        return Ok(());
    };
    let file = directory.join(name).with_extension("json");
    let mut value = serde_json::to_value(stage)?;
    round(&mut value);
    std::fs::write(&file, lines(&value)).with_context(|| file.display().to_string())
}

/// One line for each figure of the stage, so that a change of one is a change of one line.
fn lines(stage: &Value) -> String {
    let figures = stage["figures"].as_array();
    let figures = figures.into_iter().flatten().map(Value::to_string);
    let figures: Vec<_> = figures.collect();
    format!(
        "{{\"origin\":{},\n\"figures\":[\n{}\n]}}\n",
        stage["origin"],
        figures.join(",\n")
    )
}

fn round(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(round),
        Value::Object(fields) => fields.values_mut().for_each(round),
        Value::Number(number) if number.is_f64() => {
            let figure = number.as_f64().map(rounded);
            *value = figure.into();
        }
        _ => {}
    }
}

fn rounded(figure: f64) -> f64 {
    if figure == 0.0 || !figure.is_finite() {
        return 0.0;
    }
    let digits = DIGITS - 1 - figure.abs().log10().floor() as i32;
    // By way of the text, which is the shortest that means this number.
    format!("{figure:.*}", digits.clamp(0, 17) as usize)
        .parse()
        .unwrap_or(figure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Origin;
    use crate::peers::Peer;
    use crate::results::Rounds;

    fn counted(calls: f64) -> Results {
        let origin = Origin {
            commit: "1234567 of 2026-11-29".to_owned(),
            day: "2026-11-30".to_owned(),
            machine: vec!["2 processors".to_owned()],
            load: "0.50".to_owned(),
            rounds: 3,
            seconds: 4.0,
            peers: Vec::new(),
        };
        let figures = vec![Rounds {
            peer: Peer::Haproxy,
            rounds: vec![calls, 19.0],
        }];
        Results {
            syscalls: Some(Stage { origin, figures }),
            ..Results::default()
        }
    }

    #[test]
    fn what_is_written_is_read_and_other_stages_stay() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &counted(20.123_456)).unwrap();
        write(directory.path(), &Results::default()).unwrap();
        let read = read(directory.path()).unwrap();
        assert!(read.loads.is_none());
        let stage = read.syscalls.unwrap();
        assert_eq!(stage.figures[0].rounds, [20.12, 19.0]);
        assert_eq!(stage.origin.commit, "1234567 of 2026-11-29");
    }

    #[test]
    fn a_new_stage_replaces_an_old_one() {
        let calls = |results: &Results| results.syscalls.as_ref().unwrap().figures[0].rounds[0];
        assert_eq!(calls(&joined(counted(1.0), counted(2.0))), 1.0);
        assert_eq!(calls(&joined(Results::default(), counted(2.0))), 2.0);
    }

    #[test]
    fn a_file_of_another_version_says_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("tools.json"), "{}").unwrap();
        let error = read(directory.path()).unwrap_err().to_string();
        assert!(error.contains("--only tools"), "{error}");
    }

    #[test]
    fn four_digits_are_kept() {
        for (figure, kept) in [
            (12_345.678, 12_346.0),
            (0.123_456_789, 0.1235),
            (-2.0, -2.0),
            (0.0, 0.0),
            (f64::NAN, 0.0),
        ] {
            assert_eq!(rounded(figure), kept);
        }
    }
}
