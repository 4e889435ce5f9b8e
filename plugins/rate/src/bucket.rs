//! A token bucket that is one moment in `state`: when it will be full again (the generic cell rate algorithm).
//!
//! A token costs `interval`; taking one moves that moment on by as much, in one compare-and-set, so that of two who take
//! at once both are counted. A bucket that is full has nothing in the store. Whatever is read there is only believed
//! between "full now" and "empty now": neither a clock that jumped nor another rate in the configuration can shut anybody
//! out for longer than filling takes.

use std::time::Duration;

use lazaret_filter::{Error, log, state};

use crate::clock;
use crate::settings::{Answer, Each, Subject};

/// Others may take at the same moment, one of them at least succeeds each time.
const ATTEMPTS: usize = 64;

/// Octets of a subject in a key, from its end. Keys have at most 512; longer ones that end alike share a bucket.
const MOST_OF_A_SUBJECT: usize = 400;

/// What is counted, how much of it passes, and what is answered to more.
#[derive(Debug)]
pub struct Bucket {
    pub by: Subject,
    pub each: Each,
    pub answer: Answer,
    /// how its keys begin: buckets of another rate are others
    pub name: String,
    /// microseconds that a token takes to come back
    pub interval: u64,
    /// tokens that it holds
    pub burst: u64,
    /// microseconds that a reply may be held back, where that is the answer
    pub hold: u64,
}

/// What became of taking a token.
#[derive(Debug)]
pub enum Taken<'a> {
    /// there was one
    Now(Token<'a>),
    /// there will be one then, and it is taken
    After(Token<'a>, Duration),
    /// the next comes back then
    Empty(Duration),
}

/// A token that was taken.
#[derive(Debug)]
pub struct Token<'a> {
    bucket: &'a Bucket,
    key: String,
}

impl Bucket {
    /// Takes a token out of this subject's bucket.
    pub fn take(&self, subject: &str) -> Result<Taken<'_>, Error> {
        let key = format!("{} {}", self.name, tail(subject));
        let mut wait = 0;
        let moved = self.shift(&key, |full_at, now| {
            let after = full_at + self.interval;
            wait = after.saturating_sub(now + self.depth());
            (wait <= self.hold).then_some(after)
        })?;
        let token = Token { bucket: self, key };
        let wait = Duration::from_micros(wait);
        Ok(match moved {
            true if wait.is_zero() => Taken::Now(token),
            true => Taken::After(token, wait),
            false => Taken::Empty(wait),
        })
    }

    /// Microseconds that an empty one takes to be full.
    fn depth(&self) -> u64 {
        self.interval * self.burst
    }

    /// Moves the moment at which it is full, unless `to` says None: in one step, or after so many attempts not at all.
    fn shift(&self, key: &str, mut to: impl FnMut(u64, u64) -> Option<u64>) -> Result<bool, Error> {
        for _ in 0..ATTEMPTS {
            let found = state::get(key)?;
            let now = clock::now();
            let (full_at, latest) = (read(found.as_deref()), now + self.depth() + self.hold);
            // Later than it can be: written by another clock. Left there, it would stay empty until that time.
            let believed = full_at <= latest;
            let after = match believed {
                true => to(full_at.max(now), now),
                false => Some(latest),
            };
            let Some(after) = after else {
                return Ok(false);
            };
            if write(key, found.as_deref(), after, now)? && believed {
                return Ok(true);
            }
        }
        log::info("a bucket is taken from by too many at once; this one takes nothing");
        Ok(false)
    }
}

impl Token<'_> {
    /// Nothing came of it.
    pub fn give_back(&self) {
        let back = |full_at: u64, _| Some(full_at.saturating_sub(self.bucket.interval));
        if let Err(error) = self.bucket.shift(&self.key, back) {
            log::debug(format_args!("a token is lost ({})", error.name()));
        }
    }
}

/// Kept until the bucket is full.
fn write(key: &str, found: Option<&[u8]>, full_at: u64, now: u64) -> Result<bool, Error> {
    let seconds = full_at.saturating_sub(now).div_ceil(1_000_000) + 1;
    // The settings bound it to 400 days.
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    let value = full_at.to_string();
    state::compare_and_set(key, found, Some(value.as_bytes()), seconds)
}

/// What is no number was written by nobody of us: the bucket is full.
fn read(value: Option<&[u8]>) -> u64 {
    let digits = value.and_then(|value| std::str::from_utf8(value).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn tail(subject: &str) -> &str {
    let start = subject.len().saturating_sub(MOST_OF_A_SUBJECT);
    &subject[subject.ceil_char_boundary(start)..]
}
