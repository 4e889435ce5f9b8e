//! The keys of `[config]` and what they decide.

use lazaret_filter::Verdict;
use serde::Deserialize;

/// The `[config]` table; scores are sums of points.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// from here on a message is marked as spam
    tag: f64,
    /// from here on it is deferred
    defer: Option<f64>,
    /// from here on it is rejected
    reject: Option<f64>,
    /// what a rejected or deferred client hears
    text: String,
    /// filters whose reasons go into the header; all that gave points where it is missing
    reasons_from: Option<Vec<String>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            tag: 5.0,
            defer: None,
            reject: Some(15.0),
            text: "this message looks like spam".to_owned(),
            reasons_from: None,
        }
    }
}

/// Settings that make sense.
#[derive(Clone, Debug)]
pub struct Checked {
    pub tag: f64,
    defer: Option<f64>,
    reject: Option<f64>,
    text: String,
    pub reasons_from: Option<Vec<String>>,
}

impl Settings {
    /// # Errors
    /// For thresholds that could never or would always be reached.
    pub fn check(self) -> Result<Checked, String> {
        let Self {
            tag,
            defer,
            reject,
            text,
            reasons_from,
        } = self;
        let thresholds = [("tag", Some(tag)), ("defer", defer), ("reject", reject)];
        for (key, value) in thresholds {
            if value.is_some_and(|value| value <= 0.0) {
                return Err(format!(
                    "{key}: a threshold is above 0, or mail without any point meets it"
                ));
            }
        }
        if let (Some(low), Some(high)) = (defer, reject)
            && low >= high
        {
            return Err(format!(
                "defer = {low} is never said because reject = {high} comes first; make it lower or remove it"
            ));
        }
        Ok(Checked {
            tag,
            defer,
            reject,
            text,
            reasons_from,
        })
    }
}

impl Checked {
    /// What this score means for the message.
    pub fn refusal(&self, total: f64) -> Verdict {
        let reaches = |threshold: Option<f64>| threshold.is_some_and(|it| total >= it);
        if reaches(self.reject) {
            Verdict::reject(&self.text).code(550).enhanced("5.7.1")
        } else if reaches(self.defer) {
            Verdict::defer(&self.text).code(451).enhanced("4.7.1")
        } else {
            Verdict::Continue
        }
    }
}
