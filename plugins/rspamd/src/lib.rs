//! Bundled filter `rspamd`: rspamd judges each message, over HTTP.

#[cfg(test)]
#[path = "../tests/checks/opinion.rs"]
mod checks;
mod facts;
mod fields;
mod opinion;
mod points;
mod settings;

use lazaret_filter::prelude::*;

use crate::opinion::{Opinion, Trouble};
use crate::points::Sum;
use crate::settings::{Answer, Checked, Points, Settings, Unavailable};

/// The configured filter.
pub struct Rspamd(Checked);

#[filter]
impl Filter for Rspamd {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        config.check().map(Self)
    }

    fn message(&mut self) -> Verdict {
        fields::remove_forged();
        let request = facts::request(&self.0);
        let opinion = http::fetch(&request)
            .map_err(Trouble::from)
            .and_then(|response| Opinion::read(&response));
        match opinion {
            Ok(opinion) => self.judge(&opinion),
            Err(trouble) => self.without_rspamd(&trouble),
        }
    }
}

impl Rspamd {
    fn judge(&self, opinion: &Opinion) -> Verdict {
        let Some(answer) = self.0.answer_to(&opinion.action) else {
            return self.without_rspamd(&Trouble::Action(opinion.action.clone()));
        };
        let verdict = self.answered(answer, opinion);
        if verdict.passes() {
            self.pass_on(answer, opinion);
        }
        verdict
    }

    fn answered(&self, answer: Answer, opinion: &Opinion) -> Verdict {
        let text = || opinion.text().unwrap_or_else(|| self.0.text.clone());
        match answer {
            Answer::Reject => Verdict::reject(text()).code(550).enhanced("5.7.1"),
            Answer::Defer => Verdict::defer(text()).code(451).enhanced("4.7.1"),
            Answer::Quarantine => {
                let Opinion { action, score, .. } = opinion;
                Verdict::quarantine(format!("rspamd: {action}, score {score:.1}"))
            }
            Answer::Tag | Answer::Subject | Answer::Continue => Verdict::Continue,
        }
    }

    /// Points and fields of a message that goes on.
    fn pass_on(&self, answer: Answer, opinion: &Opinion) {
        let sum = Sum::new(self.0.least, self.0.most);
        match self.0.score {
            Points::None => {}
            Points::Total => count_total(sum, opinion.score * self.0.weight),
            Points::Symbols => count_symbols(sum, opinion, self.0.weight),
        }
        fields::write(&self.0, answer, opinion);
    }

    fn without_rspamd(&self, trouble: &Trouble) -> Verdict {
        log::warn(format_args!("a message is not judged: {trouble}"));
        match self.0.when_unavailable {
            Unavailable::Continue => Verdict::Continue,
            Unavailable::Defer => {
                let text = "this message cannot be examined now, try again later";
                Verdict::defer(text).code(451).enhanced("4.7.1")
            }
        }
    }
}

fn count_total(mut sum: Sum, points: f64) {
    let given = sum.give("RSPAMD", points, "");
    if given != 0.0 {
        reason(&format!("RSPAMD={given:.1}"));
    }
}

/// What one call of a filter may give, less one for safety.
const MOST_SYMBOLS: usize = 99;

/// Those that speak against the whole go first: they make room for the others.
fn count_symbols(mut sum: Sum, opinion: &Opinion, weight: f64) {
    let mut symbols: Vec<_> = opinion.weighty().take(MOST_SYMBOLS).collect();
    symbols.sort_by_key(|(_, symbol)| (symbol.score > 0.0) == (opinion.score > 0.0));
    let mut reasons = String::new();
    for (name, symbol) in symbols {
        let name = opinion::safe(name, 64);
        let given = sum.give(&name, symbol.score * weight, &symbol.why());
        if given != 0.0 && reasons.len() < 900 {
            reasons += &format!("{name}={given:.1} ");
        }
    }
    reason(reasons.trim_end());
}

/// For the policy; who denies notes wants none.
fn reason(text: &str) {
    let _ = notes::set(notes::Scope::Transaction, "reasons", text);
}

#[cfg(test)]
mod tests;
