use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// `breaker` of a filter: when it is not asked for a while, so that what fails over and over costs nobody its limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerPolicy {
    /// failures in a row, without an answer in between, that open it; 0: it never opens. Default 20
    pub failures: u32,
    /// all of them within this time. Default 1 min
    pub within: Duration,
    /// how long the filter is then not asked; afterwards one question tries it. Default 30 s
    pub open: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            failures: 20,
            within: Duration::from_secs(60),
            open: Duration::from_secs(30),
        }
    }
}

/// Whether a filter is asked. An answer in between starts the count anew: a client whose messages make a filter fail
/// cannot silence it while those of others pass.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: State,
    /// when it failed last, the oldest first; at most `failures`
    failed: VecDeque<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Closed,
    /// not asked until then
    Open(Instant),
    /// one question tries it
    Probing,
}

/// How it is with a breaker, for those who ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerStanding {
    /// whether the filter is asked
    pub state: BreakerState,
    /// failures since the last answer, as far as they are counted
    pub failures: usize,
}

/// Whether a filter is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// as everybody
    Closed,
    /// not before so long; then one question tries it
    Open(Duration),
    /// that question is under way
    HalfOpen,
}

/// What a question is to the breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// one of many
    Usual,
    /// decides whether the filter is asked again
    Probe,
}

/// The filter is asked no more, or again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Opened,
    Closed,
}

impl Breaker {
    /// None: it is not to be asked.
    pub(super) fn admit(&mut self, now: Instant) -> Option<Role> {
        match self.state {
            State::Closed => Some(Role::Usual),
            State::Open(until) if until <= now => {
                self.state = State::Probing;
                Some(Role::Probe)
            }
            State::Open(_) | State::Probing => None,
        }
    }

    /// An answer came.
    pub(super) fn answered(&mut self, role: Role) -> Option<Change> {
        match (self.state, role) {
            (State::Closed, _) => {
                self.failed.clear();
                None
            }
            (State::Probing, Role::Probe) => {
                *self = Self::default();
                Some(Change::Closed)
            }
            // Asked before it opened: says nothing about now.
            (State::Open(_) | State::Probing, _) => None,
        }
    }

    /// None came.
    pub(super) fn failed(
        &mut self,
        role: Role,
        policy: &BreakerPolicy,
        now: Instant,
    ) -> Option<Change> {
        match (self.state, role) {
            (State::Closed, _) => self.count(policy, now),
            (State::Probing, Role::Probe) => {
                self.state = State::Open(now + policy.open);
                None
            }
            (State::Open(_) | State::Probing, _) => None,
        }
    }

    /// Nobody waited for the outcome: another question shall try.
    pub(super) fn abandoned(&mut self, now: Instant) {
        if self.state == State::Probing {
            self.state = State::Open(now);
        }
    }

