//! `cargo xtask faults` and `cargo xtask crowd`: the fault table, and a crowd, against the program as `cargo build` makes it.

use std::process::Command;

use crate::guest_target;
use crate::step::{self, Outcome};

/// Builds the program and what hurts it, in the profile of the tests, so that nothing big is compiled anew. A run of all
/// rows rewrites docs/faults.md.
pub fn faults(arguments: &[String]) -> Outcome {
    const SHORTENED: [&str; 5] = ["--row", "--messages", "--list", "--page", "--help"];
    let arguments = with_page(arguments, &SHORTENED, "docs/faults.md");
    table("lazaret-faults", &arguments)
}

/// `cargo xtask crowd`: thousands of connections at once. A run of all of them rewrites docs/crowd.md.
pub fn crowd(arguments: &[String]) -> Outcome {
    const SHORTENED: [&str; 4] = ["--connections", "--messages", "--page", "--help"];
    let arguments = with_page(arguments, &SHORTENED, "docs/crowd.md");
    table("lazaret-crowd", &arguments)
}

/// What is not shortened is written to `page`.
fn with_page(arguments: &[String], shortened: &[&str], page: &str) -> Vec<String> {
    let mut arguments = arguments.to_vec();
    if !step::has_one_of(&arguments, shortened) {
        let page = step::root().join(page);
        arguments.extend(["--page".to_owned(), page.display().to_string()]);
    }
    arguments
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
