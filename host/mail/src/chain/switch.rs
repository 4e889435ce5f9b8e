use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use super::Measures;
use super::breaker::BreakerStanding;
use super::gate::Gate;
use crate::{Answer, Failure, Mode, Stage};

/// What is said over the heads of filters while they run: by the operator, and by the configuration for all of them.
/// Kept by name, so it outlives every generation; each question looks at it anew.
///
/// An operator's word about one filter goes before one about all, that before the configuration, that before the
/// filter's own TOML. What is `off` there stays off.
#[derive(Debug, Default)]
pub struct Switchboard(Mutex<Board>);

#[derive(Debug, Default)]
struct Board {
    /// of all filters, by the configuration
    configured: Option<Mode>,
    /// of all filters, by the operator
    all: Option<Switched>,
    /// of one
    named: BTreeMap<String, Switched>,
    places: BTreeMap<String, Arc<Place>>,
}

/// The operator's word, and since when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switched {
    /// `Enforce` or `Observe`
    pub mode: Mode,
    /// when it was said
    pub since: SystemTime,
}

/// A filter's place in all generations: the mode said over its head, and counts.
#[derive(Debug, Default)]
pub struct Place {
    /// 0: its own mode; else [`code`] of another one
    over: AtomicU8,
    pub(super) gate: Gate,
    measures: Measures,
}

/// What came of a filter's questions since the program started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// questions, those that failed included
    pub asked: u64,
    /// of them without an answer
    pub failed: u64,
    /// CPU of all of them
    pub cpu: Duration,
    /// questions that were not asked because it failed over and over
    pub kept_out: u64,
}

impl Switchboard {
    /// With the `mode` that the configuration has for all filters: `Observe` goes before each filter's own.
    pub fn new(configured: Mode) -> Self {
        let board = Self::default();
        board.configure(configured);
        board
    }

    /// The configuration has another mode for all filters now.
    pub fn configure(&self, mode: Mode) {
        let mut board = self.lock();
        board.configured = Some(mode).filter(|mode| *mode == Mode::Observe);
        board.tell();
    }

    /// The place of the filter of that name; made if there is none.
    pub fn place(&self, name: &str) -> Arc<Place> {
        let mut board = self.lock();
        let over = board.over(name);
        let place = board.places.entry(name.to_owned()).or_default();
        place.over.store(over, Relaxed);
        Arc::clone(place)
    }

    /// The operator's word about one filter, or about all, which takes back what was said about single ones. `Enforce`
    /// for all takes back everything: each filter is again what its files say.
    pub fn switch(&self, name: Option<&str>, mode: Mode, now: SystemTime) {
        let mut board = self.lock();
        let said = Switched { mode, since: now };
        match name {
            Some(name) => drop(board.named.insert(name.to_owned(), said)),
            None => {
                board.named.clear();
                board.all = Some(said).filter(|said| said.mode == Mode::Observe);
            }
        }
        board.tell();
    }

    /// The operator's word that holds for this filter.
    pub fn switched(&self, name: &str) -> Option<Switched> {
        let board = self.lock();
        board.named.get(name).copied().or(board.all)
    }

    /// All places by the names of their filters.
    pub fn places(&self) -> Vec<(String, Arc<Place>)> {
        let board = self.lock();
        let places = board.places.iter();
        places
            .map(|(name, place)| (name.clone(), Arc::clone(place)))
            .collect()
    }

    /// All that the operator said: about all filters, and about single ones.
    pub fn words(&self) -> (Option<Switched>, BTreeMap<String, Switched>) {
        let board = self.lock();
        (board.all, board.named.clone())
    }

    /// Lets go of the counts of filters that are no more. The operator's words stay: a filter that comes back is met by
    /// them.
    pub fn retain(&self, is_there: impl Fn(&str) -> bool) {
        self.lock().places.retain(|name, _| is_there(name));
    }

