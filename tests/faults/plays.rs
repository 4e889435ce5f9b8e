//! A load that is played over and over: what the program holds after each play, and whether that comes to rest.

use std::fmt;

/// It is played so often at most.
pub const MOST: usize = 12;
/// Two plays in a row may leave so many octets on top of what was held before them: pages come and go.
pub const GROWTH: u64 = 2 << 20;

/// Octets that were resident before the first play, and after each once memory was at rest.
#[derive(Debug)]
pub struct Plays(Vec<u64>);

impl Plays {
    /// None yet.
    pub fn from(base: u64) -> Self {
        Self(vec![base])
    }

    /// One more has left so much.
    pub fn enter(&mut self, resident: u64) {
        self.0.push(resident);
    }

    /// Did the last two leave next to nothing on top of the one before them? What somebody forgets to give back comes on
    /// top each time. An allocator keeps for each of its threads what was freed there, and takes more until they all have
    /// some; then a play finds what it needs.
    pub fn are_at_rest(&self) -> bool {
        match self.0[1..] {
            [.., before, next, last] => next.max(last) <= before + GROWTH,
            _ => false,
        }
    }
}

impl fmt::Display for Plays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mebibytes = self.0.iter().map(|octets| (octets >> 20).to_string());
        write!(f, "{} MiB", mebibytes.collect::<Vec<_>>().join(" > "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plays(mebibytes: &[u64]) -> Plays {
        Plays(mebibytes.iter().map(|it| it << 20).collect())
    }

    #[test]
    fn rest_is_two_plays_that_leave_next_to_nothing() {
        assert!(plays(&[60, 90, 91, 92]).are_at_rest());
        assert!(plays(&[60, 90, 99, 100, 99]).are_at_rest());
        // The first play is what the others are compared with.
        assert!(!plays(&[60, 60, 60]).are_at_rest());
        assert!(!plays(&[60, 90, 93, 90]).are_at_rest());
    }

    #[test]
    fn what_comes_on_top_each_time_never_rests() {
        let mut leak = Plays::from(60 << 20);
        for play in 1..=MOST as u64 {
            leak.enter((60 << 20) + play * (3 << 19));
            assert!(!leak.are_at_rest(), "{leak}");
        }
        assert!(leak.to_string().starts_with("60 > 61 > 63 > 64"), "{leak}");
    }
}
