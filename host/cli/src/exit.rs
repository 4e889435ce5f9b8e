//! How a command ends: an exit code, and for people one message that says what to do.

use std::fmt;
use std::process::ExitCode;

use lazaret_config::ConfigError;
use lazaret_mail::LoadError;

/// Exit codes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0: done
    Good,
    /// 1: looked at something and found it bad
    Bad,
    /// 2: the command line or the configuration is wrong
    Usage,
    /// 75: may work another time (EX_TEMPFAIL of sysexits)
    Temporary,
}

impl Exit {
    /// As the parent process sees it.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Good => 0,
            Exit::Bad => 1,
            Exit::Usage => 2,
            Exit::Temporary => 75,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

/// A command could not do what it was asked to: the exit code and the message for standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// never `Good`
    pub exit: Exit,
    message: String,
}

impl Failure {
    /// The command line or the configuration is wrong.
    pub fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// Something that was looked at is bad.
    pub fn bad(message: impl fmt::Display) -> Self {
        Self::new(Exit::Bad, message)
    }

    /// The machine refused for now.
    pub fn temporary(message: impl fmt::Display) -> Self {
        Self::new(Exit::Temporary, message)
    }

    fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self {
            exit,
            message: message.to_string(),
        }
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        Self::bad(error)
    }
}
