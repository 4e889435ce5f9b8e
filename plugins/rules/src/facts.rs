//! The message and its circumstances, asked of the host once each.

use std::cell::{OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;

use lazaret_filter::headers::Field;
use lazaret_filter::{envelope, headers, session};
use serde::Deserialize;

use crate::condition::Source;
use crate::mailbox::{self, Mailbox, mailboxes};
use crate::matcher::MOST_TEXT;

/// Octets of all texts of one source, and of all fields of one name that are read for addresses. Senders write what they like.
const MOST_TEXTS: usize = 64 * 1024;

/// Addresses of From and of Reply-To that are compared with each other.
const MOST_RELATED: usize = 50;

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
    fields: OnceCell<Vec<Field>>,
    counts: OnceCell<HashMap<String, usize>>,
}

impl Facts {
    /// How many fields of that name there are.
    pub fn count(&self, name: &str) -> usize {
        let counts = self.counts.get_or_init(|| {
            let mut counts = HashMap::new();
            for field in self.fields() {
                let name = field.name.trim().to_ascii_lowercase();
                *counts.entry(name).or_default() += 1;
            }
            counts
        });
        let count = counts.get(&name.to_ascii_lowercase());
        count.copied().unwrap_or_default()
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
        let texts: Rc<[String]> = bounded(source, self.asked(source)).into();
        self.texts
            .borrow_mut()
            .insert(source.clone(), texts.clone());
        texts
    }

    /// Has it that trait?
    pub fn is(&self, it: Trait) -> bool {
        match it {
            Trait::NameShowsOtherAddress => self.field("From").iter().any(shows_other_address),
            Trait::ReplyGoesElsewhere => self.reply_goes_elsewhere(),
            Trait::FromIsRecipient => self.writes_to_itself(),
            Trait::ShowsRecipient => self.shows_recipient(),
            Trait::Bounce => envelope::sender().is_some_and(|sender| sender.is_null()),
            Trait::Encrypted => session::tls().is_some(),
            Trait::EarlyTalker => session::early_talker(),
        }
    }

    fn fields(&self) -> &[Field] {
        self.fields.get_or_init(headers::all)
    }

    /// What is over the bound is somebody as well, of whom no address is known.
    fn field(&self, name: &str) -> Vec<Mailbox> {
        let fields = self.fields().iter();
        let received = fields.filter(|field| field.name.trim().eq_ignore_ascii_case(name));
        let (mut found, mut left) = (Vec::new(), MOST_TEXTS);
        for (field, decoded) in received.zip(headers::text(name)) {
            if field.value.len() > left {
                found.push(Mailbox::unread(&decoded));
                break;
            }
            left -= field.value.len();
            let mailboxes = mailboxes(unfolded(&field.value).trim(), &decoded);
            if mailboxes.is_empty() && name == "From" {
                // Programs show what is there, address or not.
                found.push(Mailbox::unread(&decoded));
            }
            found.extend(mailboxes);
        }
        found
    }

    fn addresses(&self, name: &str) -> Vec<String> {
        let mailboxes = self.field(name).into_iter();
        mailboxes.map(|mailbox| mailbox.address).collect()
    }

    fn writes_to_itself(&self) -> bool {
        let recipients = self.texts(&Source::Recipient);
        let recipients: HashSet<_> = recipients.iter().collect();
        let from = self.texts(&Source::From);
        from.iter().any(|from| recipients.contains(from))
    }

    fn shows_recipient(&self) -> bool {
        let shown = [&Source::Subject, &Source::FromName].map(|source| self.shown(source));
        let recipients = self.texts(&Source::Recipient);
        recipients
            .iter()
            .filter(|recipient| recipient.contains('@'))
            .any(|recipient| shown.iter().any(|text| text.contains(recipient)))
    }

    /// In lower case, and so much of it as one text may have: each recipient is looked for in it.
    fn shown(&self, source: &Source) -> String {
        let text = self.texts(source).join("\n");
        text[..text.floor_char_boundary(MOST_TEXT)].to_lowercase()
    }

    fn reply_goes_elsewhere(&self) -> bool {
        let (from, replies) = (self.texts(&Source::From), self.texts(&Source::ReplyTo));
        let related = |reply: &String| {
            let mut from = from.iter().take(MOST_RELATED);
            from.any(|from| mailbox::are_related(mailbox::domain(from), mailbox::domain(reply)))
        };
        !from.is_empty() && !replies.iter().take(MOST_RELATED).all(related)
    }

    fn asked(&self, source: &Source) -> Vec<String> {
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
            Source::From => self.addresses("From"),
            Source::FromName => {
                let authors = self.field("From").into_iter();
                authors.map(|author| author.name).collect()
            }
            Source::To => [self.addresses("To"), self.addresses("Cc")].concat(),
            Source::ReplyTo => self.addresses("Reply-To"),
            Source::Header(name) => headers::text(name),
        }
    }
}

/// Of what the sender writes only so much. An author that is left out is still one: nothing fits it.
fn bounded(source: &Source, mut texts: Vec<String>) -> Vec<String> {
    if *source == Source::Recipient {
        return texts;
    }
    let mut octets = 0;
    let fitting = texts.iter().take_while(|text| {
        octets += text.len().min(MOST_TEXT) + 1;
        octets <= MOST_TEXTS
    });
    let fitting = fitting.count();
    if fitting < texts.len() {
        texts.truncate(fitting);
        if matches!(source, Source::From | Source::ReplyTo) {
            texts.push(String::new());
        }
    }
    texts
}

/// As the decoded value is, in which words are still encoded here.
fn unfolded(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(value);
    value.replace(['\r', '\n'], "")
}

fn shows_other_address(from: &Mailbox) -> bool {
    mailbox::shown_addresses(&from.name)
        .any(|shown| !mailbox::are_related(mailbox::domain(&shown), mailbox::domain(&from.address)))
}
