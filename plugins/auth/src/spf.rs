//! SPF (RFC 7208): may this address send for that domain?

mod macros;
mod record;

use std::net::IpAddr;

use crate::names::{Found, Kind, Names, domain, is_within};
use macros::{Facts, expand};
use record::{Mechanism, Record, Term};

/// Terms that ask the name system, section 4.6.4.
const MOST_TERMS: u32 = 10;
/// Questions without an answer, section 4.6.4.
const MOST_VOIDS: u32 = 2;
/// Names of `mx` and `ptr` that are looked at, section 4.6.4.
const MOST_HOSTS: usize = 10;

/// What comes of it, section 2.6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    None,
    Neutral,
    Pass,
    Fail,
    SoftFail,
    TempError,
    PermError,
}

impl Outcome {
    /// As in Authentication-Results, RFC 8601 section 2.7.2.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// Who sends, as far as SPF is concerned.
#[derive(Clone, Debug)]
pub struct Sender<'a> {
    /// the client
    pub address: IpAddr,
    /// what it said in HELO or EHLO
    pub hello: &'a str,
    /// before the `@`; empty is `postmaster` (section 4.3)
    pub local_part: &'a str,
    /// behind it
    pub domain: &'a str,
}

/// Why an evaluation ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Temporary,
    Permanent,
}

/// check_host() of section 4.
pub fn check(names: &mut dyn Names, sender: &Sender<'_>) -> Outcome {
    let Some(domain) = domain(sender.domain) else {
        return Outcome::None;
    };
    let mut check = Check {
        names,
        sender,
        terms: 0,
        voids: 0,
    };
    match check.of(&domain) {
        Ok(outcome) => outcome,
        Err(Fault::Temporary) => Outcome::TempError,
        Err(Fault::Permanent) => Outcome::PermError,
    }
}

/// One evaluation with its counts.
struct Check<'a> {
    names: &'a mut dyn Names,
    sender: &'a Sender<'a>,
    terms: u32,
    voids: u32,
}

