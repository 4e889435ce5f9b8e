//! One command of a task: shown, run, judged.

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a task ends with.
pub type Outcome = Result<(), Problem>;

/// Why a task stopped.
#[derive(Debug)]
pub struct Problem {
    /// the exit code of this process
    pub exit: u8,
    text: String,
}

impl Problem {
    /// Something ran and was found bad.
    pub fn failed(text: impl Into<String>) -> Self {
        Self {
            exit: 1,
            text: text.into(),
        }
    }
    /// The command line is wrong.
    pub fn usage(text: impl Into<String>) -> Self {
        Self {
            exit: 2,
            text: text.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Cargo, the same one that started this task. What it told us about our own package is taken away: build scripts such as
/// aws-lc's look at these variables, and would compile anew at each change between `cargo xtask test` and `cargo test`.
pub fn cargo() -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut cargo = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if is_about_us(&name.to_string_lossy()) {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// The directory of the workspace.
pub fn root() -> &'static Path {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    root.expect("xtask is a folder of the workspace")
}

/// Where cargo builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Is one of these flags given?
pub fn has_one_of(arguments: &[String], flags: &[&str]) -> bool {
    let is_given = |argument: &String| flags.contains(&argument.as_str());
    arguments.iter().any(is_given)
}

fn is_about_us(variable: &str) -> bool {
    let prefixes = ["CARGO_PKG_", "CARGO_MANIFEST_"];
    let names = [
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
    ];
    names.contains(&variable) || prefixes.iter().any(|prefix| variable.starts_with(prefix))
}

/// Prints to standard output; a closed pipe is nobody's problem.
pub fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Shows what is about to run.
pub fn announce(command: &Command) {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    eprintln!("xtask: {}", words.join(" "));
}

/// Runs it with our own input and output.
pub fn run(mut command: Command) -> Outcome {
    announce(&command);
    let status = command.status().map_err(|e| not_started(&command, &e))?;
    if status.success() {
        Ok(())
    } else {
        Err(Problem::failed(format!(
            "{} ended with {status}",
            command.get_program().to_string_lossy()
        )))
    }
}

/// The program itself could not be started.
pub fn not_started(command: &Command, error: &std::io::Error) -> Problem {
    let program = command.get_program().to_string_lossy();
    Problem::failed(format!("cannot start {program}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::is_about_us;

    #[test]
    fn what_the_user_set_stays() {
        for (variable, ours) in [
            ("CARGO_PKG_NAME", true),
            ("CARGO_MANIFEST_DIR", true),
            ("CARGO_BIN_NAME", true),
            ("CARGO_TARGET_DIR", false),
            ("CARGO_HOME", false),
            ("CARGO_NET_OFFLINE", false),
            ("CARGO", false),
        ] {
            assert_eq!(is_about_us(variable), ours, "{variable}");
        }
    }
}
