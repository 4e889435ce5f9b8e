//! Permission `notes`: short facts for later stages and later filters. A filter writes under its own name and reads all.

use crate::Error;
pub use crate::bindings::permissions::lazaret::filter::notes::Scope;
use crate::host::notes as host;

/// Writes a note.
///
/// # Errors
/// [`Error::Invalid`] for a key other than 1 to 64 letters, digits, `-`, `_` and `.`, and for a value over 1 KiB;
/// [`Error::Limit`] after 32 notes of a call; [`Error::NotNow`] for observers, in `configure`, and for
/// [`Scope::Transaction`] before MAIL; [`Error::NotGranted`].
pub fn set(scope: Scope, key: &str, value: &str) -> Result<(), Error> {
    host::set(scope, key, value)
}

/// Reads a note of the filter of that name (`rules` for `20-rules.wasm`); one of the transaction goes before one of the
/// connection. None, too, for a name or a key that none can have.
///
/// # Errors
/// [`Error::NotNow`] in `configure`, [`Error::NotGranted`].
pub fn get(filter: &str, key: &str) -> Result<Option<String>, Error> {
    host::get(filter, key)
}