impl Check<'_> {
    fn of(&mut self, domain: &str) -> Result<Outcome, Fault> {
        let Some(text) = self.published(domain)? else {
            return Ok(Outcome::None);
        };
        let record = Record::parse(&text)?;
        for term in &record.terms {
            if self.matches(term, domain)? {
                return Ok(term.outcome);
            }
        }
        match &record.redirect {
            Some(target) => self.redirected(target, domain),
            None => Ok(Outcome::Neutral),
        }
    }

    /// The one record, section 4.5.
    fn published(&mut self, domain: &str) -> Result<Option<String>, Fault> {
        let texts = match self.names.look_up(domain, Kind::Txt) {
            Found::Records(texts) => texts,
            Found::Void => return Ok(None),
            Found::Temporary => return Err(Fault::Temporary),
        };
        let mut records = texts.into_iter().filter(|text| record::is_one(text));
        match (records.next(), records.next()) {
            (record, None) => Ok(record),
            _ => Err(Fault::Permanent),
        }
    }

    /// Section 6.1: no record there is an error here.
    fn redirected(&mut self, target: &str, domain: &str) -> Result<Outcome, Fault> {
        self.count()?;
        let target = self.expanded(target, domain)?;
        match self.of(&target)? {
            Outcome::None => Err(Fault::Permanent),
            outcome => Ok(outcome),
        }
    }

    fn matches(&mut self, term: &Term, domain: &str) -> Result<bool, Fault> {
        match &term.mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Network(network) => Ok(network.holds(self.sender.address)),
            Mechanism::Include(target) => self.included(target, domain),
            Mechanism::A(target, prefixes) => {
                let host = self.target(target.as_deref(), domain)?;
                self.has_address(&host, *prefixes, Void::Counts)
            }
            Mechanism::Mx(target, prefixes) => {
                self.is_exchange(target.as_deref(), *prefixes, domain)
            }
            Mechanism::Ptr(target) => {
                let target = self.target(target.as_deref(), domain)?;
                let names = self.validated()?;
                Ok(names.iter().any(|name| is_within(name, &target)))
            }
            Mechanism::Exists(target) => {
                let host = self.target(Some(target), domain)?;
                Ok(!self.ask(&host, Kind::A, Void::Counts)?.is_empty())
            }
        }
    }

    /// Section 5.2.
    fn included(&mut self, target: &str, domain: &str) -> Result<bool, Fault> {
        let target = self.target(Some(target), domain)?;
        match self.of(&target)? {
            Outcome::Pass => Ok(true),
            Outcome::None => Err(Fault::Permanent),
            _ => Ok(false),
        }
    }

    /// Section 5.4.
    fn is_exchange(
        &mut self,
        target: Option<&str>,
        prefixes: record::Prefixes,
        domain: &str,
    ) -> Result<bool, Fault> {
        let target = self.target(target, domain)?;
        let exchanges = self.ask(&target, Kind::Mx, Void::Counts)?;
        if exchanges.len() > MOST_HOSTS {
            return Err(Fault::Permanent);
        }
        for exchange in exchanges {
            let host = exchange.rsplit(' ').next().unwrap_or_default();
            if !host.is_empty() && self.has_address(host, prefixes, Void::IsFree)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn has_address(
        &mut self,
        host: &str,
        prefixes: record::Prefixes,
        void: Void,
    ) -> Result<bool, Fault> {
        let kind = match self.sender.address {
            IpAddr::V4(_) => Kind::A,
            IpAddr::V6(_) => Kind::Aaaa,
        };
        let addresses = self.ask(host, kind, void)?;
        let networks = addresses.iter().filter_map(|address| address.parse().ok());
        let mut networks = networks.map(|address| prefixes.around(address));
        Ok(networks.any(|network| network.holds(self.sender.address)))
    }

    /// Names of the client that lead back to it, section 5.5; a fault of the name system is no match.
    fn validated(&mut self) -> Result<Vec<String>, Fault> {
        let address = self.sender.address.to_string();
        let names = match self.names.look_up(&address, Kind::Ptr) {
            Found::Records(names) => names,
            Found::Void => {
                self.void()?;
                Vec::new()
            }
            Found::Temporary => Vec::new(),
        };
        let exact = record::Prefixes::default();
        let mut validated = Vec::new();
        for name in names.into_iter().take(MOST_HOSTS) {
            if self.has_address(&name, exact, Void::IsFree) == Ok(true) {
                validated.push(name.to_lowercase());
            }
        }
        Ok(validated)
    }

    /// One more term that asks: which name it is about.
    fn target(&mut self, written: Option<&str>, domain: &str) -> Result<String, Fault> {
        self.count()?;
        match written {
            Some(written) => self.expanded(written, domain),
            None => Ok(domain.to_owned()),
        }
    }

    fn expanded(&mut self, written: &str, domain: &str) -> Result<String, Fault> {
        let validated = match macros::asks_for_name(written) {
            true => {
                let names = self.validated()?;
                let within = names.iter().find(|name| is_within(name, domain));
                within.or(names.first()).cloned()
            }
            false => None,
        };
        expand(
            written,
            &Facts {
                sender: self.sender,
                domain,
                validated: validated.as_deref(),
            },
        )
    }

    fn ask(&mut self, name: &str, kind: Kind, void: Void) -> Result<Vec<String>, Fault> {
        match self.names.look_up(name, kind) {
            Found::Records(records) => Ok(records),
            Found::Temporary => Err(Fault::Temporary),
            Found::Void => {
                if void == Void::Counts {
                    self.void()?;
                }
                Ok(Vec::new())
            }
        }
    }

    fn count(&mut self) -> Result<(), Fault> {
        self.terms += 1;
        (self.terms <= MOST_TERMS)
            .then_some(())
            .ok_or(Fault::Permanent)
    }

    fn void(&mut self) -> Result<(), Fault> {
        self.voids += 1;
        (self.voids <= MOST_VOIDS)
            .then_some(())
            .ok_or(Fault::Permanent)
    }
}

/// Does an empty answer count against the record?
#[derive(Clone, Copy, PartialEq, Eq)]
enum Void {
    Counts,
    IsFree,
}

#[cfg(test)]
#[path = "../tests/checks/spf.rs"]
pub mod checks;
#[cfg(test)]
mod tests;
