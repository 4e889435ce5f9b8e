//! `score`: points for or against a message.

use lazaret_mail::{ENTRY_LIMIT, Points, Stage};

use super::{Ctx, Refusal, is_word};
use crate::bindings::score::{self, Host};
use crate::bindings::types::Error;

/// Octets of a reason.
const MAX_WHY: usize = 200;

impl Ctx {
    fn scoring(&mut self) -> Result<(), Refusal> {
        self.charge()?;
        match self.stage_now()? {
            Stage::Mail | Stage::Rcpt | Stage::Headers | Stage::Message => Ok(()),
            _ => Err(Error::NotNow.into()),
        }
    }

    fn given(&self) -> f64 {
        self.effects
            .scores
            .iter()
            .map(|(_, points, _)| points)
            .sum()
    }

    fn own(&self, (symbol, points, why): &(String, f64, String)) -> score::Entry {
        score::Entry {
            filter: self.filter.to_string(),
            symbol: symbol.clone(),
            points: *points,
            why: why.clone(),
        }
    }
}

impl From<&Points> for score::Entry {
    fn from(entry: &Points) -> Self {
        Self {
            filter: entry.filter.to_string(),
            symbol: entry.symbol.clone(),
            points: entry.points,
            why: entry.why.clone(),
        }
    }
}

fn octets(entry: &score::Entry) -> usize {
    entry.filter.len() + entry.symbol.len() + entry.why.len()
}

impl Host for Ctx {
    fn add(&mut self, symbol: String, points: f64, why: String) -> Result<(), Refusal> {
        self.scoring()?;
        let printable = why.len() <= MAX_WHY && !why.chars().any(char::is_control);
        if !points.is_finite() || !is_word(&symbol) || !printable {
            return Err(Error::Invalid.into());
        }
        let (least, most) = self.rights.score;
        let sum = self.scored + points;
        if !sum.is_finite() || sum < least || sum > most {
            return Err(Error::NotGranted.into());
        }
        if self.effects.scores.len() >= self.limits.scores {
            return Err(Error::Limit.into());
        }
        self.scored = sum;
        self.effects.scores.push((symbol, points, why));
        Ok(())
    }

    fn total(&mut self) -> Result<f64, Refusal> {
        self.charge()?;
        let question = self.question.as_ref().ok_or(Error::NotNow)?;
        Ok(question.score.total() + self.given())
    }

    fn all(&mut self) -> Result<Vec<score::Entry>, Refusal> {
        self.charge()?;
        let question = self.question.as_ref().ok_or(Error::NotNow)?;
        let listed: Vec<_> = question
            .score
            .entries()
            .iter()
            .map(score::Entry::from)
            .chain(self.effects.scores.iter().map(|given| self.own(given)))
            .take(ENTRY_LIMIT)
            .collect();
        self.charge_read(listed.iter().map(octets).sum())?;
        Ok(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::{Error, Host};
    use crate::imports::testing::{at, configuring, path, told};
    use lazaret_mail::Ask;

    fn add(ctx: &mut super::Ctx, points: f64) -> Result<(), super::Refusal> {
        ctx.add("SYMBOL".into(), points, "because".into())
    }

    #[test]
    fn not_now_before_mail_and_in_configure() {
        assert_eq!(told(add(&mut at(Ask::Connect), 1.0)), Error::NotNow);
        assert_eq!(
            told(add(&mut at(Ask::Hello("h".into())), 1.0)),
            Error::NotNow
        );
        assert_eq!(told(configuring().total()), Error::NotNow);
    }

    #[test]
    fn points_that_are_no_number_are_invalid() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        for points in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(told(add(&mut ctx, points)), Error::Invalid);
        }
    }

    #[test]
    fn the_sum_stays_within_the_grant_over_all_calls() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        add(&mut ctx, 5.0).unwrap();
        assert_eq!(told(add(&mut ctx, 4.0)), Error::NotGranted);
        assert_eq!(told(add(&mut ctx, -8.0)), Error::NotGranted);
        assert_eq!(ctx.end().scores.len(), 1);
        ctx.begin(at(Ask::Mail(path("b@example.org"))).question);
        assert_eq!(told(add(&mut ctx, 4.0)), Error::NotGranted);
        add(&mut ctx, 3.0).unwrap();
    }

    #[test]
    fn symbols_and_reasons_are_checked() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        let long = "x".repeat(65);
        for symbol in ["", "two words", "LINE\nBREAK", long.as_str()] {
            assert_eq!(told(ctx.add(symbol.into(), 1.0, "".into())), Error::Invalid);
        }
        assert_eq!(
            told(ctx.add("A".into(), 1.0, "a\r\nb".into())),
            Error::Invalid
        );
        assert_eq!(
            told(ctx.add("A".into(), 1.0, "x".repeat(201))),
            Error::Invalid
        );
    }

    #[test]
    fn a_flood_of_points_has_a_limit() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        let refused = (0..10_000).find_map(|_| add(&mut ctx, 0.0).err());
        assert_eq!(told(Err::<(), _>(refused.unwrap())), Error::Limit);
    }

    #[test]
    fn the_total_counts_earlier_filters_and_this_call() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        add(&mut ctx, 2.5).unwrap();
        assert_eq!(ctx.total().unwrap(), 3.5);
    }

    #[test]
    fn entries_are_listed_oldest_first_with_who_gave_them_why() {
        let mut ctx = at(Ask::Mail(path("a@example.org")));
        add(&mut ctx, 2.5).unwrap();
        let listed: Vec<_> = ctx
            .all()
            .unwrap()
            .into_iter()
            .map(|it| format!("{} {} {} {}", it.filter, it.symbol, it.points, it.why))
            .collect();
        assert_eq!(
            listed,
            ["other EARLIER 1 it said so", "test SYMBOL 2.5 because"]
        );
        assert_eq!(told(configuring().all()), Error::NotNow);
    }
}
