//! Time that is left until something may happen, as machines are told it.

use std::time::Duration;

/// Rounded up: 0 is now, and not a little later.
pub(crate) fn whole_milliseconds(left: Duration) -> u64 {
    u64::try_from(left.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}
