//! What was found, and what follows.

use lazaret_filter::prelude::*;

use crate::names::Nature;
use crate::settings::{Answer, Answers, Word};

/// Octets of the note `reasons`.
const MOST_REASONS: usize = 500;

/// A kind of danger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// a desktop runs it when it is opened
    Program,
    /// its name is made to be read as another
    Disguise,
    /// a document with macros
    Macros,
    /// sealed: nobody but the reader can look into it
    Encrypted,
    /// an archive or a message whose names cannot be listed
    Unlisted,
    /// the content is not what the name says
    Mismatch,
    /// a page that makes a file out of itself
    Smuggling,
    /// the host could not take the message apart
    Unparsed,
}

impl Finding {
    const fn symbol(self) -> &'static str {
        match self {
            Self::Program => "ATTACHED_PROGRAM",
            Self::Disguise => "ATTACHED_DISGUISE",
            Self::Macros => "ATTACHED_MACROS",
            Self::Encrypted => "ATTACHED_ENCRYPTED",
            Self::Unlisted => "ATTACHED_UNLISTED",
            Self::Mismatch => "ATTACHED_MISMATCH",
            Self::Smuggling => "ATTACHED_SMUGGLING",
            Self::Unparsed => "UNPARSED",
        }
    }
}

/// Every kind that was found, with the first words about it.
#[derive(Debug, Default)]
pub struct Findings(Vec<(Finding, String)>);

impl Findings {
    /// Later findings of the same kind say nothing new.
    pub fn add(&mut self, finding: Finding, why: impl Into<String>) {
        if self.0.iter().all(|(known, _)| *known != finding) {
            self.0.push((finding, why.into()));
        }
    }

    /// Adds what a name is; `shown` stands for it.
    pub fn name(&mut self, nature: Nature, shown: &str) {
        let (finding, what) = match nature {
            Nature::Masked => (Finding::Program, "is a program that looks like a document"),
            Nature::Reversed => (
                Finding::Disguise,
                "has a name written in the wrong direction",
            ),
            Nature::Program | Nature::Source => (Finding::Program, "is a program"),
            Nature::Macros => (Finding::Macros, "has macros"),
            Nature::Plain => return,
        };
        self.add(finding, format!("{shown} {what}"));
    }

    /// Reject goes before defer.
    pub fn refusal(&self, answers: &Answers) -> Verdict {
        if let Some(why) = self.first(answers, Word::Reject) {
            return Verdict::reject(format!("we do not take this message: {why}"))
                .code(550)
                .enhanced("5.7.1");
        }
        match self.first(answers, Word::Defer) {
            Some(why) => Verdict::defer(format!("we do not take this message now: {why}"))
                .code(451)
                .enhanced("4.7.1"),
            None => Verdict::Continue,
        }
    }

    /// Adds the points, and leaves a note for the filter that writes the reasons.
    pub fn score(&self, answers: &Answers) {
        let mut reasons = String::new();
        for (finding, why) in &self.0 {
            let Answer::Points(points) = answers.to(*finding) else {
                continue;
            };
            let symbol = finding.symbol();
            if let Err(error) = score::add(symbol, points, why) {
                log::warn(format!(
                    "cannot score {symbol} ({word}): grant `score`",
                    word = error.name()
                ));
            }
            reasons.push_str(&format!("{symbol}={points:.1} "));
        }
        let reasons = reasons.trim_end();
        if !reasons.is_empty() && reasons.len() <= MOST_REASONS {
            note(reasons);
        }
    }

    fn first(&self, answers: &Answers, word: Word) -> Option<&str> {
        let found = self
            .0
            .iter()
            .find(|(finding, _)| answers.to(*finding) == Answer::Word(word))?;
        Some(&found.1)
    }
}

fn note(reasons: &str) {
    if let Err(error) = notes::set(notes::Scope::Transaction, "reasons", reasons) {
        log::warn(format!(
            "cannot note the reasons ({word}): grant `notes`",
            word = error.name()
        ));
    }
}
