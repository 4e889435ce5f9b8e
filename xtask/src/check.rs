//! `cargo xtask check`: what CI asks before the tests: one compiled wasmtime for all, format, lints and documentation.

use crate::guest_target;
use crate::step::{self, Outcome};
use crate::units;

const STEPS: [&[&str]; 3] = [
    &["fmt", "--all", "--check"],
    &[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ],
    &["doc", "--workspace", "--no-deps"],
];

/// Stops at the first step that finds something; with `--units` it is only looked whether wasmtime is compiled once.
pub fn check(arguments: &[String]) -> Outcome {
    match arguments {
        [] => {}
        [flag] if flag == "--units" => return units::compare(),
        [unexpected, ..] => {
            return Err(step::Problem::usage(format!(
                "`check` takes `--units` or nothing, got `{unexpected}`"
            )));
        }
    }
    guest_target::ensure()?;
    units::compare()?;
    for words in STEPS {
        let mut cargo = step::cargo();
        cargo.args(words).env("RUSTDOCFLAGS", "-D warnings");
        step::run(cargo)?;
    }
    Ok(())
}
