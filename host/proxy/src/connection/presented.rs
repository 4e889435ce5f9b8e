//! What a peer says of its client in XCLIENT: read strictly, without a connection.

use std::net::IpAddr;

use lazaret_smtp::Attribute;

#[cfg(test)]
#[path = "../../tests/checks/xclient.rs"]
mod checks;

/// A longer name is none (RFC 5321 section 4.5.3.1.2).
const MAX_NAME: usize = 255;

/// What was said without ADDR: a long XCLIENT comes in several commands, ADDR in the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Presented {
    pub(super) name: Option<String>,
    pub(super) port: u16,
}

impl Presented {
    /// The address, if it is among them; `None` if anything is malformed, and then nothing of it counts.
    pub(super) fn take_in(&mut self, attributes: &[Attribute]) -> Option<Option<IpAddr>> {
        let mut next = self.clone();
        let address = next.add(attributes)?;
        *self = next;
        Some(address)
    }

    fn add(&mut self, attributes: &[Attribute]) -> Option<Option<IpAddr>> {
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
            let all = [("ADDR", "192.0.2.1"), ("NAME", "x.example"), wrong];
            let mut presented = Presented::default();
            assert_eq!(take_in(&mut presented, &all), None, "{wrong:?}");
            assert_eq!(presented, Presented::default(), "{wrong:?}");
        }
    }

    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("xclient", checks::xclient);
    }
}
