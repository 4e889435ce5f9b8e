//! `cargo xtask check`: format, lints and documentation as CI asks for them.

use crate::guest_target;
use crate::step::{self, Outcome};

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

/// Stops at the first step that finds something.
pub fn check(arguments: &[String]) -> Outcome {
    if let Some(unexpected) = arguments.first() {
        return Err(step::Problem::usage(format!(
            "`check` takes no arguments, got `{unexpected}`"
        )));
    }
    guest_target::ensure()?;
    for words in STEPS {
        let mut cargo = step::cargo();
        cargo.args(words).env("RUSTDOCFLAGS", "-D warnings");
        step::run(cargo)?;
    }
    Ok(())
}
