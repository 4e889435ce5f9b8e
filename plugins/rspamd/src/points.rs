//! What rspamd's points count here: as far as `least` and `most` go, and never nothing at all.

use lazaret_filter::{Error, log, score};

/// So fine are points cut that the grant does not take.
const STEPS: u8 = 20;

/// The sum that was given, and how far it may go.
#[derive(Debug)]
pub struct Sum {
    given: f64,
    least: f64,
    most: f64,
}

impl Sum {
    /// Nothing is given.
    pub fn new(least: f64, most: f64) -> Self {
        Self {
            given: 0.0,
            least,
            most,
        }
    }

    /// Gives them, or so many of them as there is room for; returns how many.
    pub fn give(&mut self, symbol: &str, points: f64, why: &str) -> f64 {
        let fitting = (self.given + points).clamp(self.least, self.most) - self.given;
        if fitting == 0.0 {
            return 0.0;
        }
        match score::add(symbol, fitting, why) {
            Ok(()) => {
                self.given += fitting;
                fitting
            }
            Err(Error::NotGranted) => self.give_less(symbol, fitting, why),
            Err(error) => {
                log::warn(format_args!(
                    "{fitting:.1} points of rspamd's do not count ({})",
                    error.name()
                ));
                0.0
            }
        }
    }

    /// The grant is narrower than the settings. How far it goes nobody tells, so less and less is tried, and what is learned
    /// is kept.
    fn give_less(&mut self, symbol: &str, points: f64, why: &str) -> f64 {
        let less = |step| points * f64::from(step) / f64::from(STEPS);
        let mut tried = (1..STEPS).rev().map(less);
        let given = tried.find(|points| score::add(symbol, *points, why).is_ok());
        let given = given.unwrap_or_default();
        self.given += given;
        match points > 0.0 {
            true => self.most = self.given,
            false => self.least = self.given,
        }
        log::warn(format_args!(
            "{given:.1} of {points:.1} points of rspamd's count: widen \"score:-10..20\" in `grant`, or set `least` and `most` to it"
        ));
        given
    }
}
