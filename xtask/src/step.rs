//! One command of a task: shown, run, judged.

use std::fmt;
use std::io::Write;
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

/// Cargo, the same one that started this task.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
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
