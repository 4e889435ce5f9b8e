//! Bundled filter `policy`: what happens at which score, and the header fields that say so.
//!
//! It is asked last. Filters before it add points; it removes `X-Spam-` fields that came from outside, tags, defers or
//! rejects by the sum, and writes the reasons.

mod settings;
mod tags;

use lazaret_filter::prelude::*;

use settings::{Checked, Settings};

/// The configured filter.
pub struct Policy(Checked);

#[filter]
impl Filter for Policy {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        config.check().map(Self)
    }

    fn message(&mut self) -> Verdict {
        if !tags::remove_forged() {
            return Verdict::reject("too many X-Spam fields that are not ours")
                .code(550)
                .enhanced("5.7.1");
        }
        let total = match score::total() {
            Ok(total) => total,
            Err(error) => {
                log::error(format!(
                    "no score ({word}): grant `score`",
                    word = error.name()
                ));
                return Verdict::Continue;
            }
        };
        let refusal = self.0.refusal(total);
        if refusal.passes() {
            tags::write(total, self.0.tag, &self.reasons());
        }
        refusal
    }
}

impl Policy {
    /// What the scoring filters noted, in their order.
    fn reasons(&self) -> String {
        let noted = self.0.reasons_from.iter().filter_map(|filter| {
            notes::get(filter, "reasons")
                .ok()
                .flatten()
                .filter(|reasons| !reasons.is_empty())
        });
        noted.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests;
