//! The keys of `[config]`.

use serde::Deserialize;

use crate::findings::Finding;
use crate::names::Extensions;

/// The `[config]` table.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// extensions of programs besides the known ones
    also: Vec<String>,
    /// known ones that are let through
    except: Vec<String>,
    /// what happens on which finding
    on: Answers,
}

/// One answer a kind of finding.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Answers {
    program: Answer,
    disguise: Answer,
    macros: Answer,
    encrypted: Answer,
    unlisted: Answer,
    mismatch: Answer,
    smuggling: Answer,
    unparsed: Answer,
}

/// `"reject"`, `"defer"`, `"ignore"`, or points for the score.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(
    untagged,
    expecting = "write \"reject\", \"defer\", \"ignore\" or points such as 4.0"
)]
pub enum Answer {
    /// refuse the message
    Word(Word),
    /// add to its score
    Points(f64),
}

/// An answer in words.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// 550 5.7.1
    Reject,
    /// 451 4.7.1
    Defer,
    /// nothing
    Ignore,
}

/// Settings that make sense.
#[derive(Debug)]
pub struct Checked {
    pub answers: Answers,
    pub extensions: Extensions,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            program: Answer::Word(Word::Reject),
            disguise: Answer::Word(Word::Reject),
            macros: Answer::Points(4.0),
            encrypted: Answer::Points(2.0),
            unlisted: Answer::Points(1.0),
            mismatch: Answer::Points(3.0),
            smuggling: Answer::Points(4.0),
            unparsed: Answer::Word(Word::Reject),
        }
    }
}

impl Answers {
    pub fn to(&self, finding: Finding) -> Answer {
        match finding {
            Finding::Program => self.program,
            Finding::Disguise => self.disguise,
            Finding::Macros => self.macros,
            Finding::Encrypted => self.encrypted,
            Finding::Unlisted => self.unlisted,
            Finding::Mismatch => self.mismatch,
            Finding::Smuggling => self.smuggling,
            Finding::Unparsed => self.unparsed,
        }
    }
}

impl Settings {
    /// # Errors
    /// Names the key and the entry that is no extension.
    pub fn check(self) -> Result<Checked, String> {
        Ok(Checked {
            answers: self.on,
            extensions: Extensions::new(&plain("also", self.also)?, &plain("except", self.except)?),
        })
    }
}

fn plain(key: &str, entries: Vec<String>) -> Result<Vec<String>, String> {
    let wrong = entries
        .iter()
        .find(|entry| entry.is_empty() || !entry.chars().all(|c| c.is_alphanumeric() || c == '-'));
    match wrong {
        Some(wrong) => Err(format!(
            "{key}: `{wrong}` is no extension; write e.g. \"exe\", without a dot"
        )),
        None => Ok(entries
            .into_iter()
            .map(|entry| entry.to_lowercase())
            .collect()),
    }
}
