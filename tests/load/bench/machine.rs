//! What, when and on what figures were measured.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::results::Presence;

/// Where the figures of one stage come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Origin {
    /// what was built, e.g. `5be7c18 of 2026-11-29`; empty outside of a repository
    pub commit: String,
    /// the day of the run
    pub day: String,
    /// processors, memory, system
    pub machine: Vec<String>,
    /// load average of the last minute when the stage began: somebody else's work on the machine is in every figure
    pub load: String,
    /// alternated rounds
    pub rounds: usize,
    /// seconds of each load
    pub seconds: f64,
    /// who was asked to take part
    pub peers: Vec<Presence>,
}

impl Origin {
    /// Of figures that are measured from now on.
    pub fn now(arguments: &Arguments, peers: Vec<Presence>) -> Self {
        Self {
            commit: commit(),
            day: said(Command::new("date").args(["-u", "+%F"])),
            machine: machine(),
            load: load(),
            rounds: arguments.rounds(),
            seconds: arguments.time().as_secs_f64(),
            peers,
        }
    }
}

/// Lines for a list.
fn machine() -> Vec<String> {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_default();
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = field_after("/etc/os-release", "PRETTY_NAME=").unwrap_or_default();
    vec![
        format!("{processors} processors ({model}), {memory}"),
        format!("Linux {}, {}", kernel.trim(), system.trim_matches('"')),
    ]
}

/// The load average of the last minute.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// The page and its figures may have changed since: they are not what is measured.
fn commit() -> String {
    let commit = said(Command::new("git").args(["show", "--no-patch", "--format=%h of %cs"]));
    let changes = ["status", "--porcelain", "--untracked-files=no"];
    let changes = said(
        Command::new("git")
            .args(changes)
            .args(["--", ":/", ":!/docs"]),
    );
    match changes.is_empty() {
        true => commit,
        false => commit + " with changes that are not committed",
    }
}

fn said(command: &mut Command) -> String {
    let output = command.output().map(|output| output.stdout);
    let text = String::from_utf8(output.unwrap_or_default()).unwrap_or_default();
    text.trim().to_owned()
}

fn field(file: &str, name: &str) -> Option<String> {
    let rest = field_after(file, name)?;
    Some(rest.trim_start_matches([' ', '\t', ':']).to_owned())
}

fn field_after(file: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(name).map(str::to_owned))
}
