//! What the proxy tells the demo's backend about its client: XCLIENT. The backend listens on loopback only, so whoever
//! reaches it is on this machine and is believed.

use std::fmt;

use lazaret_smtp::{Attribute, Keyword};

/// Who is behind the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    name: Option<String>,
    address: Option<String>,
    hello: Option<String>,
}

impl Identity {
    /// The extension that offers it.
    pub fn keyword() -> Keyword {
        Keyword::XClient(["NAME", "ADDR", "HELO"].map(str::to_owned).to_vec())
    }

    /// Takes what the proxy told; `[UNAVAILABLE]` takes back.
    pub fn learn(&mut self, attributes: &[Attribute]) {
        for attribute in attributes {
            let value = Some(attribute.value()).filter(|value| !value.starts_with('['));
            let value = value.map(str::to_owned);
            match attribute.name() {
                "NAME" => self.name = value,
                "ADDR" => self.address = value,
                "HELO" => self.hello = value,
                _ => {}
            }
        }
    }

    /// The name said in HELO or EHLO, unless XCLIENT told a better one.
    pub fn greeted_as(&mut self, name: &str) {
        self.hello.get_or_insert_with(|| name.to_owned());
    }
}

/// As in a Received field: `HELO (NAME [ADDR])` (RFC 5321 section 4.4).
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hello = self.hello.as_deref().unwrap_or("unknown");
        let name = self.name.as_deref().unwrap_or("unknown");
        let address = self.address.as_deref().unwrap_or("127.0.0.1");
        write!(f, "{hello} ({name} [{address}])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_client_is_as_the_proxy_told() {
        let told = [
            ("NAME", "[UNAVAILABLE]"),
            ("ADDR", "IPv6:2001:db8::1"),
            ("HELO", "client.example.com"),
            ("PORT", "9"),
        ];
        let attributes = told.map(|(name, value)| Attribute::new(name, value).unwrap());
        let mut identity = Identity::default();
        identity.learn(&attributes);
        identity.greeted_as("proxy.example.org");
        assert_eq!(
            identity.to_string(),
            "client.example.com (unknown [IPv6:2001:db8::1])"
        );
    }

    #[test]
    fn without_word_of_the_proxy_the_peer_is_the_client() {
        let mut identity = Identity::default();
        identity.greeted_as("client.example.com");
        assert_eq!(
            identity.to_string(),
            "client.example.com (unknown [127.0.0.1])"
        );
    }
}
