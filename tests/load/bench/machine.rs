//! What the figures were measured on.

use std::fs;
use std::process::Command;

/// Lines for a list.
pub fn machine() -> Vec<String> {
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = field("/proc/cpuinfo", "model name").unwrap_or_default();
    let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let system = field_after("/etc/os-release", "PRETTY_NAME=").unwrap_or_default();
    let mut lines = vec![
        format!("{processors} processors ({model}), {memory}"),
        format!("Linux {}, {}", kernel.trim(), system.trim_matches('"')),
        format!("load average at the start: {}", load()),
    ];
    lines.extend(commit());
    lines
}

/// Somebody else's work on the machine is in every figure.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn commit() -> Option<String> {
    let output = Command::new("git")
        .args(["show", "--no-patch", "--format=commit %h of %cs"])
        .output()
        .ok()?;
    let line = String::from_utf8(output.stdout).ok()?;
    (!line.is_empty()).then(|| line.trim().to_owned())
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
