//! What came of a filter's questions, for whoever scrapes: some atomics a question, which no other processor writes, and no lock.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use lazaret_metrics::{Histogram, PerThread, SECONDS, Sums};

use crate::{Answer, Failure, FailureKind, Stage, VerdictKind};

const STAGES: usize = Stage::ALL.len();
const VERDICTS: usize = VerdictKind::ALL.len();
/// A question without an answer stands behind the verdicts.
const FAILED: usize = VERDICTS;

/// Why filters fail, in the order of [`kind`].
const FAILURES: [&str; 9] = [
    "trap",
    "time",
    "wall",
    "memory",
    "limit",
    "not_loadable",
    "busy",
    "internal",
    "suspended",
];

/// Counts of one filter since the program started, kept by its [`Place`](super::Place) through all generations.
#[derive(Debug, Default)]
pub struct Measures(PerThread<Counts>);

/// What one thread counted.
#[derive(Debug)]
struct Counts {
    stages: [AtStage; STAGES],
    failures: [AtomicU64; FAILURES.len()],
    unscanned: AtomicU64,
    cpu: Histogram,
}

#[derive(Debug)]
struct AtStage {
    said: [AtomicU64; VERDICTS + 1],
    wall: Histogram,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            stages: std::array::from_fn(|_| AtStage {
                said: Default::default(),
                wall: Histogram::new(SECONDS),
            }),
            failures: Default::default(),
            unscanned: AtomicU64::new(0),
            cpu: Histogram::new(SECONDS),
        }
    }
}

impl Measures {
    pub(super) fn count(&self, stage: Stage, wall: Duration, came: &Result<Answer, Failure>) {
        let counts = self.0.here();
        let (said, cpu) = match came {
            Ok(answer) => (answer.verdict.kind() as usize, answer.effects.cpu),
            Err(failure) => {
                counts.failures[kind(&failure.kind)].fetch_add(1, Relaxed);
                (FAILED, failure.cpu)
            }
        };
        let here = &counts.stages[stage as usize];
        here.said[said].fetch_add(1, Relaxed);
        here.wall.observe_time(wall);
        counts.cpu.observe_time(cpu);
    }

    pub(super) fn count_unscanned(&self) {
        self.0.here().unscanned.fetch_add(1, Relaxed);
    }

    /// What it said how often at which stage, `failed` among it; what never came is left out.
    pub fn said(&self) -> impl Iterator<Item = (Stage, &'static str, u64)> {
        let at_stage = move |stage: Stage| {
            let words = VerdictKind::ALL.into_iter().map(VerdictKind::name);
            let words = words.chain(["failed"]).enumerate();
            words.map(move |(at, word)| (stage, word, self.said_at(stage, at)))
        };
        let all = Stage::ALL.into_iter().flat_map(at_stage);
        all.filter(|(.., count)| *count > 0)
    }

    /// How often it failed for which reason; what never came is left out.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let reasons = FAILURES.into_iter().enumerate();
        let counts = reasons.map(|(at, reason)| (reason, self.sum(|it| &it.failures[at])));
        counts.filter(|(_, count)| *count > 0)
    }

    /// Questions without an answer.
    pub(super) fn failed(&self) -> u64 {
        let stages = Stage::ALL.into_iter();
        stages.map(|stage| self.said_at(stage, FAILED)).sum()
    }

    /// Messages over its `max-message`.
    pub fn unscanned(&self) -> u64 {
        self.sum(|it| &it.unscanned)
    }

    /// CPU of each question, in seconds.
    pub fn cpu(&self) -> Sums {
        self.sums(|it| &it.cpu)
    }

    /// Real time of each question at each stage where it was asked, host calls and waiting for a sandbox included.
    pub fn wall(&self) -> impl Iterator<Item = (Stage, Sums)> {
        let at_stage = |stage: Stage| (stage, self.sums(|it| &it.stages[stage as usize].wall));
        let sums = Stage::ALL.into_iter().map(at_stage);
        sums.filter(|(_, sums)| sums.count > 0)
    }

    fn said_at(&self, stage: Stage, word: usize) -> u64 {
        self.sum(|it| &it.stages[stage as usize].said[word])
    }

    /// Of all threads.
    fn sum(&self, of: impl Fn(&Counts) -> &AtomicU64) -> u64 {
        self.0.all().map(|it| of(it).load(Relaxed)).sum()
    }

    fn sums(&self, of: impl Fn(&Counts) -> &Histogram) -> Sums {
        let mut all = self.0.all().map(|it| of(it).sums());
        let mut sums = all.next().expect("there is at least one processor");
        all.for_each(|more| sums.add(&more));
        sums
    }
}

fn kind(kind: &FailureKind) -> usize {
    match kind {
        FailureKind::Trap(_) => 0,
        FailureKind::Time(_) => 1,
        FailureKind::Wall(_) => 2,
        FailureKind::Memory(_) => 3,
        FailureKind::Limit(_) => 4,
        FailureKind::NotLoadable(_) => 5,
        FailureKind::Busy => 6,
        FailureKind::Internal(_) => 7,
        FailureKind::Suspended => 8,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Effects, Verdict};

    #[test]
    fn each_answer_is_counted_once_where_it_was_given() {
        let measures = Measures::default();
        let answer = |verdict| {
            let effects = Effects {
                cpu: Duration::from_millis(2),
                ..Effects::default()
            };
            Ok(Answer { verdict, effects })
        };
        let failure = Err(Failure {
            filter: "it".into(),
            stage: Stage::Message,
            kind: FailureKind::Busy,
            cpu: Duration::ZERO,
            clues: Box::default(),
        });
        let wall = Duration::from_millis(3);
        measures.count(Stage::Rcpt, wall, &answer(Verdict::Continue));
        measures.count(Stage::Rcpt, wall, &answer(Verdict::Continue));
        measures.count(Stage::Message, wall, &answer(Verdict::Discard));
        measures.count(Stage::Message, wall, &failure);
        let said: Vec<_> = measures.said().collect();
        let expected = [
            (Stage::Rcpt, "continue", 2),
            (Stage::Message, "discard", 1),
            (Stage::Message, "failed", 1),
        ];
        assert_eq!(said, expected);
        assert_eq!(measures.failures().collect::<Vec<_>>(), [("busy", 1)]);
        assert_eq!(measures.cpu().count, 4);
        assert!((measures.cpu().sum - 0.006).abs() < 1e-6);
        let wall: Vec<_> = measures.wall().map(|(it, sums)| (it, sums.count)).collect();
        assert_eq!(wall, [(Stage::Rcpt, 2), (Stage::Message, 2)]);
    }
}
