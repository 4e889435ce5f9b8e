//! Bundled filter `access`: lists of clients, PTR names, HELO names, senders and recipients, allowed or denied.
//!
//! An allow list spares from the deny lists of this filter, and from nothing else.

mod lists;
mod patterns;
mod settings;

use lazaret_filter::prelude::*;

use lists::{Facts, Lists};
use settings::{Settings, When};

/// The configured filter.
pub struct Access {
    lists: Lists,
    when: When,
    /// known from MAIL on
    sender: Option<Address>,
}

#[filter]
impl Filter for Access {
    type Config = Settings;

    fn configure(config: Settings) -> Result<Self, String> {
        Ok(Self {
            when: config.when,
            lists: Lists::new(config)?,
            sender: None,
        })
    }

    fn connect(&mut self) -> Verdict {
        self.early(&Facts {
            client: Some(session::client_ip()),
            client_name: session::client().name,
            ..Facts::default()
        })
    }

    fn hello(&mut self, name: &str) -> Verdict {
        self.early(&Facts {
            hello: Some(name.to_owned()),
            ..Facts::default()
        })
    }

    fn mail(&mut self, sender: &Address) -> Verdict {
        self.sender = Some(sender.clone());
        self.early(&Facts {
            sender: Some(sender),
            ..Facts::default()
        })
    }

    fn rcpt(&mut self, recipient: &Address) -> Verdict {
        let known = self.known(Some(recipient));
        match self.when {
            When::AtRcpt => self.lists.judge(&known, &known),
            When::AtOnce => self.lists.judge(
                &known,
                &Facts {
                    recipient: Some(recipient),
                    ..Facts::default()
                },
            ),
        }
    }
}

impl Access {
    /// Denies by the facts that are new at this stage, unless anything known so far is allowed.
    fn early(&self, new: &Facts) -> Verdict {
        match self.when {
            When::AtOnce => self.lists.judge(&self.known(None), new),
            When::AtRcpt => Verdict::Continue,
        }
    }

    fn known<'a>(&'a self, recipient: Option<&'a Address>) -> Facts<'a> {
        Facts {
            client: Some(session::client_ip()),
            client_name: session::client().name,
            hello: session::hello(),
            sender: self.sender.as_ref(),
            recipient,
        }
    }
}

#[cfg(test)]
mod tests;
