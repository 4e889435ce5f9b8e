//! Points for or against a message: the sum, and who gave them why.

use std::sync::Arc;

/// Points of a message stay between this and its negative.
pub const SCORE_LIMIT: f64 = 1e6;
/// Most entries of a transaction that can be listed; points beyond count in the total alone.
pub const ENTRY_LIMIT: usize = 1000;

/// What one filter gave once, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Points {
    /// its name
    pub filter: Arc<str>,
    /// e.g. `NO_DATE`
    pub symbol: String,
    /// finite
    pub points: f64,
    /// in words
    pub why: String,
}

/// The score so far. Cheap to clone: the entries are shared.
#[derive(Clone, Debug, Default)]
pub struct Score {
    total: f64,
    /// none before the first, for most connections never get one
    entries: Option<Arc<Vec<Points>>>,
}

impl Score {
    /// The sum, within [`SCORE_LIMIT`].
    pub fn total(&self) -> f64 {
        self.total
    }

    /// In the order they were given, at most [`ENTRY_LIMIT`].
    pub fn entries(&self) -> &[Points] {
        self.entries.as_deref().map_or(&[], Vec::as_slice)
    }

    /// Points that are no number change nothing.
    pub fn add(&mut self, points: Points) {
        if !points.points.is_finite() {
            return;
        }
        self.total = (self.total + points.points).clamp(-SCORE_LIMIT, SCORE_LIMIT);
        if self.entries().len() < ENTRY_LIMIT {
            Arc::make_mut(self.entries.get_or_insert_default()).push(points);
        }
    }

    /// Both together, these first.
    #[must_use]
    pub fn join(&self, other: &Score) -> Score {
        let mut joined = self.clone();
        other
            .entries()
            .iter()
            .for_each(|entry| joined.add(entry.clone()));
        joined.total = (self.total + other.total).clamp(-SCORE_LIMIT, SCORE_LIMIT);
        joined
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(points: f64) -> Points {
        Points {
            filter: "test".into(),
            symbol: "SYMBOL".into(),
            points,
            why: String::new(),
        }
    }

    #[test]
    fn what_is_no_longer_listed_still_counts() {
        let mut score = Score::default();
        (0..ENTRY_LIMIT + 5).for_each(|_| score.add(points(1.0)));
        assert_eq!(score.entries().len(), ENTRY_LIMIT);
        assert_eq!(score.total(), ENTRY_LIMIT as f64 + 5.0);
        assert_eq!(score.join(&score).total(), 2.0 * score.total());
    }

    #[test]
    fn nonsense_changes_nothing_and_the_sum_is_bounded() {
        let mut score = Score::default();
        score.add(points(f64::NAN));
        assert!(score.entries().is_empty());
        score.add(points(f64::MAX));
        assert_eq!(score.total(), SCORE_LIMIT);
    }

    #[test]
    fn entries_keep_their_order_when_joined() {
        let (mut first, mut second) = (Score::default(), Score::default());
        first.add(points(1.0));
        second.add(points(2.0));
        let joined = first.join(&second);
        let listed: Vec<_> = joined.entries().iter().map(|it| it.points).collect();
        assert_eq!(listed, [1.0, 2.0]);
    }
}
