//! System calls a message, counted by strace.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lazaret_load::send;

use crate::ground::{Ground, find, signal};
use crate::scenario::Scenario;
use crate::server::Server;

/// Messages to count over.
const MESSAGES: usize = 2000;

/// strace needs this long to get hold of every thread.
const GRIP: Duration = Duration::from_millis(700);

/// Is there a strace?
pub fn available() -> bool {
    find("strace").is_some()
}

/// Calls of all processes of `server` for one message of the scenario.
pub fn syscalls(server: &Server, ground: &Ground, scenario: &Scenario) -> Result<f64> {
    let file = server.dir().join("strace");
    let mut strace = Command::new("strace");
    strace.args(["-c", "-f", "-o"]).arg(&file);
    for process in server.tree().pids() {
        strace.arg("-p").arg(process.to_string());
    }
    let mut strace = strace.stderr(Stdio::null()).spawn()?;
    sleep(GRIP);
    let before = ground.sink.messages()?;
    let report = send(&scenario.plan_of(server.plain(), MESSAGES));
    ground.sink.wait_for(before + report.messages)?;
    signal(strace.id(), "INT")?;
    strace.wait()?;
    ensure!(report.failures == 0, "under strace: {report}");
    let table = std::fs::read_to_string(&file).context("strace wrote no table")?;
    let calls = total(&table).with_context(|| format!("strace's table has no total:\n{table}"))?;
    Ok(calls as f64 / report.messages as f64)
}

/// The column `calls` of the line `total`: the first whole number in it, for times have a dot and `usecs/call` may be
/// missing.
fn total(table: &str) -> Option<u64> {
    let line = table
        .lines()
        .find(|line| line.trim_end().ends_with("total"))?;
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let header = table.lines().find(|line| line.contains("calls"))?;
    let column = header.find("calls")? + "calls".len();
    let at = |word: &&&str| word.as_ptr() as usize - line.as_ptr() as usize + word.len() == column;
    words.iter().find(at)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::total;

    #[test]
    fn the_total_is_found() {
        let table = "% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 51.05    0.000267           2       110           sendto
 48.95    0.000256          64         4         1 futex
------ ----------- ----------- --------- --------- ----------------
100.00    0.000523           4       114         1 total
";
        assert_eq!(total(table), Some(114));
        assert_eq!(total("nothing"), None);
    }
}
