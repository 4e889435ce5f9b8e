//! Permission `dns`, by names (`dns:*.zen.example,dns.example`): what the name system says.

use std::net::IpAddr;

use crate::Error;
pub use crate::bindings::permissions::lazaret::filter::dns::{Answer, Kind, Query};
use crate::host::dns as host;

/// Asks one question. With [`Kind::Ptr`] the name is an IP address.
///
/// # Errors
/// [`Error::NotGranted`] for a name outside the grant, [`Error::Invalid`] for what is no name, [`Error::Limit`] after 100
/// queries of a call, [`Error::Unavailable`] once `dns-time` is used up, [`Error::NotNow`] in `configure`.
pub fn lookup(name: &str, kind: Kind) -> Result<Answer, Error> {
    host::lookup(name, kind)
}

/// Asks up to 64 questions at once; the answers come in their order.
///
/// # Errors
/// As [`lookup`]: one bad name spoils them all.
pub fn lookup_all(queries: &[Query]) -> Result<Vec<Answer>, Error> {
    host::lookup_all(queries)
}

impl Query {
    /// A question.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
        }
    }
}

impl Answer {
    /// The records; none for every other answer.
    pub fn records(&self) -> &[String] {
        match self {
            Answer::Records(records) => records,
            _ => &[],
        }
    }

    /// Nobody could say: it may be otherwise in a minute.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Answer::Failed | Answer::Late)
    }
}

/// The labels of an address in reverse, as lists of addresses are asked (RFC 5782): `2.0.0.127`, or 32 nibbles.
pub fn reversed(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}")
        }
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let nibbles = octets.iter().rev();
            let labels = nibbles.map(|octet| format!("{:x}.{:x}", octet & 15, octet >> 4));
            labels.collect::<Vec<_>>().join(".")
        }
    }
}
