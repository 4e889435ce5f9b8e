//! The name of a client: what its address is said to be called, if that name is said to have its address.

use std::net::IpAddr;
use std::time::Duration;

use super::{Answer, DomainName, Kind, Names};

/// Names of one address that are looked at; an attacker may give his a thousand.
const CANDIDATES: usize = 5;

impl Names {
    /// The forward-confirmed PTR name of an address (RFC 8601 section 2.7.3, `iprev`), the first of several. None where
    /// there is none, where nobody answers, and after `patience`.
    pub async fn confirmed(&self, address: IpAddr, patience: Duration) -> Option<String> {
        let confirming = self.confirm(address, patience);
        tokio::time::timeout(patience, confirming).await.ok()?
    }

    async fn confirm(&self, address: IpAddr, patience: Duration) -> Option<String> {
        let address = address.to_canonical();
        let reverse = DomainName::reverse(address);
        let said = self.resolve(reverse, Kind::Ptr, patience).await;
        let kind = match address {
            IpAddr::V4(_) => Kind::A,
            IpAddr::V6(_) => Kind::Aaaa,
        };
        let names = said.records().iter().take(CANDIDATES);
        let names = names.filter(|name| is_host(name));
        let names: Vec<_> = names.filter_map(|name| DomainName::parse(name)).collect();
        let asked = names.iter().map(|name| (name.clone(), kind)).collect();
        let answers = self.resolve_all(asked, patience).await;
        let confirms = |answer: &Answer| {
            let mut addresses = answer.records().iter();
            addresses.any(|text| text.parse() == Ok(address))
        };
        let confirmed = answers.iter().position(confirms)?;
        Some(names[confirmed].to_string())
    }
}

/// Letters, digits, hyphens, dots, and the underscores that some have: it is shown to backends and in logs.
fn is_host(name: &str) -> bool {
    name.bytes()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
}
