//! Networks in CIDR notation (RFC 4632), for lists of clients.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::Deserialize;

/// `192.0.2.0/24`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Network {
    /// IPv4 shifted to the top, so that one comparison serves both families
    bits: u128,
    prefix: u8,
    family: Family,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

/// Why a text is no [`Network`]; says what was given and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkError {
    given: String,
    problem: &'static str,
}

impl Network {
    /// Is the address in it? An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (bits, family) = split(address);
        family == self.family && masked(bits, self.prefix) == self.bits
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let error = |problem| NetworkError {
            given: text.to_owned(),
            problem,
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| error("is no IP address"))?;
        let (bits, family) = split(address);
        let widest = if family == Family::V4 { 32 } else { 128 };
        let prefix = match prefix.map(u8::from_str) {
            None => widest,
            Some(Ok(prefix)) if prefix <= widest => prefix,
            Some(_) => return Err(error("has a bad prefix length")),
        };
        if masked(bits, prefix) != bits {
            return Err(error("has address bits beyond its prefix"));
        }
        Ok(Self {
            bits,
            prefix,
            family,
        })
    }
}

impl TryFrom<String> for Network {
    type Error = NetworkError;

    fn try_from(text: String) -> Result<Self, NetworkError> {
        text.parse()
    }
}

impl fmt::Display for NetworkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "network `{}` {}", self.given, self.problem)
    }
}

impl std::error::Error for NetworkError {}

fn split(address: IpAddr) -> (u128, Family) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()) << 96, Family::V4),
        IpAddr::V6(v6) => (v6.to_bits(), Family::V6),
    }
}

fn masked(bits: u128, prefix: u8) -> u128 {
    match prefix {
        0 => 0,
        _ => bits & (u128::MAX << (128 - u32::from(prefix))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        let network: Network = network.parse().unwrap();
        network.contains(address.parse().unwrap())
    }

    #[test]
    fn contains_addresses_of_its_family() {
        assert!(contains("192.0.2.0/24", "192.0.2.255"));
        assert!(!contains("192.0.2.0/24", "192.0.3.0"));
        assert!(contains("192.0.2.7", "192.0.2.7"));
        assert!(contains("192.0.2.0/24", "::ffff:192.0.2.1"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
        assert!(contains("0.0.0.0/0", "203.0.113.1"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
        assert!(!contains("::/0", "203.0.113.1"));
    }

    #[test]
    fn names_what_is_wrong() {
        let error = |text: &str| text.parse::<Network>().unwrap_err().to_string();
        assert_eq!(
            error("192.0.2.0/33"),
            "network `192.0.2.0/33` has a bad prefix length"
        );
        assert_eq!(error("192.0.2/24"), "network `192.0.2/24` is no IP address");
        assert_eq!(
            error("192.0.2.1/24"),
            "network `192.0.2.1/24` has address bits beyond its prefix"
        );
    }
}
