//! XCLIENT (Postfix, XCLIENT_README): a listed peer says whose session it passes on.
//!
//! From then on it is that client's session, under the id of the connection: filters are asked anew from the stage
//! connect on, `trusted` and `xclient` are asked about the new address. TLS facts stay those of our own connection. The hello that must follow says
//! the name and the protocol, so that HELO and PROTO only have to be well formed.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use lazaret_mail::{Action, ClientName, Judge, Stage};
use lazaret_smtp::{Attribute, Code, Enhanced, Keyword, Reply};

use super::{Connection, Trust};
use crate::explain::Of;
use crate::fate::Fate;

/// What is taken, as offered.
const ATTRIBUTES: [&str; 5] = ["NAME", "ADDR", "PORT", "PROTO", "HELO"];

/// A longer name is none (RFC 5321 section 4.5.3.1.2).
const MAX_NAME: usize = 255;

/// What was said without ADDR: a long XCLIENT comes in several commands, ADDR in the last one.
#[derive(Debug, Default)]
pub(super) struct Presented {
    name: Option<String>,
    port: u16,
}

/// What stands in the EHLO answer for those who may say it.
pub(super) fn keyword() -> Keyword {
    Keyword::XClient(ATTRIBUTES.map(str::to_owned).into())
}

/// Answers it. Whoever may no longer say it (a passed-on client for another one) is refused.
pub(super) async fn present(c: &mut Connection, attributes: &[Attribute]) {
    if !c.may_present() {
        return c.server.answer(refused().naming(&c.session.id));
    }
    match c.presented.take_in(attributes) {
        None => c
            .server
            .answer(Reply::bad_parameter().naming(&c.session.id)),
        Some(None) => c.server.answer(greeting(&c.site.hostname)),
        Some(Some(address)) => {
            let presented = std::mem::take(&mut c.presented);
            let address = SocketAddr::new(address, presented.port);
            begin(c, address, presented.name).await;
        }
    }
}

impl Presented {
    /// The address, if it is among them; `None` if anything is malformed.
    fn take_in(&mut self, attributes: &[Attribute]) -> Option<Option<IpAddr>> {
        let mut address = None;
        for attribute in attributes {
            let value = attribute.value();
            let known = !matches!(value, "[UNAVAILABLE]" | "[TEMPUNAVAIL]");
            match attribute.name() {
                "ADDR" => address = Some(parse_address(value)?),
                "NAME" if known => self.name = Some(parse_name(value)?),
                "NAME" => self.name = None,
                "PORT" if known => self.port = value.parse().ok()?,
                "PORT" => self.port = 0,
                "PROTO" if matches!(value, "SMTP" | "ESMTP") || !known => {}
                "HELO" => {}
                _ => return None,
            }
        }
        Some(address)
    }
}

/// `192.0.2.1` or `IPV6:2001:db8::1`. A peer that does not know its client's address is of no help to us.
fn parse_address(value: &str) -> Option<IpAddr> {
    let (tag, rest) = value.split_at_checked(5).unwrap_or(("", ""));
    let ip = match tag.eq_ignore_ascii_case("IPV6:") {
        true => IpAddr::V6(rest.parse().ok()?),
        false => IpAddr::V4(value.parse().ok()?),
    };
    Some(ip.to_canonical())
}

fn parse_name(value: &str) -> Option<String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    let is_name = value.len() <= MAX_NAME && value.bytes().all(plain);
    is_name.then(|| value.to_owned())
}

/// The session of the client that is passed on.
async fn begin(c: &mut Connection, address: SocketAddr, name: Option<String>) {
    c.drop_transaction(Fate::Reset);
    c.delivery.let_go();
    c.trust = Trust::of(&c.door, address.ip());
    let judge = Judge::new(c.chain(), &c.door.name);
    let before = std::mem::replace(&mut c.judge, judge);
    if let Some(observation) = before.disconnect(&c.session, "XCLIENT") {
        c.site.observers.spawn(&c.session, observation);
    }
    let session = Arc::make_mut(&mut c.session);
    let peer = session.client.address;
    session.client.address = address;
    session.client.name = name.map(ClientName::known).unwrap_or_default();
    session.hello = None;
    session.early_talker = false;
    tracing::info!(session = %session.id, %peer, client = %address, "passed on by XCLIENT");
    c.protocol = "SMTP";
    let mut decision = c.judge.connect(&c.session).await;
    c.obey(Stage::Connect, Of::Itself, &mut decision).await;
    match decision.action {
        Action::Pass | Action::Keep(_) => c.server.answer(greeting(&c.site.hostname)),
        // Going on would serve the client as somebody else.
        Action::Refuse(reply) | Action::Close(reply) => c.server.close(reply),
    }
    c.pace.restart();
}

fn greeting(hostname: &str) -> Reply {
    Reply::new(Code::READY, None, &format!("{hostname} ESMTP"))
}

fn refused() -> Reply {
    Reply::new(
        Code::REFUSED,
        Enhanced::new(5, 7, 0),
        "Not authorized to say XCLIENT",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_in(presented: &mut Presented, words: &[(&str, &str)]) -> Option<Option<IpAddr>> {
        let attribute = |(name, value): &(&str, &str)| Attribute::new(name, value).unwrap();
        let attributes: Vec<_> = words.iter().map(attribute).collect();
        presented.take_in(&attributes)
    }

    #[test]
    fn what_is_said_in_several_commands_adds_up() {
        let mut presented = Presented::default();
        let first = [("NAME", "client.example.net"), ("PORT", "40000")];
        assert_eq!(take_in(&mut presented, &first), Some(None));
        let last = [("HELO", "any thing"), ("ADDR", "IPv6:2001:db8::1")];
        let address = "2001:db8::1".parse().unwrap();
        assert_eq!(take_in(&mut presented, &last), Some(Some(address)));
        assert_eq!(presented.name.as_deref(), Some("client.example.net"));
        assert_eq!(presented.port, 40000);
        let unknown = [("NAME", "[UNAVAILABLE]"), ("PORT", "[UNAVAILABLE]")];
        assert_eq!(take_in(&mut presented, &unknown), Some(None));
        assert_eq!((presented.name, presented.port), (None, 0));
    }

    #[test]
    fn what_is_malformed_is_refused_whole() {
        for wrong in [
            ("ADDR", "[UNAVAILABLE]"),
            ("ADDR", "192.0.2"),
            ("ADDR", "2001:db8::1"),
            ("ADDR", "IPV6:192.0.2.1"),
            ("NAME", "a b"),
            ("NAME", "(x)"),
            ("PORT", "65536"),
            ("PORT", "-1"),
            ("PROTO", "LMTP"),
            ("LOGIN", "anybody"),
        ] {
            let all = [("ADDR", "192.0.2.1"), wrong];
            assert_eq!(take_in(&mut Presented::default(), &all), None, "{wrong:?}");
        }
    }
}
