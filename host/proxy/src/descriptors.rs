//! File descriptors: how many the system gives us, how many sessions that is enough for, and one kept back for the moment
//! when there are no more.

use std::fs::File;
use std::io;

use rustix::process::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::workers;

/// Kept for all that is no session: listeners, the admin port, filters that ask others, the log.
const RESERVE: u64 = 256;
/// For each two sessions: both clients, and a message in a file. Should more than every other one have its message in a
/// file at once, those beyond hear 451.
const EACH_TWO: u64 = 3;

/// Asks the system for as many descriptors as it gives without being root. Answers with how many those are.
pub(crate) fn raise() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let before = limit.current;
    limit.current = limit.maximum;
    let raised = setrlimit(Resource::Nofile, limit).is_ok();
    let now = if raised { limit.maximum } else { before };
    now.unwrap_or(u64::MAX)
}

/// Sessions at once that this configuration can have, whatever it says, so that those who are in find a
/// descriptor for their message and their backend. Says so where that is less than `connections`.
pub(crate) fn sessions(config: &Config) -> usize {
    let given = raise();
    let wanted = config.limits.connections;
    let others = RESERVE + workers::descriptors() + config.backend.connections as u64;
    let served = affordable(given, others);
    if served >= wanted {
        return wanted;
    }
    let needed = others + EACH_TWO * (wanted as u64).div_ceil(2);
    tracing::warn!(
        descriptors = given,
        needed,
        "`connections` is {wanted}, but the system gives file descriptors for {served} only: the rest hears 421; \
         raise LimitNOFILE= of the unit, or `ulimit -Hn`"
    );
    served
}

/// At least one, or there would be no service at all.
fn affordable(given: u64, others: u64) -> usize {
    let sessions = given.saturating_sub(others) / EACH_TWO * 2;
    usize::try_from(sessions).unwrap_or(usize::MAX).max(1)
}

/// A descriptor kept back: given up for a moment, it lets us tell a client that we have no more.
#[derive(Debug)]
pub(crate) struct Spare(Option<File>);

impl Spare {
    pub(crate) fn new() -> Self {
        let mut spare = Self(None);
        spare.refill();
        spare
    }

    /// True if there was one.
    pub(crate) fn give_up(&mut self) -> bool {
        self.0.take().is_some()
    }

    /// As soon as the system has one again.
    pub(crate) fn refill(&mut self) {
        if self.0.is_none() {
            self.0 = File::open("/dev/null").ok();
        }
    }
}

/// The process, or the whole system, has no descriptor left.
pub(crate) fn are_exhausted(error: &io::Error) -> bool {
    let code = error.raw_os_error();
    let exhausted = [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE];
    exhausted
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_sessions_take_three_and_the_rest_is_kept() {
        assert_eq!(affordable(1024, 296), 484);
        assert_eq!(affordable(20, 296), 1);
        assert!(affordable(u64::MAX, 296) > 1 << 60);
    }

    #[test]
    fn what_is_given_is_the_hard_limit() {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert_eq!(raise(), hard);
        assert_eq!(
            getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
            hard
        );
    }

    #[test]
    fn exhaustion_is_told_from_other_errors() {
        assert!(are_exhausted(&io::Error::from_raw_os_error(
            rustix::io::Errno::MFILE.raw_os_error()
        )));
        assert!(!are_exhausted(&io::ErrorKind::ConnectionAborted.into()));
    }
}
