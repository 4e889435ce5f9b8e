//! `cargo xtask hostile`: the hostile set, in a program of the end-to-end tests.

use crate::guest_target;
use crate::step::{self, Outcome};

/// Arguments after which a run is not what the page is about.
const SHORTENED: [&str; 4] = ["--quick", "--invocations", "--page", "--help"];

/// Builds the program in the profile of the tests, so that nothing big is compiled anew, and runs it. A run that is not
/// shortened rewrites docs/hostile.md.
pub fn hostile(arguments: &[String]) -> Outcome {
    guest_target::ensure()?;
    let mut cargo = step::cargo();
    cargo
        .args([
            "run",
            "--quiet",
            "--package",
            "lazaret-tests",
            "--bin",
            "lazaret-hostile",
            "--",
        ])
        .args(arguments);
    if !step::has_one_of(arguments, &SHORTENED) {
        cargo
            .arg("--page")
            .arg(step::root().join("docs/hostile.md"));
    }
    step::run(cargo)
}