    fn lock(&self) -> MutexGuard<'_, Board> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Board {
    /// To everybody whose place is known.
    fn tell(&self) {
        for (name, place) in &self.places {
            place.over.store(self.over(name), Relaxed);
        }
    }

    fn over(&self, name: &str) -> u8 {
        let operator = self.named.get(name).or(self.all.as_ref());
        code(operator.map(|said| said.mode).or(self.configured))
    }
}

impl Place {
    /// The mode now of a filter whose TOML says `own`.
    pub fn mode(&self, own: Mode) -> Mode {
        match (own, self.over.load(Relaxed)) {
            (Mode::Off, _) => Mode::Off,
            (_, ENFORCE) => Mode::Enforce,
            (_, OBSERVE) => Mode::Observe,
            (own, _) => own,
        }
    }

    /// What came of its questions.
    pub fn tally(&self) -> Tally {
        let cpu = self.measures.cpu();
        Tally {
            asked: cpu.count,
            failed: self.measures.failed(),
            cpu: Duration::from_secs_f64(cpu.sum),
            kept_out: self.gate.kept_out(),
        }
    }

    /// Is it not asked now, because it failed over and over? Its `on-failure` answers.
    pub fn is_suspended(&self) -> bool {
        !self.gate.is_open_to_all()
    }

    /// How its breaker stands.
    pub fn breaker(&self) -> BreakerStanding {
        self.gate.standing()
    }

    /// The same in detail.
    pub fn measures(&self) -> &Measures {
        &self.measures
    }

    /// A question and what came of it, after so much real time.
    pub(super) fn count(&self, stage: Stage, wall: Duration, came: &Result<Answer, Failure>) {
        self.measures.count(stage, wall, came);
    }

    pub(super) fn count_unscanned(&self) {
        self.measures.count_unscanned();
    }
}

const ENFORCE: u8 = 1;
const OBSERVE: u8 = 2;

fn code(mode: Option<Mode>) -> u8 {
    match mode {
        Some(Mode::Enforce) => ENFORCE,
        Some(Mode::Observe) => OBSERVE,
        Some(Mode::Off) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    #[test]
    fn the_nearest_word_holds_and_off_stays_off() {
        let board = Switchboard::default();
        let (a, b) = (board.place("a"), board.place("b"));
        board.switch(None, Mode::Observe, NOW);
        assert_eq!(a.mode(Mode::Enforce), Mode::Observe);
        assert_eq!(a.mode(Mode::Off), Mode::Off);
        assert_eq!(board.place("later").mode(Mode::Enforce), Mode::Observe);
        board.switch(Some("a"), Mode::Enforce, NOW);
        assert_eq!(a.mode(Mode::Observe), Mode::Enforce);
        assert_eq!(b.mode(Mode::Enforce), Mode::Observe);
        board.switch(None, Mode::Enforce, NOW);
        assert_eq!(a.mode(Mode::Observe), Mode::Observe);
        assert_eq!(b.mode(Mode::Enforce), Mode::Enforce);
        assert_eq!(board.switched("a"), None);
    }

    #[test]
    fn observe_for_all_takes_back_enforce_for_one() {
        let board = Switchboard::default();
        let a = board.place("a");
        board.switch(Some("a"), Mode::Enforce, NOW);
        board.switch(None, Mode::Observe, NOW);
        assert_eq!(a.mode(Mode::Enforce), Mode::Observe);
    }

    #[test]
    fn the_configuration_is_heard_where_the_operator_says_nothing() {
        let board = Switchboard::new(Mode::Observe);
        let a = board.place("a");
        assert_eq!(a.mode(Mode::Enforce), Mode::Observe);
        board.switch(Some("a"), Mode::Enforce, NOW);
        assert_eq!(a.mode(Mode::Enforce), Mode::Enforce);
        board.switch(None, Mode::Enforce, NOW);
        assert_eq!(a.mode(Mode::Enforce), Mode::Observe);
    }
}
