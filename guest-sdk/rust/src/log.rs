//! Lines for the filter's log. Always granted; rate and size are capped, what is dropped is counted.

use std::fmt::Display;

pub use crate::bindings::permissions::lazaret::filter::log::Level;
use crate::host::log as host;

/// For whoever writes the filter.
pub fn debug(message: impl Display) {
    host::write(Level::Debug, &message.to_string());
}

/// For whoever reads the log.
pub fn info(message: impl Display) {
    host::write(Level::Info, &message.to_string());
}

/// For whoever should look at it some day.
pub fn warn(message: impl Display) {
    host::write(Level::Warn, &message.to_string());
}

/// For whoever should look at it now.
pub fn error(message: impl Display) {
    host::write(Level::Error, &message.to_string());
}
