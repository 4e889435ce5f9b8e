//! Telling the backend who the client is: Postfix XCLIENT and XFORWARD (XCLIENT_README, XFORWARD_README).

use std::net::IpAddr;
use std::sync::Arc;

use lazaret_mail::{ClientNames, Session};
use lazaret_smtp::{Attribute, Command, Extensions, Reply};

use super::{Dialogue, Error, Link, Step};
use crate::config::Identity;

/// Most octets of a command line with CRLF (RFC 5321 section 4.5.3.1.4).
const LINE: usize = 512;
/// Most octets of an attribute that Postfix takes.
const NAME: usize = 255;

/// Who the client is and how it greeted us.
#[derive(Clone)]
pub(crate) struct Introduction {
    /// address, name and HELO name
    pub(crate) session: Arc<Session>,
    /// `ESMTP` after EHLO, `SMTP` after HELO
    pub(crate) protocol: &'static str,
    /// where it is noted what is said for it
    pub(crate) dialogue: Dialogue,
    /// who knows its name
    pub(crate) names: Option<Arc<dyn ClientNames>>,
}

impl Introduction {
    /// What the client said in HELO or EHLO; our own name would be a lie. Backends take no UTF-8 there, and nothing long.
    fn hello(&self) -> &str {
        let said = self.session.hello.as_deref();
        said.filter(|name| is_taken(name)).unwrap_or("unknown")
    }

    /// Its name is found out where the backend is to be told and no filter asked for it.
    pub(super) async fn find_name(&self, identity: Identity) {
        if let (Identity::Xclient | Identity::Xforward, Some(names)) = (identity, &self.names) {
            let client = &self.session.client;
            client.name.find(client.address.ip(), &**names).await;
        }
    }

    /// Its name. One that nobody answered for is not known now, which is no word on the client; XFORWARD has no word for that.
    fn name(&self, identity: Identity) -> &str {
        let name = &self.session.client.name;
        match name.known_by_now() {
            Some(name) => name,
            None if identity == Identity::Xclient && !name.is_settled() => "[TEMPUNAVAIL]",
            None => "[UNAVAILABLE]",
        }
    }

    /// In the order they are sent; ADDR last, because Postfix then judges our right to say XCLIENT by it.
    fn attributes(&self, identity: Identity) -> Vec<(&'static str, String)> {
        let client = &self.session.client;
        let address = match client.address.ip().to_canonical() {
            IpAddr::V4(v4) => v4.to_string(),
            IpAddr::V6(v6) => format!("IPV6:{v6}"),
        };
        vec![
            ("NAME", self.name(identity).to_owned()),
            ("PORT", client.address.port().to_string()),
            ("PROTO", self.protocol.to_owned()),
            ("HELO", self.hello().to_owned()),
            ("ADDR", address),
        ]
    }

    /// Once for each connection: XCLIENT, then EHLO in the client's name. Nothing for the other identities.
    pub(super) async fn open(&self, link: &mut Link, identity: Identity) -> Result<(), Error> {
        if identity != Identity::Xclient || !link.is_shareable() {
            return Ok(());
        }
        let takes = offered(identity, link.extensions())?;
        let attributes = groups("XCLIENT", known(self.attributes(identity), takes));
        link.is_now_of_client();
        for attributes in attributes {
            let reply = link
                .ask(Step::Identity, &Command::XClient(attributes))
                .await?;
            expect(reply, 220)?;
        }
        let greeted = link.hello(self.hello()).await;
        greeted.map_err(|error| match error {
            Error::Unexpected(step, reply) => not_as_wanted(step, reply),
            other => other,
        })
    }

    /// Once for each transaction, before MAIL: XFORWARD. Nothing for the other identities.
    pub(super) fn transaction(
        &self,
        offer: &Extensions,
        identity: Identity,
    ) -> Result<Vec<Command>, Error> {
        let groups = match identity {
            Identity::Xforward => {
                let takes = offered(identity, offer)?;
                groups("XFORWARD", known(self.attributes(identity), takes))
            }
            Identity::Xclient | Identity::None => Vec::new(),
        };
        Ok(groups.into_iter().map(Command::XForward).collect())
    }
}

/// The attributes the backend takes. Without ADDR it would act on our own address: then it does not offer what is
/// configured.
pub(super) fn offered(identity: Identity, extensions: &Extensions) -> Result<&[String], Error> {
    let attributes = match identity {
        Identity::Xclient => extensions.xclient_attributes(),
        Identity::Xforward => extensions.xforward_attributes(),
        Identity::None => Some([].as_slice()),
    };
    let tells = |attributes: &&[String]| {
        identity == Identity::None || attributes.iter().any(|name| name == "ADDR")
    };
    attributes.filter(tells).ok_or(Error::NoIdentity(identity))
}

/// Anything but this answer means that the client was not made known.
pub(super) fn expect(reply: Reply, code: u16) -> Result<(), Error> {
    match reply.code().get() == code {
        true => Ok(()),
        false => Err(not_as_wanted(Step::Identity, reply)),
    }
}

/// The backend looks at the client as soon as it hears of it, and may refuse it. 421 ends the connection, and may have
/// other reasons.
fn not_as_wanted(step: Step, reply: Reply) -> Error {
    match reply.code().is_negative() && reply.code().get() != 421 {
        true => Error::Refused(step, reply),
        false => Error::Unexpected(step, reply),
    }
}

fn is_taken(name: &str) -> bool {
    name.is_ascii() && name.len() <= NAME
}

fn known(attributes: Vec<(&str, String)>, offered: &[String]) -> Vec<Attribute> {
    let is_offered = |name: &str| offered.iter().any(|known| known.eq_ignore_ascii_case(name));
    let offered = attributes.into_iter().filter(|(name, _)| is_offered(name));
    offered
        .filter_map(|(name, value)| Attribute::new(name, &value))
        .collect()
}

/// Parted so that no command line is too long.
fn groups(verb: &str, attributes: Vec<Attribute>) -> Vec<Vec<Attribute>> {
    let mut groups: Vec<Vec<Attribute>> = Vec::new();
    let mut length = LINE;
    for attribute in attributes {
        let more = 1 + attribute.to_string().len();
        if length + more > LINE {
            groups.push(Vec::new());
            length = verb.len() + 2;
        }
        length += more;
        if let Some(group) = groups.last_mut() {
            group.push(attribute);
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_attributes_are_parted_and_the_address_comes_last() {
        let long = "é".repeat(60);
        let attributes = [
            ("NAME", "a".repeat(200)),
            ("HELO", long),
            ("ADDR", "192.0.2.1".to_owned()),
        ];
        let attributes = attributes.map(|(name, value)| Attribute::new(name, &value).unwrap());
        let groups = groups("XCLIENT", attributes.into());
        assert!(groups.len() > 1);
        for group in &groups {
            let line = Command::XClient(group.clone()).to_string();
            assert!(line.len() + 2 <= LINE, "{line}");
        }
        assert_eq!(groups.last().and_then(|g| g.last()).unwrap().name(), "ADDR");
    }

    #[test]
    fn names_that_no_backend_takes_are_not_told() {
        let long = |octets: usize| "a".repeat(octets);
        assert!(is_taken(&long(NAME)) && is_taken("[192.0.2.1]"));
        assert!(!is_taken(&long(NAME + 1)) && !is_taken("j\u{f6}rg.example.com"));
    }
}
