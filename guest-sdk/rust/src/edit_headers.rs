//! Permission `edit-headers`, optionally by name (`edit-headers:X-Spam-*`). Edits are applied in order when the stage
//! returns, and dropped if the filter fails.

use crate::Error;
use crate::host::edit_headers as host;

/// A new field on top of the header section; the host folds and encodes the value.
///
/// # Errors
/// [`Error::Invalid`] for a bad name or control characters in the value, [`Error::NotGranted`] for a name outside the
/// grant, [`Error::NotNow`], [`Error::Limit`].
pub fn add(name: &str, value: &str) -> Result<(), Error> {
    host::add(name, value)
}

/// A new value for the `nth` field of that name, from 0.
///
/// # Errors
/// As [`add`]; [`Error::Invalid`] also when there is no such field.
pub fn replace(name: &str, nth: u32, value: &str) -> Result<(), Error> {
    host::replace(name, nth, value)
}

/// Removes the `nth` field of that name, from 0.
///
/// # Errors
/// As [`add`].
pub fn remove(name: &str, nth: u32) -> Result<u32, Error> {
    host::remove(name, Some(nth))
}

/// Removes every field of that name and says how many there were.
///
/// # Errors
/// As [`add`].
pub fn remove_all(name: &str) -> Result<u32, Error> {
    host::remove(name, None)
}
