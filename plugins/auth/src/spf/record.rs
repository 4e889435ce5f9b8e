//! The text of an SPF record, RFC 7208 sections 4.6.1 and 5. All of it is checked before any of it is evaluated.

use std::net::IpAddr;

use super::{Fault, Outcome, macros};

/// A record.
#[derive(Debug)]
pub struct Record {
    pub terms: Vec<Term>,
    pub redirect: Option<String>,
}

/// A mechanism and what it means when it matches.
#[derive(Debug)]
pub struct Term {
    pub outcome: Outcome,
    pub mechanism: Mechanism,
}

/// What is compared with the client. Names may hold macros.
#[derive(Debug)]
pub enum Mechanism {
    All,
    Include(String),
    A(Option<String>, Prefixes),
    Mx(Option<String>, Prefixes),
    Ptr(Option<String>),
    Network(Network),
    Exists(String),
}

/// Bits of an address that count, for each family.
#[derive(Clone, Copy, Debug)]
pub struct Prefixes {
    v4: u32,
    v6: u32,
}

impl Default for Prefixes {
    fn default() -> Self {
        Self { v4: 32, v6: 128 }
    }
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Prefixes {
    /// The network that an address is in.
    pub fn around(self, address: IpAddr) -> Network {
        let bits = match address {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        };
        Network { address, bits }
    }
}

impl Network {
    /// Is this address in it?
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differ = u32::from(own) ^ u32::from(other);
                differ.checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = u128::from(own) ^ u128::from(other);
                differ.checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Does a TXT record claim to be one?
pub fn is_one(text: &str) -> bool {
    let version = text
        .get(..6)
        .is_some_and(|start| start.eq_ignore_ascii_case("v=spf1"));
    version && matches!(text.as_bytes().get(6), None | Some(b' '))
}

impl Record {
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut record = Self {
            terms: Vec::new(),
            redirect: None,
        };
        let mut explained = false;
        for word in text.split(' ').skip(1).filter(|word| !word.is_empty()) {
            match modifier(word) {
                Some((name, value)) if name.eq_ignore_ascii_case("redirect") => {
                    macros::check_domain(value)?;
                    if record.redirect.replace(value.to_owned()).is_some() {
                        return Err(Fault::Permanent);
                    }
                }
                Some((name, value)) if name.eq_ignore_ascii_case("exp") => {
                    macros::check_domain(value)?;
                    if std::mem::replace(&mut explained, true) {
                        return Err(Fault::Permanent);
                    }
                }
                Some((_, value)) => macros::check(value)?,
                None => record.terms.push(Term::parse(word)?),
            }
        }
        if record
            .terms
            .iter()
            .any(|term| matches!(term.mechanism, Mechanism::All))
        {
            record.redirect = None; // section 6.1
        }
        Ok(record)
    }
}

/// `name=value`, where the name comes before any `:` and `/`.
fn modifier(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let mut letters = name.chars();
    let first = letters.next()?.is_ascii_alphabetic();
    let rest = letters.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    (first && rest).then_some((name, value))
}

impl Term {
    fn parse(word: &str) -> Result<Self, Fault> {
        let (outcome, rest) = match word.as_bytes()[0] {
            b'+' => (Outcome::Pass, &word[1..]),
            b'-' => (Outcome::Fail, &word[1..]),
            b'~' => (Outcome::SoftFail, &word[1..]),
            b'?' => (Outcome::Neutral, &word[1..]),
            _ => (Outcome::Pass, word),
        };
        Ok(Self {
            outcome,
            mechanism: Mechanism::parse(rest)?,
        })
    }
}

impl Mechanism {
    fn parse(text: &str) -> Result<Self, Fault> {
        let end = text.find([':', '/']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        match name.to_ascii_lowercase().as_str() {
            "all" if rest.is_empty() => Ok(Self::All),
            "include" => required(rest).map(Self::Include),
            "exists" => required(rest).map(Self::Exists),
            "a" => hosts(rest).map(|(name, prefixes)| Self::A(name, prefixes)),
            "mx" => hosts(rest).map(|(name, prefixes)| Self::Mx(name, prefixes)),
            "ptr" if rest.is_empty() => Ok(Self::Ptr(None)),
            "ptr" => required(rest).map(|name| Self::Ptr(Some(name))),
            "ip4" => network(rest, IpAddr::is_ipv4, 32).map(Self::Network),
            "ip6" => network(rest, IpAddr::is_ipv6, 128).map(Self::Network),
            _ => Err(Fault::Permanent),
        }
    }
}

/// `:domain-spec`
fn required(rest: &str) -> Result<String, Fault> {
    let name = rest.strip_prefix(':').ok_or(Fault::Permanent)?;
    macros::check_domain(name)?;
    Ok(name.to_owned())
}

/// `[:domain-spec][/bits][//bits]`
fn hosts(rest: &str) -> Result<(Option<String>, Prefixes), Fault> {
    let (name, lengths) = match rest.strip_prefix(':') {
        // A macro may hold a slash as its delimiter: only what comes behind the last brace is a length.
        Some(spec) => {
            let from = spec.rfind('}').map_or(0, |at| at + 1);
            let end = spec[from..].find('/').map_or(spec.len(), |at| from + at);
            (Some(&spec[..end]), &spec[end..])
        }
        None => (None, rest),
    };
    name.map_or(Ok(()), macros::check_domain)?;
    Ok((name.map(str::to_owned), prefixes(lengths)?))
}

fn prefixes(text: &str) -> Result<Prefixes, Fault> {
    let mut prefixes = Prefixes::default();
    let (v4, v6) = match text.split_once("//") {
        Some((v4, v6)) => (v4, Some(v6)),
        None => (text, None),
    };
    if let Some(v4) = (!v4.is_empty()).then_some(v4) {
        prefixes.v4 = bits(v4.strip_prefix('/').ok_or(Fault::Permanent)?, 32)?;
    }
    if let Some(v6) = v6 {
        prefixes.v6 = bits(v6, 128)?;
    }
    Ok(prefixes)
}

/// Digits without a sign and without zeros before them.
fn bits(text: &str, most: u32) -> Result<u32, Fault> {
    let plain =
        text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let bits = text.parse().ok().filter(|bits| plain && *bits <= most);
    bits.ok_or(Fault::Permanent)
}

fn network(rest: &str, family: fn(&IpAddr) -> bool, most: u32) -> Result<Network, Fault> {
    let text = rest.strip_prefix(':').ok_or(Fault::Permanent)?;
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, bits(length, most)?),
        None => (text, most),
    };
    let address = address
        .parse()
        .ok()
        .filter(family)
        .ok_or(Fault::Permanent)?;
    Ok(Network {
        address,
        bits: length,
    })
}
