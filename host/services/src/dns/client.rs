//! The name of a client: what its address is said to be called, if that name is said to have its address.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::{Answer, Budget, DomainName, Kind, Names};

/// Names of one address that are looked at; an attacker may give his a thousand.
const CANDIDATES: usize = 5;

/// What an address is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Confirmed {
    /// so, and the name says the same
    Name(String),
    /// it has no name, or none that says the same
    Nameless,
    /// nobody knows: who was asked failed, or did not answer in time
    Unanswered,
}

impl Names {
    /// The forward-confirmed PTR name of an address (RFC 8601 section 2.7.3, `iprev`), the first of several. Takes no queries
    /// from the budget, and at most half of its time: whose address it is decides how slow its zone is, and must not decide
    /// whether a filter can ask for anything else.
    pub async fn confirmed(&self, address: IpAddr, budget: &mut Budget) -> Confirmed {
        let begun = Instant::now();
        let confirmed = self.confirm(address, begun, budget.time / 2).await;
        budget.time = budget.time.saturating_sub(begun.elapsed());
        confirmed
    }

    /// The same for whoever is no filter, within `patience`.
    pub async fn name_of(&self, address: IpAddr, patience: Duration) -> Confirmed {
        self.confirm(address, Instant::now(), patience).await
    }

    async fn confirm(&self, address: IpAddr, begun: Instant, patience: Duration) -> Confirmed {
        let address = address.to_canonical();
        let reverse = DomainName::reverse(address);
        let said = self.resolve(reverse, Kind::Ptr, patience).await;
        if said.is_open() {
            return Confirmed::Unanswered;
        }
        let kind = match address {
            IpAddr::V4(_) => Kind::A,
            IpAddr::V6(_) => Kind::Aaaa,
        };
        let names = said.records().iter().take(CANDIDATES);
        let names = names.filter(|name| is_host(name));
        let names: Vec<_> = names.filter_map(|name| DomainName::parse(name)).collect();
        let asked = names.iter().map(|name| (name.clone(), kind)).collect();
        // Each for itself: one that is silent takes nothing away from one that confirms.
        let left = patience.saturating_sub(begun.elapsed());
        let answers = self.resolve_all(asked, left).await;
        let confirms = |answer: &Answer| {
            let mut addresses = answer.records().iter();
            addresses.any(|text| text.parse() == Ok(address))
        };
        match answers.iter().position(confirms) {
            Some(confirmed) => Confirmed::Name(names[confirmed].to_string()),
            None if answers.iter().any(Answer::is_open) => Confirmed::Unanswered,
            None => Confirmed::Nameless,
        }
    }
}

/// Letters, digits, hyphens, dots, and the underscores that some have: it is shown to backends and in logs.
fn is_host(name: &str) -> bool {
    name.bytes()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'.' | b'_'))
}
