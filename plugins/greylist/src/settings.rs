//! The keys of `[config]`.

use std::fmt;

use lazaret_filter::Network;
use serde::Deserialize;

/// The `[config]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// how long the unknown must wait
    pub delay: Span,
    /// from the first try: later than this is a first try again
    pub window: Span,
    /// how long a triplet that passed is known, from its last mail
    pub lifetime: Span,
    /// so many triplets of a network that passed let all of it pass; 0: never
    pub auto_allow: u32,
    /// clients that are never asked to wait
    pub networks: Vec<Network>,
    /// domains of confirmed client names, likewise
    pub client_names: Vec<String>,
    /// mailboxes, `local-part@` and domains, likewise
    pub senders: Vec<String>,
    /// as `senders`
    pub recipients: Vec<String>,
    /// what becomes of bounces
    pub null_sender: NullSender,
    /// what the unknown hear while the store does not answer
    pub when_unavailable: Unavailable,
    /// what the client hears: `{wait}`
    pub text: String,
}

/// The sender `<>`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum NullSender {
    /// is a sender like others
    Greylist,
    /// never waits
    Pass,
}

/// Without `state`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// nobody waits
    Continue,
    /// everybody waits
    Defer,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            delay: Span(5 * 60),
            window: Span(2 * DAY),
            lifetime: Span(36 * DAY),
            auto_allow: 5,
            networks: Vec::new(),
            client_names: Vec::new(),
            senders: Vec::new(),
            recipients: Vec::new(),
            null_sender: NullSender::Greylist,
            when_unavailable: Unavailable::Continue,
            text: "we do not know you yet, try again in {wait}".to_owned(),
        }
    }
}

impl Settings {
    /// # Errors
    /// For a window in which nobody could pass.
    pub fn checked(mut self) -> Result<Self, String> {
        let (delay, window) = (self.delay, self.window);
        if delay.0 >= window.0 {
            return Err(format!(
                "window: {window} is over before delay = {delay} is, and nobody would ever pass; make it longer"
            ));
        }
        for list in [
            &mut self.senders,
            &mut self.recipients,
            &mut self.client_names,
        ] {
            list.iter_mut()
                .for_each(|entry| *entry = entry.to_lowercase());
            if list.iter().any(String::is_empty) {
                return Err("an exemption is empty and would hold for all; remove it".to_owned());
            }
        }
        Ok(self)
    }
}

const DAY: u32 = 86_400;

/// What `state` keeps a key for, at most.
const LONGEST: u32 = 400 * DAY;

const UNITS: [(char, u32); 4] = [('d', DAY), ('h', 3600), ('m', 60), ('s', 1)];

/// A time in seconds, written `90s`, `5m`, `2h` or `36d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Span(u32);

impl Span {
    /// 1 to 400 days' worth.
    pub fn seconds(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let read = UNITS.iter().find_map(|(letter, unit)| {
            let number: u32 = text.strip_suffix(*letter)?.parse().ok()?;
            number.checked_mul(*unit)
        });
        match read {
            Some(seconds) if (1..=LONGEST).contains(&seconds) => Ok(Self(seconds)),
            _ => Err(format!(
                "`{text}` is no time from 1s to 400d; write it as 90s, 5m, 2h or 36d"
            )),
        }
    }
}

/// In words, in the largest unit that fits.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fits = UNITS.iter().find(|(_, unit)| self.0.is_multiple_of(*unit));
        let (letter, unit) = fits.copied().unwrap_or(('s', 1));
        let number = self.0 / unit;
        let word = match letter {
            'd' => "day",
            'h' => "hour",
            'm' => "minute",
            _ => "second",
        };
        write!(f, "{number} {word}{}", if number == 1 { "" } else { "s" })
    }
}
