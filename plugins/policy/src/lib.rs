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
    /// Filter by filter: what it noted, or else the points it gave.
    fn reasons(&self) -> String {
        let entries = score::all().unwrap_or_default();
        let filters = match &self.0.reasons_from {
            Some(named) => named.clone(),
            None => who_scored(&entries),
        };
        let reasons = filters.iter().map(|filter| {
            let noted = notes::get(filter, "reasons").ok().flatten();
            noted.unwrap_or_else(|| points_of(filter, &entries))
        });
        let reasons: Vec<_> = reasons.filter(|reasons| !reasons.is_empty()).collect();
        reasons.join(" ")
    }
}

/// Each once, in the order of their first points.
fn who_scored(entries: &[score::Entry]) -> Vec<String> {
    let mut filters: Vec<String> = Vec::new();
    for entry in entries {
        if !filters.contains(&entry.filter) {
            filters.push(entry.filter.clone());
        }
    }
    filters
}

/// `SPF_FAIL=2.0 DMARC_QUARANTINE=4.0`
fn points_of(filter: &str, entries: &[score::Entry]) -> String {
    let own = entries.iter().filter(|entry| entry.filter == filter);
    let named = own.map(|entry| format!("{}={:.1}", entry.symbol, entry.points));
    named.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