    /// What there is to tell.
    pub(super) fn standing(&self, now: Instant) -> BreakerStanding {
        BreakerStanding {
            state: match self.state {
                State::Closed => BreakerState::Closed,
                State::Open(until) => BreakerState::Open(until.saturating_duration_since(now)),
                State::Probing => BreakerState::HalfOpen,
            },
            failures: self.failed.len(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Closed, and no failure since the last answer.
    pub(super) fn is_quiet(&self) -> bool {
        self.is_closed() && self.failed.is_empty()
    }

    fn count(&mut self, policy: &BreakerPolicy, now: Instant) -> Option<Change> {
        let most = usize::try_from(policy.failures).unwrap_or(usize::MAX);
        if most == 0 {
            return None;
        }
        self.failed.push_back(now);
        while self.failed.len() > most {
            self.failed.pop_front();
        }
        let first = self.failed.front()?;
        if self.failed.len() < most || now.duration_since(*first) > policy.within {
            return None;
        }
        self.state = State::Open(now + policy.open);
        Some(Change::Opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BreakerPolicy = BreakerPolicy {
        failures: 3,
        within: Duration::from_secs(10),
        open: Duration::from_secs(5),
    };

    /// Plays seconds and what happens at each.
    struct Play(Breaker, Instant);

    impl Play {
        fn new() -> Self {
            Self(Breaker::default(), Instant::now())
        }

        fn at(&self, seconds: u64) -> Instant {
            self.1 + Duration::from_secs(seconds)
        }

        fn fails(&mut self, seconds: u64) -> Option<Change> {
            let now = self.at(seconds);
            let role = self.0.admit(now).expect("it is asked");
            self.0.failed(role, &POLICY, now)
        }

        fn opens(&mut self) {
            let changes = [0, 0, 0].map(|seconds| self.fails(seconds));
            assert_eq!(changes, [None, None, Some(Change::Opened)]);
        }

        fn is_asked(&mut self, seconds: u64) -> bool {
            self.0.admit(self.at(seconds)).is_some()
        }
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_one_question_tries_it() {
        let mut play = Play::new();
        assert_eq!((play.fails(0), play.fails(1)), (None, None));
        assert_eq!(play.fails(2), Some(Change::Opened));
        assert!(!play.is_asked(6));
        assert_eq!(play.0.admit(play.at(7)), Some(Role::Probe));
        assert!(!play.is_asked(8), "only one");
        assert_eq!(play.0.failed(Role::Probe, &POLICY, play.at(9)), None);
        assert!(!play.is_asked(13));
        assert_eq!(play.0.admit(play.at(14)), Some(Role::Probe));
        assert_eq!(play.0.answered(Role::Probe), Some(Change::Closed));
        assert_eq!(play.0.admit(play.at(14)), Some(Role::Usual));
        assert!(play.0.is_quiet());
    }

    #[test]
    fn it_tells_how_it_stands() {
        let mut play = Play::new();
        let standing = |play: &Play, seconds| play.0.standing(play.at(seconds));
        play.fails(0);
        let one = standing(&play, 0);
        assert_eq!((one.state, one.failures), (BreakerState::Closed, 1));
        play.fails(0);
        play.fails(0);
        let open = standing(&play, 2);
        let left = Duration::from_secs(3);
        assert_eq!((open.state, open.failures), (BreakerState::Open(left), 3));
        assert_eq!(play.0.admit(play.at(5)), Some(Role::Probe));
        assert_eq!(standing(&play, 5).state, BreakerState::HalfOpen);
        play.0.answered(Role::Probe);
        let closed = standing(&play, 5);
        assert_eq!((closed.state, closed.failures), (BreakerState::Closed, 0));
    }

    #[test]
    fn an_answer_in_between_or_much_time_starts_the_count_anew() {
        let mut play = Play::new();
        for seconds in [0, 1] {
            assert_eq!(play.fails(seconds), None);
        }
        assert_eq!(play.0.answered(Role::Usual), None);
        assert_eq!((play.fails(2), play.fails(3)), (None, None));
        // The third, but the first of them is too long ago.
        assert_eq!(play.fails(13), None);
        assert_eq!(play.fails(13), Some(Change::Opened));
    }

    #[test]
    fn a_probe_that_nobody_waits_for_is_followed_by_another() {
        let mut play = Play::new();
        play.opens();
        assert_eq!(play.0.admit(play.at(5)), Some(Role::Probe));
        play.0.abandoned(play.at(6));
        assert_eq!(play.0.admit(play.at(6)), Some(Role::Probe));
    }

    #[test]
    fn what_was_asked_before_it_opened_neither_closes_nor_prolongs_it() {
        let mut play = Play::new();
        play.opens();
        assert_eq!(play.0.answered(Role::Usual), None);
        assert_eq!(play.0.failed(Role::Usual, &POLICY, play.at(4)), None);
        assert!(!play.is_asked(4));
        assert!(play.is_asked(5));
    }

    #[test]
    fn without_failures_to_count_it_never_opens() {
        let mut play = Play::new();
        let never = BreakerPolicy {
            failures: 0,
            ..POLICY
        };
        for _ in 0..99 {
            assert_eq!(play.0.failed(Role::Usual, &never, play.at(0)), None);
        }
        assert!(play.is_asked(0));
    }
}
