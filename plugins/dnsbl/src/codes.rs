//! What the addresses mean that a list answers with (RFC 5782 section 2.1).

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use lazaret_filter::Network;

/// Points by return code.
#[derive(Debug)]
pub struct Codes {
    weight: Option<f64>,
    returns: Vec<(Network, f64)>,
}

impl Codes {
    /// `weight` holds for every listing that `returns` does not name.
    pub fn new(weight: Option<f64>, returns: &BTreeMap<String, f64>) -> Result<Self, String> {
        let numbers = weight.iter().chain(returns.values());
        if weight.is_none() && returns.is_empty() {
            return Err("has neither weight nor returns".to_owned());
        }
        if !numbers.clone().all(|points| points.is_finite()) {
            return Err("has points that are no number".to_owned());
        }
        let parsed = returns.iter().map(|(code, points)| {
            let network: Network = code.parse().map_err(|error| format!("returns: {error}"))?;
            Ok((network, *points))
        });
        Ok(Self {
            weight,
            returns: parsed.collect::<Result<_, String>>()?,
        })
    }

    /// The points of a code; None for one that means nothing here.
    fn points_of(&self, code: Ipv4Addr) -> Option<f64> {
        let named = self.returns.iter();
        let named = named.filter(|(network, _)| network.contains(IpAddr::V4(code)));
        let strongest = named.map(|(_, points)| *points).max_by(stronger);
        strongest.or(self.weight)
    }

    /// Of several codes, the strongest counts: lists return one for each of their parts.
    pub fn points(&self, codes: &[Ipv4Addr]) -> Option<f64> {
        let points = codes.iter().filter_map(|code| self.points_of(*code));
        points.max_by(stronger)
    }
}

fn stronger(a: &f64, b: &f64) -> std::cmp::Ordering {
    a.abs().total_cmp(&b.abs())
}

/// What an answer is.
#[derive(Debug, PartialEq, Eq)]
pub enum Meaning {
    /// listed, with these codes
    Listed(Vec<Ipv4Addr>),
    /// the list will not answer us: 127.255.255.0/24 by custom
    Refused,
    /// no list answers so: the zone is gone and somebody answers for every name
    Nonsense,
}

/// Reads the addresses of an answer that has some. Listings are in 127.0.0.0/8, nowhere else.
pub fn meaning(records: &[String]) -> Meaning {
    let addresses = records.iter().filter_map(|record| record.parse().ok());
    let codes: Vec<Ipv4Addr> = addresses.filter(Ipv4Addr::is_loopback).collect();
    let refuses = |code: &Ipv4Addr| code.octets()[..3] == [127, 255, 255];
    if codes.iter().any(refuses) {
        return Meaning::Refused;
    }
    match codes.is_empty() {
        true => Meaning::Nonsense,
        false => Meaning::Listed(codes),
    }
}
