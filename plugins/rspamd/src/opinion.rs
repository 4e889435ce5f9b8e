//! What rspamd answers: JSON of known shape and bounded size.

use std::collections::BTreeMap;
use std::fmt;

use lazaret_filter::Error;
use lazaret_filter::http::Response;
use serde::Deserialize;
use serde_json::Value;

/// Octets of an answer; real ones have a few thousand.
const MOST_OF_AN_ANSWER: usize = 256 << 10;

/// The answer to `/checkv2`.
#[derive(Debug, Deserialize)]
pub struct Opinion {
    /// `reject`, `add header`, ..
    pub action: String,
    /// the sum of all symbols
    pub score: f64,
    /// where rspamd would reject
    #[serde(default)]
    pub required_score: f64,
    #[serde(default)]
    symbols: BTreeMap<String, Symbol>,
    /// as it should read now
    pub subject: Option<String>,
    #[serde(default)]
    messages: Value,
    /// changes to the header section
    #[serde(default)]
    pub milter: Value,
    /// one or several
    #[serde(default, rename = "dkim-signature")]
    pub dkim_signature: Value,
}

/// One rule that fits.
#[derive(Debug, Deserialize)]
pub struct Symbol {
    /// points
    pub score: f64,
    #[serde(default)]
    options: Vec<String>,
}

/// Why there is no opinion.
#[derive(Debug)]
pub enum Trouble {
    /// what the host says
    Host(Error),
    /// another status than 200
    Status(u16),
    /// not rspamd's JSON, and where
    Nonsense(String),
    /// one that nothing is configured for
    Action(String),
}

impl Opinion {
    /// # Errors
    /// When it is none.
    pub fn read(response: &Response) -> Result<Self, Trouble> {
        if response.status != 200 {
            return Err(Trouble::Status(response.status));
        }
        if response.content.len() > MOST_OF_AN_ANSWER {
            return Err(Trouble::Nonsense("it is too long".to_owned()));
        }
        // The error of serde_json quotes nothing of the answer but types and numbers, or words that are made safe.
        let read: Self = serde_json::from_slice(&response.content)
            .map_err(|error| Trouble::Nonsense(printable(&error.to_string(), 200)))?;
        Ok(Self {
            action: printable(&read.action, 64),
            ..read
        })
    }

    /// What rspamd would say to the client.
    pub fn text(&self) -> Option<String> {
        let text = printable(self.messages.get("smtp_message")?.as_str()?, 200);
        (!text.trim().is_empty()).then_some(text)
    }

    /// Symbols with points, the weightiest first.
    pub fn weighty(&self) -> impl Iterator<Item = (&String, &Symbol)> {
        let symbols = self.symbols.iter();
        let mut weighty: Vec<_> = symbols.filter(|(_, symbol)| symbol.score != 0.0).collect();
        weighty.sort_by(|(_, a), (_, b)| b.score.abs().total_cmp(&a.score.abs()));
        weighty.into_iter()
    }
}

impl Symbol {
    /// What the rule found, in so many words as the score takes.
    pub fn why(&self) -> String {
        printable(&self.options.join(", "), 190)
    }
}

/// Letters, digits, `-`, `_` and `.`, as symbols of the score have.
pub fn safe(name: &str, most: usize) -> String {
    let word = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let taken = name.chars().take(most);
    taken.map(|c| if word(c) { c } else { '_' }).collect()
}

/// Printable ASCII, at most so many octets.
fn printable(text: &str, most: usize) -> String {
    let plain = |c: char| c.is_ascii_graphic() || c == ' ';
    let taken = text.chars().take(most);
    taken.map(|c| if plain(c) { c } else { '_' }).collect()
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Host(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(Error::NotGranted) => {
                f.write_str("rspamd may not be asked: write \"http:HOST:PORT\" of `url` and \"body\" into `grant`")
            }
            Self::Host(Error::Unavailable) => f.write_str("no answer from rspamd within `http-time`"),
            Self::Host(error) => write!(f, "rspamd was not asked ({})", error.name()),
            Self::Status(status) => write!(f, "rspamd answers with status {status}"),
            Self::Nonsense(why) => write!(f, "what answers there is not rspamd: {why}"),
            Self::Action(action) => {
                write!(f, "nothing is configured for the action \"{action}\": write it under [config.actions]")
            }
        }
    }
}
