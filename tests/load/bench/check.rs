//! What a run needs, looked at before anything is measured: after half an hour is too late to say that it was for nothing.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::arguments::{Arguments, Kind};
use crate::{growth, page, syscalls, table};

/// Rounds that a page is written of: the median of fewer is one of its extremes.
const ROUNDS: usize = 3;

/// All of it; the error says the cure.
pub fn check(arguments: &Arguments) -> Result<()> {
    for file in [&arguments.lazaret, &arguments.null_filter] {
        ensure!(file.is_file(), "{} is no file", file.display());
    }
    descriptors(arguments)?;
    if arguments.wants(Kind::Growth) {
        space(growth::largest_files(arguments))?;
    }
    match arguments.page() {
        Some(file) => may_write(arguments, file),
        None => Ok(()),
    }
}

fn may_write(arguments: &Arguments, file: &Path) -> Result<()> {
    let rounds = arguments.rounds();
    ensure!(
        rounds >= ROUNDS,
        "{} is not rewritten from {rounds} rounds: leave out --rounds, or look at tables with --quick",
        file.display()
    );
    let counts = !arguments.wants(Kind::Syscalls) || syscalls::available();
    ensure!(
        counts,
        "strace is not installed, so no system calls can be counted: apt-get install strace, or name the other stages \
         with --only"
    );
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let names = table::names(arguments.kinds()).into_iter();
    let parts: Vec<_> = names.map(|name| (name, String::new())).collect();
    page::filled(&text, &parts)?;
    warn_of_gaps(arguments, &file.with_extension(""));
    Ok(())
}

/// The table of aims is made of three stages.
fn warn_of_gaps(arguments: &Arguments, directory: &Path) {
    let stages = [
        (Kind::Loads, "loads"),
        (Kind::Memory, "memory"),
        (Kind::Syscalls, "syscalls"),
    ];
    for (kind, name) in stages {
        let file = directory.join(name).with_extension("json");
        if !arguments.wants(kind) && !file.is_file() {
            eprintln!(
                "bench: there is no {}: aims of that stage will be \"not measured\" until --only {name}",
                file.display()
            );
        }
    }
}

/// We have the client's ends of the largest crowd, the sink may have as many, HAProxy has both.
fn descriptors(arguments: &Arguments) -> Result<()> {
    let mut crowds = Vec::new();
    if arguments.wants(Kind::Memory) {
        crowds.extend(arguments.crowds());
    }
    if arguments.wants(Kind::Growth) {
        crowds.extend(growth::crowds_of(arguments));
    }
    let largest = crowds.into_iter().max().unwrap_or(0) as u64;
    let (needed, limit) = (largest * 2 + largest / 5 + 200, limit());
    ensure!(
        needed <= limit,
        "{needed} open files are needed and {limit} are allowed: run `ulimit -n {needed}` first"
    );
    Ok(())
}

/// How many files this process, and what it starts, may have open.
fn limit() -> u64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"));
    let soft = line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok());
    soft.unwrap_or(u64::MAX)
}

/// Large messages are files while they pass through.
fn space(octets: u64) -> Result<()> {
    let directory = std::env::temp_dir();
    let output = Command::new("df").arg("-Pk").arg(&directory).output();
    let text = String::from_utf8(output.map(|o| o.stdout).unwrap_or_default())?;
    let Some(free) = free(&text) else {
        return Ok(());
    };
    ensure!(
        free >= octets,
        "{} has {} MiB free and the largest messages need {}: name another directory with TMPDIR",
        directory.display(),
        free >> 20,
        octets >> 20
    );
    Ok(())
}

/// Octets, from the second line of `df -Pk`.
fn free(table: &str) -> Option<u64> {
    let line = table.lines().nth(1)?;
    let kibibytes: u64 = line.split_ascii_whitespace().nth(3)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn arguments(more: &[&str]) -> Arguments {
        let program = std::env::current_exe().unwrap().display().to_string();
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/performance.md");
        let always = [
            "bench",
            "--lazaret",
            &program,
            "--null-filter",
            &program,
            "--page",
            page,
        ];
        Arguments::parse_from(always.iter().chain(more))
    }

    #[test]
    fn few_rounds_write_no_page() {
        assert!(check(&arguments(&["--only", "loads"])).is_ok());
        assert!(check(&arguments(&["--only", "loads", "--quick"])).is_ok());
        let error = check(&arguments(&["--only", "loads", "--rounds", "2"])).unwrap_err();
        assert!(error.to_string().contains("leave out --rounds"), "{error}");
    }

    #[test]
    fn programs_that_are_not_there_are_missed_at_once() {
        let mut arguments = arguments(&["--quick", "--only", "loads"]);
        arguments.null_filter = "/nowhere/null.wasm".into();
        let error = check(&arguments).unwrap_err();
        assert!(error.to_string().contains("/nowhere/null.wasm"), "{error}");
    }

    #[test]
    fn free_space_is_found() {
        let table = "Filesystem 1024-blocks Used Available Capacity Mounted on\n\
                     /dev/vda 100000 40000 60000 40% /tmp\n";
        assert_eq!(free(table), Some(60_000 * 1024));
        assert_eq!(free(""), None);
    }
}
