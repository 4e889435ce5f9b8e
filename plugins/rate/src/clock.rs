//! The time of day. Proxies that share a store must agree on it roughly; what a wrong clock can do is bounded in
//! [`crate::bucket`].

/// Microseconds since 1970.
#[cfg(not(test))]
pub fn now() -> u64 {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed();
    // A clock before 1970 is a broken one; 64 bits of microseconds last for half a million years.
    since.map_or(0, |time| time.as_micros() as u64)
}

#[cfg(test)]
pub use by_hand::{now, set};

#[cfg(test)]
mod by_hand {
    use std::cell::Cell;

    thread_local! {
        static NOW: Cell<u64> = const { Cell::new(1_700_000_000_000_000) };
    }

    pub fn now() -> u64 {
        NOW.get()
    }

    pub fn set(change: impl FnOnce(u64) -> u64) {
        NOW.set(change(NOW.get()));
    }
}
