//! Addresses in figures, as the standard library writes them: they stand in each line of the log and each Received field.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// An address with its port.
pub(super) struct Peer(pub(super) SocketAddr);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SocketAddr::V4(peer) = self.0 else {
            return self.0.fmt(f);
        };
        dotted(*peer.ip(), f)?;
        f.write_str(":")?;
        f.write_str(itoa::Buffer::new().format(peer.port()))
    }
}

/// An address.
pub(super) struct Ip(pub(super) IpAddr);

impl fmt::Display for Ip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(ip) => dotted(ip, f),
            IpAddr::V6(ip) => ip.fmt(f),
        }
    }
}

fn dotted(ip: Ipv4Addr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (place, number) in ip.octets().into_iter().enumerate() {
        f.write_str(if place == 0 { "" } else { "." })?;
        f.write_str(itoa::Buffer::new().format(number))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_written_as_the_library_does() {
        for peer in [
            "0.0.0.0:0",
            "192.0.2.101:25",
            "255.9.10.99:65535",
            "[2001:db8::1]:587",
        ] {
            let address: SocketAddr = peer.parse().unwrap();
            assert_eq!(Peer(address).to_string(), peer);
            assert_eq!(Ip(address.ip()).to_string(), address.ip().to_string());
        }
    }
}
