//! Who may be asked: scheme, host and port.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use crate::dns::DomainName;

/// `127.0.0.1:11334`, `https://api.example.com`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// with TLS?
    pub scheme: Scheme,
    /// who is asked
    pub host: Host,
    /// where
    pub port: u16,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// in the clear
    Http,
    /// TLS, its name verified by Mozilla's authorities
    Https,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// this very address, whatever network it is in
    Address(IpAddr),
    /// resolved here, never to a private address
    Name(DomainName),
}

impl Scheme {
    const fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

impl Host {
    /// An IPv6 address with or without its brackets.
    fn parse(text: &str) -> Option<Self> {
        let inner = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        match inner {
            Some(v6) => v6
                .parse::<Ipv6Addr>()
                .ok()
                .map(|v6| Host::Address(v6.into())),
            None => match text.parse() {
                Ok(v4) => Some(Host::Address(IpAddr::V4(v4))),
                Err(_) => DomainName::parse(text).and_then(Self::named),
            },
        }
    }

    /// Names of hosts only (RFC 1123 section 2.1); one that ends in a number is a botched address.
    fn named(name: DomainName) -> Option<Self> {
        let is_letter = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_');
        let last = name.as_str().rsplit('.').next();
        let number = last.is_some_and(|label| label.bytes().all(|c| c.is_ascii_digit()));
        let good = !number && name.as_str().bytes().all(is_letter);
        good.then_some(Host::Name(name))
    }
}

impl Origin {
    /// `HOST`, `HOST:PORT`, with `http://` or `https://` before it; without either it is HTTP. None for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = match text.split_once("://") {
            Some(("http", authority)) => (Scheme::Http, authority),
            Some(("https", authority)) => (Scheme::Https, authority),
            Some(_) => return None,
            None => (Scheme::Http, text),
        };
        Self::of(scheme, authority)
    }

    /// `HOST` or `HOST:PORT`. None for anything else.
    pub fn of(scheme: Scheme, authority: &str) -> Option<Self> {
        let after_brackets = authority.rfind(']').map_or(0, |at| at + 1);
        let (host, port) = match authority[after_brackets..].rfind(':') {
            Some(colon) => {
                let (host, port) = authority.split_at(after_brackets + colon);
                (host, number(&port[1..])?)
            }
            None => (authority, scheme.port()),
        };
        Some(Self {
            scheme,
            host: Host::parse(host)?,
            port,
        })
    }
}

/// A port: digits only, which leave no room for a sign.
fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|c| c.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Address(IpAddr::V6(v6)) => write!(f, "[{v6}]"),
            Host::Address(v4) => write!(f, "{v4}"),
            Host::Name(name) => write!(f, "{name}"),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        match scheme {
            Scheme::Http => write!(f, "{host}:{port}"),
            Scheme::Https => write!(f, "https://{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_short_or_long() {
        for (text, shown) in [
            ("127.0.0.1:11334", "127.0.0.1:11334"),
            ("http://127.0.0.1", "127.0.0.1:80"),
            ("[::1]:8080", "[::1]:8080"),
            ("https://API.example.com", "https://api.example.com:443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
        ] {
            assert_eq!(Origin::parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_origin_is_none() {
        for text in [
            "",
            ":80",
            "ftp://a.example",
            "a.example:0",
            "a.example:65536",
            "a.example:+80",
            "a.example/path",
            "user@a.example",
            "::1",
            "[::1",
            "127.1",
            "0x7f.1",
            "2130706433",
            "https://",
            "*.example",
        ] {
            assert_eq!(Origin::parse(text), None, "{text}");
        }
    }
}
