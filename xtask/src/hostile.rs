//! `cargo xtask hostile`: the hostile set, in a program of the end-to-end tests.

use crate::guest_target;
use crate::step::{self, Outcome};

/// Builds the program in the profile of the tests, so that nothing big is compiled anew, and runs it.
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
    step::run(cargo)
}
