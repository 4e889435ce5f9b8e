//! Bundled filter `rate`: token buckets in `state`, by client network, user, sender domain and recipient.

mod bucket;
mod clock;
mod exemptions;
mod settings;

use std::time::Duration;

use lazaret_filter::names;
use lazaret_filter::prelude::*;

use crate::bucket::{Bucket, Taken, Token};
use crate::exemptions::Exemptions;
use crate::settings::{Answer, Checked, Each, Settings, Subject, Unavailable};

/// The filter.
pub struct Rate {
    settings: Checked,
    /// known from MAIL on
    sender: Address,
}

#[filter]
impl Filter for Rate {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        Ok(Self {
            settings: config.check()?,
            sender: Address::from(""),
        })
    }

    fn mail(&mut self, sender: &Address) -> Verdict {
        self.sender = sender.clone();
        match self.exemptions().spare_session(&sender.mailbox) {
            true => Verdict::Continue,
            false => self.count(Each::Message, None),
        }
    }

    fn rcpt(&mut self, recipient: &Address) -> Verdict {
        let exempt = self.exemptions();
        let spared = exempt.spare_session(&self.sender.mailbox)
            || exempt.spare_recipient(&recipient.mailbox);
        match spared {
            true => Verdict::Continue,
            false => self.count(Each::Recipient, Some(recipient)),
        }
    }
}

impl Rate {
    fn exemptions(&self) -> &Exemptions {
        &self.settings.exempt
    }

    /// One token out of each bucket that counts now: all of them, or none.
    fn count(&self, each: Each, recipient: Option<&Address>) -> Verdict {
        let mut tokens: Vec<Token<'_>> = Vec::new();
        let mut hold = Duration::ZERO;
        for bucket in self.settings.buckets.iter().filter(|it| it.each == each) {
            let Some(subject) = self.subject(bucket.by, recipient) else {
                continue;
            };
            match bucket.take(&subject) {
                Ok(Taken::Now(token)) => tokens.push(token),
                Ok(Taken::After(token, wait)) => {
                    tokens.push(token);
                    hold = hold.max(wait);
                }
                Ok(Taken::Empty(wait)) => {
                    tokens.iter().for_each(Token::give_back);
                    return self.empty(bucket, wait);
                }
                Err(error) => return self.without_state(error),
            }
        }
        match hold.is_zero() {
            true => Verdict::Continue,
            false => held(hold),
        }
    }

    /// Whose bucket it is; None where there is nobody.
    fn subject(&self, by: Subject, recipient: Option<&Address>) -> Option<String> {
        match by {
            Subject::Network => Some(self.settings.network(session::client_ip())),
            Subject::User => session::user(),
            Subject::SenderDomain => some(domain(&self.sender)),
            Subject::Recipient => some(mailbox(recipient?)),
        }
    }

    fn empty(&self, bucket: &Bucket, wait: Duration) -> Verdict {
        let text = match (&self.settings.text, bucket.answer) {
            (Some(text), _) => text.as_str(),
            (None, Answer::Refuse) => "too much mail {what}",
            (None, Answer::Defer | Answer::Hold) => "too much mail {what}, try again in {wait}",
        };
        let text = text
            .replace("{what}", bucket.by.words())
            .replace("{wait}", &settings::words(wait));
        match bucket.answer {
            Answer::Refuse => Verdict::reject(text).code(550).enhanced("5.7.1"),
            Answer::Defer | Answer::Hold => Verdict::defer(text).code(451).enhanced("4.7.1"),
        }
    }

    fn without_state(&self, error: Error) -> Verdict {
        log::warn(format_args!(
            "cannot count ({}): grant `state`, and see that its store answers and has room",
            error.name()
        ));
        match self.settings.when_unavailable {
            Unavailable::Continue => Verdict::Continue,
            Unavailable::Defer => {
                let text = "we cannot take mail right now, try again later";
                Verdict::defer(text).code(451).enhanced("4.7.1")
            }
        }
    }
}

/// In whichever spelling: else each would have a bucket of its own.
fn domain(address: &Address) -> String {
    names::normal(&address.domain)
}

fn mailbox(address: &Address) -> String {
    let local_part = address.local_part.to_lowercase();
    match address.domain.is_empty() {
        true => local_part,
        false => format!("{local_part}@{}", domain(address)),
    }
}

fn some(subject: String) -> Option<String> {
    (!subject.is_empty()).then_some(subject)
}

/// Who may not be held passes: the token is taken.
fn held(time: Duration) -> Verdict {
    if let Err(error) = pace::hold(time) {
        log::warn(format_args!(
            "cannot hold a reply ({}): write \"pace\" into `grant`",
            error.name()
        ));
    }
    Verdict::Continue
}

#[cfg(test)]
mod tests;
