//! `cargo xtask faults` and `cargo xtask crowd`: the fault table, and a crowd, against the program as `cargo build` makes it.

use std::process::Command;

use crate::guest_target;
use crate::step::{self, Outcome};

/// Builds the program and what hurts it, in the profile of the tests, so that nothing big is compiled anew. A run of all
/// rows rewrites docs/faults.md.
pub fn faults(arguments: &[String]) -> Outcome {
    const SHORTENED: [&str; 5] = ["--row", "--messages", "--list", "--page", "--help"];
    let mut arguments = arguments.to_vec();
    if !step::has_one_of(&arguments, &SHORTENED) {
        let page = step::root().join("docs/faults.md");
        arguments.extend(["--page".to_owned(), page.display().to_string()]);
    }
    table("lazaret-faults", &arguments)
}

/// `cargo xtask crowd`: thousands of connections at once.
pub fn crowd(arguments: &[String]) -> Outcome {
    table("lazaret-crowd", arguments)
}

/// Runs a program of the end-to-end tests that starts `lazaret` as a process.
fn table(program: &str, arguments: &[String]) -> Outcome {
    guest_target::ensure()?;
    let mut build = step::cargo();
    build
        .current_dir(step::root())
        .args([
            "build",
            "--quiet",
            "--package",
            "lazaret",
            "--bin",
            "lazaret",
        ])
        .args(["--package", "lazaret-tests", "--bin", program]);
    step::run(build)?;
    let built = step::target().join("debug");
    // A connection is a descriptor on both sides.
    let mut run = Command::new("sh");
    run.args(["-c", "ulimit -n $(ulimit -H -n) && exec \"$@\"", "sh"])
        .arg(built.join(program));
    run.arg("--lazaret")
        .arg(built.join("lazaret"))
        .args(arguments);
    step::run(run)
}
