//! Bundled filter `auth`: SPF, DKIM and DMARC.
//!
//! It asks the name system who may send for the domains of a message, checks its signatures inside the sandbox, writes what
//! it found into Authentication-Results, and answers as configured.

mod dkim;
mod dmarc;
mod examination;
mod names;
mod resolver;
mod results;
mod settings;
mod spf;

use lazaret_filter::prelude::*;

use examination::Examination;
use settings::{Checked, Settings};

/// The configured filter.
pub struct Auth(Checked);

#[filter]
impl Filter for Auth {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        config.check().map(Self)
    }

    fn message(&mut self) -> Verdict {
        // Whoever gave a password is no stranger: nothing of this is about mail that is handed in.
        if session::user().is_some() {
            return Verdict::Continue;
        }
        match Examination::of_this_message() {
            Ok(examination) => self.conclude(&examination),
            Err(error) => unreadable(error),
        }
    }
}

impl Auth {
    fn conclude(&self, examination: &Examination) -> Verdict {
        let host = &self.0.host;
        let written = remove_forged(host).and_then(|()| {
            let value = results::value(host, &examination.entries());
            edit_headers::add(results::NAME, &value)
        });
        if let Err(error) = written {
            let word = error.name();
            log::error(format!("{} cannot be written ({word})", results::NAME));
            return Verdict::defer("its header section could not be written").enhanced("4.7.1");
        }
        examination.note();
        self.0.answers.to(&examination.findings())
    }
}

/// Takes out what others wrote in our name, the last one first so that the numbers of the others stay.
fn remove_forged(host: &str) -> Result<(), Error> {
    let fields = headers::all();
    let ours = fields
        .iter()
        .filter(|field| field.name.trim_end().eq_ignore_ascii_case(results::NAME));
    let forged: Vec<u32> = (0..)
        .zip(ours)
        .filter(|(_, field)| results::is_by(&String::from_utf8_lossy(&field.value), host))
        .map(|(nth, _)| nth)
        .collect();
    for nth in forged.into_iter().rev() {
        edit_headers::remove(results::NAME, nth)?;
    }
    Ok(())
}

fn unreadable(error: Error) -> Verdict {
    log::error(format!(
        "cannot read a message ({word})",
        word = error.name()
    ));
    Verdict::defer("the message could not be examined").enhanced("4.7.1")
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
