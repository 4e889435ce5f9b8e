//! From facts to a verdict: allow before deny.

use std::net::IpAddr;

use lazaret_filter::prelude::*;

use crate::patterns::{Mailboxes, Names, Networks};
use crate::settings::{Action, List, Settings};

/// What is known of a transaction at some stage.
#[derive(Debug, Default)]
pub struct Facts<'a> {
    pub client: Option<IpAddr>,
    pub client_name: Option<String>,
    pub hello: Option<String>,
    pub sender: Option<&'a Address>,
    pub recipient: Option<&'a Address>,
}

/// Every list of the configuration.
#[derive(Debug)]
pub struct Lists {
    clients: Pair<Networks>,
    client_names: Pair<Names>,
    hellos: Pair<Names>,
    senders: Pair<Mailboxes>,
    recipients: Pair<Mailboxes>,
}

#[derive(Debug)]
struct Pair<T> {
    allow: T,
    deny: T,
    answer: Verdict,
}

impl Lists {
    /// # Errors
    /// Names the list and the entry.
    pub fn new(settings: Settings) -> Result<Self, String> {
        Ok(Self {
            clients: pair("clients", settings.clients, Networks::new)?,
            client_names: pair("client-names", settings.client_names, Names::new)?,
            hellos: pair("hellos", settings.hellos, Names::new)?,
            senders: pair("senders", settings.senders, Mailboxes::new)?,
            recipients: pair("recipients", settings.recipients, Mailboxes::new)?,
        })
    }

    /// Denies by `new`, unless something in `known` is allowed.
    pub fn judge(&self, known: &Facts, new: &Facts) -> Verdict {
        match self.denial(new) {
            Some(denial) if !self.allows(known) => denial.clone(),
            _ => Verdict::Continue,
        }
    }

    fn allows(&self, facts: &Facts) -> bool {
        facts
            .client
            .is_some_and(|it| self.clients.allow.contains(it))
            || names(&facts.client_name, &self.client_names.allow)
            || names(&facts.hello, &self.hellos.allow)
            || facts
                .sender
                .is_some_and(|it| self.senders.allow.contains(it))
            || facts
                .recipient
                .is_some_and(|it| self.recipients.allow.contains(it))
    }

    fn denial(&self, facts: &Facts) -> Option<&Verdict> {
        let checks = [
            (
                facts
                    .client
                    .is_some_and(|it| self.clients.deny.contains(it)),
                &self.clients.answer,
            ),
            (
                names(&facts.client_name, &self.client_names.deny),
                &self.client_names.answer,
            ),
            (names(&facts.hello, &self.hellos.deny), &self.hellos.answer),
            (
                facts
                    .sender
                    .is_some_and(|it| self.senders.deny.contains(it)),
                &self.senders.answer,
            ),
            (
                facts
                    .recipient
                    .is_some_and(|it| self.recipients.deny.contains(it)),
                &self.recipients.answer,
            ),
        ];
        checks
            .into_iter()
            .find_map(|(denied, answer)| denied.then_some(answer))
    }
}

fn names(name: &Option<String>, list: &Names) -> bool {
    name.as_deref().is_some_and(|name| list.contains(name))
}

fn pair<T>(
    name: &str,
    list: List,
    read: impl Fn(&[String]) -> Result<T, String>,
) -> Result<Pair<T>, String> {
    let read = |key: &str, entries: &[String]| {
        read(entries).map_err(|problem| format!("{name}.{key}: {problem}"))
    };
    Ok(Pair {
        allow: read("allow", &list.allow)?,
        deny: read("deny", &list.deny)?,
        answer: answer(name, list),
    })
}

/// RFC 3463: 5.1.8 bad sender, 5.1.1 bad recipient, 5.7.1 not authorized.
fn answer(name: &str, list: List) -> Verdict {
    let (detail, text) = match name {
        "senders" => ("1.8", "we take no mail from this sender"),
        "recipients" => ("1.1", "this recipient takes no mail"),
        "hellos" => ("7.1", "we take no mail from a client of this name"),
        _ => ("7.1", "we take no mail from your network"),
    };
    let text = list.text.unwrap_or_else(|| text.to_owned());
    match list.action {
        Action::Reject => Verdict::reject(text).enhanced(format!("5.{detail}")),
        Action::Defer => Verdict::defer(text).enhanced(format!("4.{detail}")),
    }
}
