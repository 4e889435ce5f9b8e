//! Permission `state`: what this filter remembers across connections, shared with the same filter in other sessions and,
//! where the operator keeps it in Redis, in other proxies. Keys are 1 to 512 octets, values at most 64 KiB; each is kept for
//! `seconds` from now, 1 second to 400 days.
//!
//! All functions fail with [`Error::Unavailable`] when the store does not answer, [`Error::Limit`] when the filter has its
//! most keys or octets, [`Error::Invalid`] for arguments outside those bounds, [`Error::NotGranted`] when the operator denies
//! it and [`Error::NotNow`] in `configure`.

use crate::Error;
use crate::host::state as host;

/// What was written under that key, unless its time is over.
///
/// # Errors
/// See the [module](self).
pub fn get(key: &str) -> Result<Option<Vec<u8>>, Error> {
    host::get(key)
}

/// Writes a value, over whatever is there.
///
/// # Errors
/// See the [module](self).
pub fn set(key: &str, value: &[u8], seconds: u32) -> Result<(), Error> {
    host::set(key, value, seconds)
}

/// Was it there?
///
/// # Errors
/// See the [module](self).
pub fn remove(key: &str) -> Result<bool, Error> {
    host::remove(key)
}

/// Adds to a number in one step and returns the sum, kept within an `i32`. One that is not there counts as 0 and lives for
/// `seconds`; one that is there keeps its time.
///
/// # Errors
/// See the [module](self); [`Error::Invalid`] also for a value that `increment` did not make.
pub fn increment(key: &str, by: i32, seconds: u32) -> Result<i32, Error> {
    host::increment(key, by, seconds)
}

/// Writes `value` (None: removes it) if `expected` (None: nothing) is there, in one step. Was it?
///
/// # Errors
/// See the [module](self).
pub fn compare_and_set(
    key: &str,
    expected: Option<&[u8]>,
    value: Option<&[u8]>,
    seconds: u32,
) -> Result<bool, Error> {
    host::compare_and_set(key, expected, value, seconds)
}
