//! Filters that hold a thread between two looks: a guest is looked at between two instructions, and one instruction may
//! fill all of its memory.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::time::Duration;

/// Octets of memory in which nothing takes long.
const SMALL: u64 = 16 << 20;
/// CPU between two looks that others notice.
const LONG: Duration = Duration::from_millis(5);
/// Questions that begin in the slow lane after one that took so long.
const ASIDE: u32 = 1000;

/// What is known of one filter.
#[derive(Debug, Default)]
pub struct Strides {
    /// its memory was large
    is_large: AtomicBool,
    /// questions that are still to begin in the slow lane
    aside: AtomicU32,
}

impl Strides {
    /// Is the next question to begin in the slow lane? It counts as one that does.
    pub fn begins_aside(&self) -> bool {
        let one_less = |aside: u32| aside.checked_sub(1);
        self.aside.load(Relaxed) > 0 && self.aside.fetch_update(Relaxed, Relaxed, one_less).is_ok()
    }

    /// May it take long between two looks?
    pub fn may_be_long(&self) -> bool {
        self.is_large.load(Relaxed)
    }

    /// After a question: how much memory its guest had, and the longest that it took between two looks.
    pub fn note(&self, memory: u64, longest: Duration) {
        if memory > SMALL && !self.may_be_long() {
            self.is_large.store(true, Relaxed);
        }
        if longest >= LONG {
            self.aside.store(ASIDE, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_long_one_so_many_begin_aside() {
        let strides = Strides::default();
        strides.note(SMALL, LONG / 2);
        assert!(!strides.may_be_long() && !strides.begins_aside());
        strides.note(SMALL + 1, LONG);
        assert!(strides.may_be_long());
        let aside = (0..2 * ASIDE).filter(|_| strides.begins_aside()).count();
        assert_eq!(aside, ASIDE as usize);
    }
}
