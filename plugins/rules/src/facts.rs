//! The message and its circumstances, asked of the host once each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use lazaret_filter::{envelope, headers, session};
use serde::Deserialize;

use crate::condition::Source;
use crate::mailbox::{self, Mailbox, mailboxes};

/// What cannot be said as a test of one text.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Trait {
    /// the display name in From shows an address of another domain than the true one
    NameShowsOtherAddress,
    /// Reply-To has an address of another domain than From
    ReplyGoesElsewhere,
    /// From is an address of a recipient of this message
    FromIsRecipient,
    /// the address of a recipient stands in the subject or in a display name of From
    ShowsRecipient,
    /// a bounce: the sender is `<>`
    Bounce,
    /// the connection is encrypted
    Encrypted,
    /// the client spoke before the greeting
    EarlyTalker,
}

/// Answers are kept for the rules that follow.
#[derive(Debug, Default)]
pub struct Facts {
    texts: RefCell<HashMap<Source, Rc<[String]>>>,
    names: RefCell<Option<Rc<[String]>>>,
}

impl Facts {
    /// How many fields of that name there are.
    pub fn count(&self, name: &str) -> usize {
        self.names()
            .iter()
            .filter(|known| known.eq_ignore_ascii_case(name))
            .count()
    }

    /// The client's address.
    pub fn client(&self) -> IpAddr {
        session::client_ip()
    }

    /// Every text of a source; none is an empty list.
    pub fn texts(&self, source: &Source) -> Rc<[String]> {
        if let Some(known) = self.texts.borrow().get(source) {
            return known.clone();
        }
        let texts: Rc<[String]> = asked(source).into();
        self.texts
            .borrow_mut()
            .insert(source.clone(), texts.clone());
        texts
    }

    /// Has it that trait?
    pub fn is(&self, it: Trait) -> bool {
        match it {
            Trait::NameShowsOtherAddress => field("From").iter().any(shows_other_address),
            Trait::ReplyGoesElsewhere => self.reply_goes_elsewhere(),
            Trait::FromIsRecipient => {
                let recipients = self.texts(&Source::Recipient);
                self.texts(&Source::From)
                    .iter()
                    .any(|from| recipients.contains(from))
            }
            Trait::ShowsRecipient => self.shows_recipient(),
            Trait::Bounce => envelope::sender().is_some_and(|sender| sender.is_null()),
            Trait::Encrypted => session::tls().is_some(),
            Trait::EarlyTalker => session::early_talker(),
        }
    }

    fn names(&self) -> Rc<[String]> {
        let mut names = self.names.borrow_mut();
        names
            .get_or_insert_with(|| {
                headers::all()
                    .into_iter()
                    .map(|field| field.name.trim().to_owned())
                    .collect()
            })
            .clone()
    }

    fn shows_recipient(&self) -> bool {
        let texts = [self.texts(&Source::Subject), self.texts(&Source::FromName)];
        let shown = |recipient: &String| {
            let mut texts = texts.iter().flat_map(|texts| texts.iter());
            texts.any(|text| text.to_lowercase().contains(recipient))
        };
        let recipients = self.texts(&Source::Recipient);
        recipients
            .iter()
            .filter(|recipient| recipient.contains('@'))
            .any(shown)
    }

    fn reply_goes_elsewhere(&self) -> bool {
        let from = self.texts(&Source::From);
        let related = |reply: &String| {
            from.iter()
                .any(|from| mailbox::are_related(mailbox::domain(from), mailbox::domain(reply)))
        };
        !from.is_empty() && !self.texts(&Source::ReplyTo).iter().all(related)
    }
}

fn asked(source: &Source) -> Vec<String> {
    match source {
        Source::ClientName => session::client().name.into_iter().collect(),
        Source::Hello => session::hello().into_iter().collect(),
        Source::Listener => vec![session::listener()],
        Source::Sender => envelope::sender()
            .into_iter()
            .map(|a| a.mailbox.to_lowercase())
            .collect(),
        Source::Recipient => envelope::recipients()
            .into_iter()
            .map(|a| a.mailbox.to_lowercase())
            .collect(),
        Source::Subject => headers::text("Subject"),
        Source::From => addresses("From"),
        Source::FromName => field("From")
            .into_iter()
            .map(|mailbox| mailbox.name)
            .collect(),
        Source::To => [addresses("To"), addresses("Cc")].concat(),
        Source::ReplyTo => addresses("Reply-To"),
        Source::Header(name) => headers::text(name),
    }
}

fn field(name: &str) -> Vec<Mailbox> {
    headers::text(name)
        .iter()
        .flat_map(|value| mailboxes(value))
        .collect()
}

fn addresses(name: &str) -> Vec<String> {
    field(name)
        .into_iter()
        .map(|mailbox| mailbox.address)
        .collect()
}

fn shows_other_address(from: &Mailbox) -> bool {
    mailbox::shown_address(&from.name).is_some_and(|shown| {
        !mailbox::are_related(mailbox::domain(&shown), mailbox::domain(&from.address))
    })
}
