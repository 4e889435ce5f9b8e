//! Permission `score`, optionally bounded (`score:-2..8`): points for or against this message.

use crate::Error;
use crate::host::score as host;

pub use crate::bindings::permissions::lazaret::filter::score::Entry;

/// Adds points under a symbol such as `NO_DATE`, with the reason in words.
///
/// # Errors
/// [`Error::Invalid`] for a bad symbol or points that are no number, [`Error::NotNow`] outside a transaction,
/// [`Error::NotGranted`], [`Error::Limit`].
pub fn add(symbol: &str, points: f64, why: &str) -> Result<(), Error> {
    host::add(symbol, points, why)
}

/// The sum of all filters so far.
///
/// # Errors
/// [`Error::NotNow`] in `configure`, [`Error::NotGranted`].
pub fn total() -> Result<f64, Error> {
    host::total()
}

/// The entries behind [`total`], oldest first, at most 1000.
///
/// # Errors
/// As [`total`], and [`Error::Limit`] when all reads of the call reach 1 GiB.
pub fn all() -> Result<Vec<Entry>, Error> {
    host::all()
}
