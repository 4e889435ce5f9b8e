//! The log: standard error, text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::arguments::{Arguments, Command, LogFormat};
use crate::exit::Failure;

/// Starts logging. The proxy tells about its life and each transaction; the other commands only warn.
pub fn start(arguments: &Arguments) -> Result<(), Failure> {
    let usual = match arguments.command {
        Command::Run(_) | Command::Demo(_) => "info",
        Command::Check(_) | Command::Filters(_) | Command::Inspect(_) | Command::Try(_) => "warn",
    };
    let level = arguments.log.log.as_deref().unwrap_or(usual);
    let filter = levels(level).map_err(|problem| {
        Failure::usage(format!(
            "--log {level}: {problem}; e.g. `debug` or `info,lazaret_proxy=debug`"
        ))
    })?;
    // A log that cannot be written is not worth a panic: no complaint about it on the same closed stream.
    let log = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false)
        .with_env_filter(filter);
    match arguments.log.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}

/// What to log. A lone word must be a level: taken for the name of a module, `--log wran` would log nothing at all.
fn levels(written: &str) -> Result<EnvFilter, String> {
    let lone = |part: &&str| !part.contains(['=', '[']);
    for word in written.split(',').filter(lone) {
        word.parse::<LevelFilter>()
            .map_err(|_| format!("`{word}` is no level (error, warn, info, debug, trace, off)"))?;
    }
    EnvFilter::try_new(written).map_err(|e| e.to_string())
}
