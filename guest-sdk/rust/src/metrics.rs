//! Permission `metrics`: counters and gauges under the filter's name, at the operator's admin port. Names are 1 to 64
//! letters, digits and `_`, and begin with no digit.

use crate::Error;
use crate::host::metrics as host;

/// Counts up.
///
/// # Errors
/// [`Error::Invalid`] for a bad name, [`Error::Limit`] for the 65th name of a filter, [`Error::NotGranted`],
/// [`Error::NotNow`] in `configure`.
pub fn count(name: &str, by: u32) -> Result<(), Error> {
    host::count(name, by)
}

/// Sets a gauge.
///
/// # Errors
/// As [`count`]; [`Error::Invalid`] also for what is no number.
pub fn gauge(name: &str, value: f64) -> Result<(), Error> {
    host::gauge(name, value)
}
