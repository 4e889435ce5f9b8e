//! Bundled filter `clamav`: clamd looks at each message, over TCP, with INSTREAM.

mod clamd;
mod settings;

use std::fmt;

use lazaret_filter::prelude::*;

use crate::clamd::{Clamd, Look, Trouble};
use crate::settings::{Answer, Checked, Larger, Settings, Unavailable, Word};

/// The field that tells what was found, and what was not looked at.
const FIELD: &str = "X-Virus-Status";

/// The configured filter.
pub struct Clamav(Checked);

#[filter]
impl Filter for Clamav {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        config.check().map(Self)
    }

    fn message(&mut self) -> Verdict {
        if self.0.tags() {
            remove_forged();
        }
        let is_large = body::size() > self.0.most;
        if is_large && self.0.larger != Larger::Head {
            return self.too_large("it is larger than `most`");
        }
        match self.look() {
            Ok(Look::Clean) => Verdict::Continue,
            Ok(Look::Found(signature)) => self.found(&signature),
            Ok(Look::TooLarge) => {
                self.too_large("clamd takes less: raise its StreamMaxLength or lower `most`")
            }
            Err(trouble) => self.without_clamd(&trouble),
        }
    }
}

impl Clamav {
    /// At the first `most` octets.
    fn look(&self) -> Result<Look, Trouble> {
        let mut clamd = Clamd::connect(self.0.address, self.0.time)?;
        let end = body::size().min(self.0.most);
        let mut offset = 0;
        while offset < end {
            let octets = body::read(offset, body::CHUNK.min(end - offset))?;
            if octets.is_empty() {
                break;
            }
            // No more than was asked for, and that fits.
            offset += octets.len() as u32;
            if let Some(early) = clamd.send(&octets)? {
                return Ok(early);
            }
        }
        clamd.answer()
    }

    fn found(&self, signature: &str) -> Verdict {
        match self.0.answer_to(signature) {
            Answer::Points(points) => {
                count(signature, points);
                Verdict::Continue
            }
            Answer::Word(Word::Reject) => {
                let text = self.0.text.replace("{signature}", signature);
                Verdict::reject(text).code(550).enhanced("5.7.1")
            }
            Answer::Word(Word::Quarantine) => Verdict::quarantine(format!("virus: {signature}")),
            Answer::Word(Word::Tag) => tag(format_args!("Infected ({signature})")),
            Answer::Word(Word::Defer) => later(),
            Answer::Word(Word::Ignore) => {
                log::info(format_args!("{signature} is ignored, as configured"));
                Verdict::Continue
            }
        }
    }

    fn too_large(&self, why: &str) -> Verdict {
        let octets = body::size();
        log::info(format_args!(
            "a message of {octets} octets is not examined: {why}"
        ));
        match self.0.larger {
            Larger::Skip => Verdict::Continue,
            Larger::Tag => tag(format_args!("Unscanned (too large)")),
            Larger::Defer => later(),
            Larger::Head => self.unexamined(),
        }
    }

    fn without_clamd(&self, trouble: &Trouble) -> Verdict {
        log::warn(format_args!("a message is not examined: {trouble}"));
        self.unexamined()
    }

    fn unexamined(&self) -> Verdict {
        match self.0.when_unavailable {
            Unavailable::Defer => later(),
            Unavailable::Tag => tag(format_args!("Unscanned (scanner unavailable)")),
            Unavailable::Continue => Verdict::Continue,
        }
    }
}

fn later() -> Verdict {
    let text = "this message cannot be examined now, try again later";
    Verdict::defer(text).code(451).enhanced("4.7.1")
}

/// What a sender wrote there would be read as ours.
fn remove_forged() {
    if let Err(error) = edit_headers::remove_all(FIELD) {
        without_right(error, "edit-headers:X-Virus-Status");
    }
}

/// Without the field nobody would be warned: then the message waits.
fn tag(status: fmt::Arguments<'_>) -> Verdict {
    match edit_headers::add(FIELD, &status.to_string()) {
        Ok(()) => Verdict::Continue,
        Err(error) => {
            without_right(error, "edit-headers:X-Virus-Status");
            later()
        }
    }
}

fn count(signature: &str, points: f64) {
    if let Err(error) = score::add("VIRUS", points, signature) {
        without_right(error, "score:0..20");
    }
    // The policy may not read it, and the right may be denied for the sake of `parallel`.
    let _ = notes::set(
        notes::Scope::Transaction,
        "reasons",
        &format!("VIRUS={points:.1}"),
    );
}

fn without_right(error: Error, right: &str) {
    log::warn(format_args!(
        "not done ({}): write \"{right}\" into `grant`",
        error.name()
    ));
}

#[cfg(test)]
mod tests;
