//! Bundled filter `attachments`: programs, disguised names, macros and sealed archives, by name and by content.
//!
//! Nothing is decompressed: of an archive it reads the list of names.

mod archive;
#[cfg(test)]
#[path = "../tests/checks/attachment.rs"]
mod checks;
mod findings;
mod html;
mod kinds;
mod names;
mod packed;
mod part;
mod settings;
mod text;
mod zip;

use lazaret_filter::prelude::*;

use findings::{Finding, Findings};
use settings::{Answers, Checked, Settings};

/// The configured filter.
pub struct Attachments(Checked);

#[filter]
impl Filter for Attachments {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        config.check().map(Self)
    }

    fn message(&mut self) -> Verdict {
        let Checked {
            answers,
            extensions,
        } = &self.0;
        let mut findings = Findings::default();
        match parts::all() {
            Ok(parts) => parts
                .iter()
                .for_each(|part| part::look(part, extensions, &mut findings)),
            Err(Error::Limit) => findings.add(Finding::Unparsed, "its parts cannot be told apart"),
            Err(error) => return unreadable(error),
        }
        answer(&findings, answers)
    }
}

fn answer(findings: &Findings, answers: &Answers) -> Verdict {
    let refusal = findings.refusal(answers);
    if refusal.passes() {
        findings.score(answers);
    }
    refusal
}

fn unreadable(error: Error) -> Verdict {
    log::error(format!(
        "cannot read the parts of a message ({word})",
        word = error.name()
    ));
    Verdict::defer("the attachments could not be examined").enhanced("4.7.1")
}

#[cfg(test)]
mod tests;
