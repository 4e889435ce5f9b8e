//! Permission `lists`: large sets and maps that the host holds once for all sandboxes, named under `[lists]` in the filter's
//! TOML and read again when their files change.

use crate::Error;
use crate::host::lists as host;

/// Is the entry in the list: the same word (any case), a domain or one above it, an address in one of the networks?
///
/// # Errors
/// [`Error::Invalid`] for a list that is not named in the TOML, and for an entry that is no address where the list holds
/// networks; [`Error::NotGranted`]; [`Error::NotNow`] in `configure`.
pub fn contains(name: &str, entry: &str) -> Result<bool, Error> {
    host::contains(name, entry)
}

/// What stands behind the entry on its line, of the most specific line that holds it; empty where nothing does.
///
/// # Errors
/// As [`contains`].
pub fn lookup(name: &str, entry: &str) -> Result<Option<String>, Error> {
    host::lookup(name, entry)
}
