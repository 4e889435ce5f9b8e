//! Permission `pace`: hold back the reply to this stage. The host caps the sum.

use std::time::Duration;

use crate::Error;
use crate::host::pace as host;

/// Holds the reply back for this long, on top of what was asked before; what is over 30 s is cut without an error.
///
/// # Errors
/// [`Error::NotNow`] for observers and in `configure`, [`Error::NotGranted`].
pub fn hold(time: Duration) -> Result<(), Error> {
    host::hold(u32::try_from(time.as_millis()).unwrap_or(u32::MAX))
}
