//! Whether an address is used: a circuit breaker.
//!
//! An address to which no connection can be opened is down until one can: health checks and, where no other address
//! serves, clients find that out. An address that opens connections and then fails every transaction is left alone for a
//! pause that doubles; after it one transaction is the trial (half open).

use std::time::Duration;

use tokio::time::Instant;

/// So many transactions must fail in a row.
const FAILURES: u32 = 3;
/// The first pause.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest one.
const LONGEST: Duration = Duration::from_secs(30);
/// A trial that nobody decided, because its client says nothing, is given to the next one after so long.
const TRIAL: Duration = Duration::from_secs(10);

/// What is thought of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Circuit {
    /// It serves, or nobody knows better. So many transactions failed since the last one that did not.
    Closed { failures: u32 },
    /// No connection can be opened.
    Down,
    /// Connections can be opened, and transactions fail; the next trial is due then.
    Failing { due: Instant, pause: Duration },
}

impl Default for Circuit {
    fn default() -> Self {
        Circuit::Closed { failures: 0 }
    }
}

impl Circuit {
    /// Do all sessions use it?
    pub(super) fn is_closed(self) -> bool {
        matches!(self, Circuit::Closed { .. })
    }

    /// May this session be the trial? If so, it is.
    pub(super) fn admits_trial(&mut self, now: Instant) -> bool {
        match self {
            Circuit::Failing { due, .. } if *due <= now => {
                *due = now + TRIAL;
                true
            }
            _ => false,
        }
    }

    /// A connection was opened.
    pub(super) fn opened(&mut self) {
        if *self == Circuit::Down {
            *self = Circuit::default();
        }
    }

    /// No connection could be opened.
    pub(super) fn not_opened(&mut self) {
        *self = Circuit::Down;
    }

    /// A transaction was answered to its end.
    pub(super) fn served(&mut self) {
        *self = Circuit::default();
    }

    /// A transaction failed on an open connection.
    pub(super) fn failed(&mut self, now: Instant) {
        *self = match *self {
            Circuit::Closed { failures } if failures + 1 < FAILURES => Circuit::Closed {
                failures: failures + 1,
            },
            Circuit::Closed { .. } => Circuit::Failing {
                due: now + PAUSE,
                pause: PAUSE,
            },
            Circuit::Failing { pause, .. } => {
                let pause = (2 * pause).min(LONGEST);
                Circuit::Failing {
                    due: now + pause,
                    pause,
                }
            }
            Circuit::Down => Circuit::Down,
        };
    }

    /// Transactions that failed in a row, as far as they are counted.
    pub(super) fn failures(self) -> u32 {
        match self {
            Circuit::Closed { failures } => failures,
            Circuit::Failing { .. } => FAILURES,
            Circuit::Down => 0,
        }
    }

    /// When the next transaction may be a trial; none for an address that health checks look after.
    pub(super) fn next_trial(self, now: Instant) -> Option<Duration> {
        match self {
            Circuit::Failing { due, .. } => Some(due.saturating_duration_since(now)),
            Circuit::Closed { .. } | Circuit::Down => None,
        }
    }

    /// For people.
    pub(super) fn word(self) -> &'static str {
        match self {
            Circuit::Closed { .. } => "up",
            Circuit::Down => "down",
            Circuit::Failing { .. } => "failing",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failing(now: Instant) -> Circuit {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES {
            assert!(circuit.is_closed());
            circuit.failed(now);
        }
        circuit
    }

    #[test]
    fn one_connection_that_cannot_be_opened_opens_it_and_one_that_can_closes_it() {
        let mut circuit = Circuit::default();
        circuit.not_opened();
        assert_eq!(circuit, Circuit::Down);
        assert!(!circuit.admits_trial(Instant::now()));
        circuit.opened();
        assert!(circuit.is_closed());
    }

    #[test]
    fn failures_count_in_a_row_only() {
        let now = Instant::now();
        let mut circuit = Circuit::default();
        for _ in 0..10 {
            circuit.failed(now);
            circuit.failed(now);
            circuit.served();
        }
        assert!(circuit.is_closed());
    }

    #[test]
    fn an_open_connection_does_not_acquit_who_fails_every_transaction() {
        let now = Instant::now();
        let mut circuit = failing(now);
        circuit.opened();
        assert!(!circuit.is_closed());
        assert_eq!(
            (circuit.failures(), circuit.next_trial(now)),
            (FAILURES, Some(PAUSE))
        );
        assert!(!circuit.admits_trial(now));
        assert!(circuit.admits_trial(now + PAUSE));
        assert!(!circuit.admits_trial(now + PAUSE), "one trial at a time");
        circuit.served();
        assert!(circuit.is_closed());
        assert_eq!((circuit.failures(), circuit.next_trial(now)), (0, None));
    }

    #[test]
    fn the_pause_doubles_up_to_half_a_minute() {
        let mut now = Instant::now();
        let mut circuit = failing(now);
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let pause = Duration::from_secs(seconds);
            assert!(!circuit.admits_trial(now + pause - Duration::from_millis(1)));
            now += pause;
            assert!(circuit.admits_trial(now));
            circuit.failed(now);
        }
    }

    #[test]
    fn a_trial_that_nobody_decides_is_given_to_the_next() {
        let now = Instant::now();
        let mut circuit = failing(now);
        assert!(circuit.admits_trial(now + PAUSE));
        assert!(circuit.admits_trial(now + PAUSE + TRIAL));
    }
}
