//! Domain names as they are asked for.

use std::fmt;
use std::net::IpAddr;

use hickory_resolver::proto::rr::Name;

use super::{Kind, Query};
use crate::Refused;

/// Octets of a name in its text form, without the last dot (RFC 1035 section 2.3.4).
const LONGEST: usize = 253;

/// A name below the root, in lower case, without the last dot; of labels that need no escapes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DomainName(String);

impl DomainName {
    /// Letters of any script become A-labels (RFC 5890); None for what is no name.
    pub fn parse(text: &str) -> Option<Self> {
        // Of other scripts a letter has up to four octets. What is longer is not worth a look: it may be a megabyte.
        if text.len() > 4 * LONGEST {
            return None;
        }
        let bare = text.strip_suffix('.').unwrap_or(text);
        let ascii = match bare.is_ascii() {
            true => bare.to_ascii_lowercase(),
            false => {
                let name = Name::from_utf8(bare).ok()?.to_ascii();
                name.trim_end_matches('.').to_ascii_lowercase()
            }
        };
        let is_label = |label: &str| {
            let plain = |c: u8| c.is_ascii_graphic() && c != b'\\';
            (1..=63).contains(&label.len()) && label.bytes().all(plain)
        };
        let good = ascii.len() <= LONGEST && ascii.split('.').all(is_label);
        good.then_some(Self(ascii))
    }

    /// Under in-addr.arpa or ip6.arpa (RFC 1035 section 3.5, RFC 3596 section 2.5).
    pub fn reverse(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, d] = v4.octets();
                format!("{d}.{c}.{b}.{a}.in-addr.arpa")
            }
            IpAddr::V6(v6) => {
                let nibbles = v6.octets().into_iter().rev();
                let labels = nibbles.map(|octet| format!("{:x}.{:x}.", octet & 15, octet >> 4));
                labels.collect::<String>() + "ip6.arpa"
            }
        })
    }

    /// The name that a query is about.
    pub fn of(query: &Query) -> Result<Self, Refused> {
        let name = match query.kind {
            Kind::Ptr => query.name.parse().ok().map(Self::reverse),
            _ => Self::parse(&query.name),
        };
        name.ok_or(Refused::Invalid)
    }

    /// Text, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// For the resolver: from the root, so no search list is tried.
    pub(super) fn wire(&self) -> Option<Name> {
        let mut name = Name::from_labels(self.0.split('.').map(str::as_bytes)).ok()?;
        name.set_fqdn(true);
        Some(name)
    }
}

impl fmt::Display for DomainName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_and_without_the_last_dot() {
        let name = |text: &str| DomainName::parse(text).map(|name| name.to_string());
        assert_eq!(name("Example.ORG.").as_deref(), Some("example.org"));
        assert_eq!(
            name("_dmarc.example.org").as_deref(),
            Some("_dmarc.example.org")
        );
        assert_eq!(
            name("bücher.example").as_deref(),
            Some("xn--bcher-kva.example")
        );
        let long = "a.".repeat(127) + "a";
        for bad in [
            "",
            ".",
            "a..b",
            ".a",
            "a b",
            "a\\.b",
            "a\nb",
            &"x".repeat(64),
            &long,
        ] {
            assert_eq!(name(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn addresses_have_names_in_reverse() {
        let reverse = |address: &str| DomainName::reverse(address.parse().unwrap()).to_string();
        assert_eq!(reverse("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        assert_eq!(reverse("::ffff:192.0.2.7"), "7.2.0.192.in-addr.arpa");
        assert_eq!(
            reverse("2001:db8::1"),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }
}
