//! Fresh randomness, always granted. Anything seeded in `configure` is the same in every copy of the filter.

use crate::host::entropy as host;

/// That many random octets; the host caps a call.
pub fn random(length: u32) -> Vec<u8> {
    host::random(length)
}
