//! Bundled filter `greylist`: who is unknown comes again, as every mail server does and few bots do (RFC 6647).
//!
//! All times are times to live in `state`, so that no clock is asked and several proxies with one store agree.

mod settings;
mod triplet;

use lazaret_filter::prelude::*;

use crate::settings::{NullSender, Settings};
use crate::triplet::Triplet;

/// The filter.
pub struct Greylist {
    settings: Settings,
    /// known from MAIL on
    sender: String,
}

#[filter]
impl Filter for Greylist {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        Ok(Self {
            settings: config.checked()?,
            sender: String::new(),
        })
    }

    fn mail(&mut self, sender: &Address) -> Verdict {
        self.sender = sender.mailbox.to_lowercase();
        Verdict::Continue
    }

    fn rcpt(&mut self, recipient: &Address) -> Verdict {
        let recipient = recipient.mailbox.to_lowercase();
        if self.is_spared(&recipient) {
            return Verdict::Continue;
        }
        let triplet = Triplet::new(session::client_ip(), &self.sender, &recipient);
        match triplet.is_known(&self.settings) {
            Ok(true) => Verdict::Continue,
            Ok(false) => self.later(),
            Err(error) => self.without_state(error),
        }
    }
}

impl Greylist {
    /// The cheap questions first; the client's name may take time.
    fn is_spared(&self, recipient: &str) -> bool {
        let settings = &self.settings;
        let null_passes = settings.null_sender == NullSender::Pass && self.sender.is_empty();
        null_passes
            || session::user().is_some()
            || is_listed(&settings.senders, &self.sender)
            || is_listed(&settings.recipients, recipient)
            || self.is_spared_client()
    }

    fn is_spared_client(&self) -> bool {
        let client = session::client_ip();
        let networks = &self.settings.networks;
        networks.iter().any(|network| network.contains(client)) || self.has_spared_name()
    }

    fn has_spared_name(&self) -> bool {
        let names = &self.settings.client_names;
        if names.is_empty() {
            return false;
        }
        let client = session::client().name;
        client.is_some_and(|client| names.iter().any(|name| is_below(&client, name)))
    }

    fn later(&self) -> Verdict {
        let wait = self.settings.delay.to_string();
        let text = self.settings.text.replace("{wait}", &wait);
        Verdict::defer(text).code(451).enhanced("4.7.1")
    }

    fn without_state(&self, error: Error) -> Verdict {
        log::warn(format_args!(
            "cannot remember ({}): grant `state`, and see that its store answers and has room",
            error.name()
        ));
        match self.settings.when_unavailable {
            settings::Unavailable::Continue => Verdict::Continue,
            settings::Unavailable::Defer => {
                let text = "we cannot take mail right now, try again later";
                Verdict::defer(text).code(451).enhanced("4.7.1")
            }
        }
    }
}

/// `anna@example.org` is a mailbox, `abuse@` that local part anywhere, `example.org` a domain and all below it.
fn is_listed(entries: &[String], mailbox: &str) -> bool {
    let (local_part, domain) = mailbox.rsplit_once('@').unwrap_or((mailbox, ""));
    entries.iter().any(|entry| match entry.strip_suffix('@') {
        Some(wanted) => wanted == local_part,
        None => entry == mailbox || is_below(domain, entry),
    })
}

fn is_below(name: &str, domain: &str) -> bool {
    let name = name.to_lowercase();
    let above = name.strip_suffix(domain);
    above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
}

#[cfg(test)]
mod tests;
