//! `cargo xtask demo`: README's first command.

use std::process::Command;

use crate::guest_target;
use crate::step::{self, Outcome};

/// Builds the workspace's program with its bundled filters and becomes `lazaret demo`.
pub fn demo(arguments: &[String]) -> Outcome {
    guest_target::ensure()?;
    eprintln!(
        "xtask: building; the first time takes some minutes, wasmtime being the largest part"
    );
    let mut build = step::cargo();
    build.args(["build", "--package", "lazaret", "--bin", "lazaret"]);
    step::run(build)?;
    let mut lazaret = step::cargo();
    lazaret
        .args(["run", "--quiet", "--package", "lazaret", "--bin", "lazaret"])
        .args(["--", "demo"])
        .args(arguments);
    become_it(lazaret)
}

/// Replaces this process, so that Ctrl-C and the exit code are the program's own.
#[cfg(unix)]
fn become_it(mut command: Command) -> Outcome {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(step::not_started(&command, &error))
}

#[cfg(not(unix))]
fn become_it(command: Command) -> Outcome {
    step::run(command)
}
