//! Many networks with what stands behind them, by the length of their prefix.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// The networks of one family and length, sorted by address; with the number of their value.
type Row<A> = Vec<(A, u32)>;

#[derive(Default)]
pub struct Networks {
    v4: BTreeMap<u8, Row<u32>>,
    v6: BTreeMap<u8, Row<u128>>,
    /// the first is empty
    values: Vec<Box<str>>,
}

impl Networks {
    /// Of line number, network and value. The error: which line, and what is wrong with it.
    pub fn new(entries: Vec<(usize, &str, &str)>) -> Result<Self, (usize, String)> {
        let mut networks = Self {
            values: vec!["".into()],
            ..Self::default()
        };
        for (line, text, value) in entries {
            let network = parse(text).map_err(|problem| (line, problem))?;
            let value = networks.keep(value);
            match network {
                IpNet::V4(v4) => {
                    let row = networks.v4.entry(v4.prefix_len()).or_default();
                    row.push((v4.addr().to_bits(), value));
                }
                IpNet::V6(v6) => {
                    let row = networks.v6.entry(v6.prefix_len()).or_default();
                    row.push((v6.addr().to_bits(), value));
                }
            }
        }
        networks.v4.values_mut().for_each(settle);
        networks.v6.values_mut().for_each(settle);
        networks.values.shrink_to_fit();
        Ok(networks)
    }

    pub fn len(&self) -> usize {
        let v4 = self.v4.values().map(Vec::len).sum::<usize>();
        v4 + self.v6.values().map(Vec::len).sum::<usize>()
    }

    /// What stands behind the smallest network that holds the address.
    pub fn find(&self, address: IpAddr) -> Option<String> {
        let value = match address.to_canonical() {
            IpAddr::V4(v4) => self.v4.iter().rev().find_map(|(length, row)| {
                let mask = u32::MAX.checked_shl(32 - u32::from(*length)).unwrap_or(0);
                find(row, v4.to_bits() & mask)
            }),
            IpAddr::V6(v6) => self.v6.iter().rev().find_map(|(length, row)| {
                let mask = u128::MAX.checked_shl(128 - u32::from(*length)).unwrap_or(0);
                find(row, v6.to_bits() & mask)
            }),
        }?;
        Some(self.values[value as usize].to_string())
    }

    /// The value's number. Lists come sorted by value more often than not: equal neighbours share one.
    fn keep(&mut self, value: &str) -> u32 {
        if value.is_empty() {
            return 0;
        }
        if self.values.last().is_none_or(|last| **last != *value) {
            self.values.push(value.into());
        }
        u32::try_from(self.values.len() - 1).expect("a list file has less than 4 Gi lines")
    }
}

/// Of two equal ones the first stays.
fn settle<A: Ord + Copy>(row: &mut Row<A>) {
    row.sort_by_key(|(address, _)| *address);
    row.dedup_by_key(|(address, _)| *address);
    row.shrink_to_fit();
}

fn find<A: Ord + Copy>(row: &Row<A>, address: A) -> Option<u32> {
    let found = row.binary_search_by_key(&address, |(address, _)| *address);
    found.ok().map(|at| row[at].1)
}

/// A network, or an address alone. IPv4 in IPv6 is IPv4.
fn parse(text: &str) -> Result<IpNet, String> {
    let shown = text.escape_debug();
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    // With a zero before a number, `ipnet` reads what others take for octal, or for nothing.
    let address = text.split('/').next().unwrap_or_default();
    let network = network.ok().filter(|_| address.parse::<IpAddr>().is_ok());
    let network = network.ok_or_else(|| format!("`{shown}` is no network"))?;
    if network.trunc() != network {
        return Err(format!(
            "`{shown}` has bits behind its prefix: is it {}?",
            network.trunc()
        ));
    }
    let IpNet::V6(v6) = network else {
        return Ok(network);
    };
    let mapped = v6
        .addr()
        .to_ipv4_mapped()
        .zip(v6.prefix_len().checked_sub(96));
    let v4 = mapped.and_then(|(v4, length)| ipnet::Ipv4Net::new(v4, length).ok());
    Ok(v4.map_or(network, IpNet::V4))
}
