//! `cargo xtask test`: the whole workspace, then how many real peers took part.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::guest_target;
use crate::peers::Peers;
use crate::step::{self, Outcome, Problem};

/// Runs `cargo test --workspace` (or what `arguments` narrow it to) and sums up.
pub fn test(arguments: &[String]) -> Outcome {
    guest_target::ensure()?;
    let mut command = cargo_test(arguments);
    step::announce(&command);
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| step::not_started(&command, &error))?;
    let peers = relay(&mut child)?;
    let status = child
        .wait()
        .map_err(|error| Problem::failed(format!("cargo test was lost: {error}")))?;
    step::say(&format!("{peers}\n"));
    if !status.success() {
        return Err(Problem::failed(format!("cargo test ended with {status}")));
    }
    if required() && peers.ran() == 0 {
        return Err(Problem::failed(
            "LAZARET_REQUIRE_PEERS=1, but no peer test ran; install postfix and swaks",
        ));
    }
    Ok(())
}

/// `--show-output`, because the peer lines of passing tests are what we count.
fn cargo_test(arguments: &[String]) -> Command {
    let mut command = step::cargo();
    command.arg("test");
    let end = arguments.iter().position(|a| a == "--");
    let (for_cargo, for_tests) = arguments.split_at(end.unwrap_or(arguments.len()));
    let narrowed = |a: &String| a.starts_with("-p") || a.starts_with("--package");
    if !for_cargo.iter().any(narrowed) {
        command.arg("--workspace");
    }
    command.args(for_cargo).args(["--", "--show-output"]);
    command.args(for_tests.iter().skip(1));
    command
}

/// Passes every line on as it comes and counts the peers in passing.
fn relay(child: &mut Child) -> Result<Peers, Problem> {
    let stdout = child.stdout.take().expect("stdout was asked to be a pipe");
    let mut peers = Peers::default();
    let mut lines = BufReader::new(stdout);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = lines
            .read_until(b'\n', &mut line)
            .map_err(|error| Problem::failed(format!("cargo test's output was lost: {error}")))?;
        if read == 0 {
            return Ok(peers);
        }
        peers.note(&String::from_utf8_lossy(&line));
        let _ = std::io::stdout().write_all(&line);
    }
}

fn required() -> bool {
    std::env::var("LAZARET_REQUIRE_PEERS").is_ok_and(|value| value == "1")
}
