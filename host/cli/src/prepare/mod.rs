//! `lazaret prepare`: the child process in which one filter is compiled and configured. The engine starts it, see
//! `Preparer::Child`; what it works on comes from a stranger, so the limits come first.

mod limits;

use std::io::IsTerminal;

use crate::arguments::Prepare;
use crate::exit::{Exit, Failure};

/// Limits this process, then takes one order and answers it.
pub fn prepare(arguments: &Prepare) -> Result<Exit, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "`prepare` is internal: lazaret starts it itself; to see whether filters load, use `lazaret check`",
        ));
    }
    limits::set(arguments)
        .map_err(|error| Failure::temporary(format!("cannot limit this process: {error}")))?;
    lazaret_engine::serve_preparation()
        .map_err(|error| Failure::temporary(format!("nobody to prepare for: {error}")))?;
    Ok(Exit::Good)
}
