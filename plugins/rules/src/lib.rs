//! Bundled filter `rules`: conditions over facts, envelope and header, and what follows: points, a reply, an edit.

mod action;
mod condition;
mod facts;
mod mailbox;
mod mask;
mod matcher;
mod rule;
mod settings;

use lazaret_filter::prelude::*;

use action::Edits;
use facts::Facts;
use rule::Rule;
use settings::Settings;

/// Octets of the note `reasons`.
const MOST_REASONS: usize = 500;

/// The configured filter.
pub struct Rules(Vec<Rule>);

#[filter]
impl Filter for Rules {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        config.rules().map(Self)
    }

    fn message(&mut self) -> Verdict {
        let facts = Facts::default();
        let mut edits = Edits::default();
        let mut reasons = Vec::new();
        for rule in &self.0 {
            if !rule.holds(&facts) {
                continue;
            }
            let verdict = rule.follow(&mut edits, &mut reasons);
            if !verdict.passes() {
                return verdict;
            }
        }
        note(&reasons);
        Verdict::Continue
    }
}

/// For the filter that writes the reasons into the header.
fn note(reasons: &[String]) {
    let mut text = String::new();
    for reason in reasons {
        if text.len() + reason.len() < MOST_REASONS {
            text.push_str(reason);
            text.push(' ');
        }
    }
    if text.is_empty() {
        return;
    }
    if let Err(error) = notes::set(notes::Scope::Transaction, "reasons", text.trim_end()) {
        log::warn(format!(
            "cannot note the reasons ({word}): grant `notes`",
            word = error.name()
        ));
    }
}

#[cfg(test)]
mod tests;
