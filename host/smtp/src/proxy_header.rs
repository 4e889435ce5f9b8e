//! The PROXY protocol, versions 1 and 2 (HAProxy, `proxy-protocol.txt`): the header in which a
//! load balancer says, ahead of the first octet of SMTP, whose connection it passes on.
//!
//! Only the listed balancers may be asked for it: whoever can write it can be anybody. It is
//! either well formed to the last octet or refused; nothing is guessed or skipped to find it.
//! What TLVs tell about TLS, names or certificates is read over: their shape and, where it is
//! there, their checksum must be right, but no word in them is believed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use crc::{CRC_32_ISCSI, Crc};
use thiserror::Error;

/// The longest header of version 1 in octets, CRLF included (section 2.1).
pub const MAX_V1: usize = 107;

/// The longest header of version 2 in octets that is taken: TLVs may carry a certificate, and
/// the 64 KiB they could fill are nobody's need.
pub const MAX_V2: usize = 16 * 1024;

const V1_START: &[u8] = b"PROXY ";
const V2_START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Start, version and command, family, length (section 2.2).
const V2_FIXED: usize = 16;

/// Type of the TLV that holds a CRC-32C of the whole header (section 2.2.3).
const TLV_CRC32C: u8 = 0x03;
/// Type of the TLV about TLS, which has TLVs inside (section 2.2.6).
const TLV_SSL: u8 = 0x20;

const CRC32C: Crc<u32> = Crc::<u32>::new(&CRC_32_ISCSI);

/// A whole header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyHeader {
    /// whose connection it is
    pub origin: Origin,
    /// octets of the header; SMTP starts behind them
    pub length: usize,
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The balancer's own, as for its health checks (`LOCAL`), or that of a client without an IP
    /// address (`UNKNOWN`, `AF_UNSPEC`, `AF_UNIX`): the ends of the connection itself count.
    Own,
    /// A client's, over TCP.
    Client {
        /// where the client connects from
        client: SocketAddr,
        /// what the client connected to
        server: SocketAddr,
    },
}

/// What is wrong with a header. Always the peer's fault: the connection must be closed.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ProxyError {
    /// The connection starts with something else.
    #[error("no PROXY header")]
    Missing,
    /// Over [`MAX_V1`] or [`MAX_V2`].
    #[error("PROXY header too long")]
    TooLong,
    /// Not the grammar of version 1.
    #[error("malformed line of PROXY version 1")]
    Line,
    /// Neither version 2 nor a command of it.
    #[error("unknown version or command in a PROXY header")]
    Version,
    /// An address family or transport that is not there, or is no stream.
    #[error("unknown address family or transport in a PROXY header")]
    Family,
    /// The header is shorter than its addresses, or a TLV is longer than what is left.
    #[error("wrong length in a PROXY header")]
    Length,
    /// The CRC-32C is there and wrong.
    #[error("wrong checksum in a PROXY header")]
    Checksum,
}

impl ProxyHeader {
    /// Reads the header in front of `input`; `None` if more octets are needed to tell.
    ///
    /// # Errors
    /// [`ProxyError`], as soon as it is certain.
    pub fn parse(input: &[u8]) -> Result<Option<Self>, ProxyError> {
        if input.starts_with(V2_START) {
            version_2(input)
        } else if input.starts_with(V1_START) {
            version_1(input)
        } else if V2_START.starts_with(input) || V1_START.starts_with(input) {
            Ok(None)
        } else {
            Err(ProxyError::Missing)
        }
    }
}

/// The shortest header there is: `PROXY UNKNOWN` with its CRLF.
const SHORTEST: usize = 15;

impl ProxyHeader {
    /// How many octets at least a header lacks that starts with `input`, for which
    /// [`parse`](Self::parse) gave `None`: whoever reads no more than so many at a time never reads
    /// into what is behind the header. At least 1.
    pub fn missing(input: &[u8]) -> usize {
        let whole = match input.get(V2_FIXED - 2..V2_FIXED) {
            Some(size) if input.starts_with(V2_START) => {
                V2_FIXED + usize::from(u16::from_be_bytes([size[0], size[1]]))
            }
            None if input.starts_with(V2_START) => V2_FIXED,
            _ => SHORTEST,
        };
        whole.saturating_sub(input.len()).max(1)
    }
}

/// `PROXY TCP4|TCP6 client server port port CRLF`, or `PROXY UNKNOWN anything CRLF`.
fn version_1(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let seen = &input[..input.len().min(MAX_V1)];
    let end = seen.iter().position(u8::is_ascii_control);
    let line = match end.map(|end| (&seen[..end], &seen[end..])) {
        None if seen.len() == MAX_V1 => return Err(ProxyError::TooLong),
        None => return Ok(None),
        Some((_, b"\r")) if seen.len() == MAX_V1 => return Err(ProxyError::TooLong),
        Some((_, b"\r")) => return Ok(None),
        Some((line, [b'\r', b'\n', ..])) => line,
        Some(_) => return Err(ProxyError::Line),
    };
    let text = std::str::from_utf8(line).map_err(|_| ProxyError::Line)?;
    Ok(Some(ProxyHeader {
        origin: origin_1(&text[V1_START.len()..]).ok_or(ProxyError::Line)?,
        length: line.len() + b"\r\n".len(),
    }))
}

fn origin_1(text: &str) -> Option<Origin> {
    let (family, rest) = text.split_once(' ').unwrap_or((text, ""));
    match family {
        "TCP4" => client_1::<Ipv4Addr>(rest),
        "TCP6" => client_1::<Ipv6Addr>(rest),
        "UNKNOWN" => Some(Origin::Own),
        _ => None,
    }
}

/// `client SP server SP client-port SP server-port`
fn client_1<A: FromStr + Into<IpAddr>>(text: &str) -> Option<Origin> {
    let mut words = text.split(' ');
    let mut address = || words.next()?.parse::<A>().ok().map(Into::into);
    let (client, server) = (address()?, address()?);
    let (from, to) = (port(words.next()?)?, port(words.next()?)?);
    words.next().is_none().then_some(Origin::Client {
        client: SocketAddr::new(client, from),
        server: SocketAddr::new(server, to),
    })
}

/// Decimal, 0 to 65535, no zero in front.
fn port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    let led = text.len() > 1 && text.starts_with('0');
    (plain && !led).then(|| text.parse().ok()).flatten()
}

fn version_2(input: &[u8]) -> Result<Option<ProxyHeader>, ProxyError> {
    let Some((fixed, behind)) = input.split_at_checked(V2_FIXED) else {
        // What is there already may be wrong already.
        input
            .get(12)
            .map_or(Ok(()), |octet| is_proxied(*octet).map(drop))?;
        return Ok(None);
    };
    let proxied = is_proxied(fixed[12])?;
    let size = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    let length = V2_FIXED + size;
    if length > MAX_V2 {
        return Err(ProxyError::TooLong);
    }
    let family = if proxied {
        Family::of(fixed[13])?
    } else {
        Family::None
    };
    if size < family.size() {
        return Err(ProxyError::Length);
    }
    let Some(block) = behind.get(..size) else {
        return Ok(None);
    };
    let (addresses, tlvs) = block.split_at(family.size());
    if family != Family::None {
        check_tlvs(&input[..length], tlvs)?;
    }
    let origin = family.origin(addresses);
    Ok(Some(ProxyHeader { origin, length }))
}

/// `PROXY` or `LOCAL`, of version 2? With `LOCAL` the whole block behind it has no meaning.
fn is_proxied(version_and_command: u8) -> Result<bool, ProxyError> {
    match version_and_command {
        0x20 => Ok(false),
        0x21 => Ok(true),
        _ => Err(ProxyError::Version),
    }
}

/// What kind of addresses comes behind the fixed part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// none that are told
    None,
    V4,
    V6,
    Unix,
}

impl Family {
    /// Only streams: SMTP comes in no datagrams.
    fn of(octet: u8) -> Result<Self, ProxyError> {
        match octet {
            0x00 => Ok(Self::None),
            0x11 => Ok(Self::V4),
            0x21 => Ok(Self::V6),
            0x31 => Ok(Self::Unix),
            _ => Err(ProxyError::Family),
        }
    }

    /// Octets of both addresses with both ports.
    fn size(self) -> usize {
        match self {
            Self::None => 0,
            Self::V4 => 2 * (4 + 2),
            Self::V6 => 2 * (16 + 2),
            Self::Unix => 2 * 108,
        }
    }

    /// From a block of [`size`](Self::size) octets: client, server, client's port, server's port.
    fn origin(self, block: &[u8]) -> Origin {
        let width = match self {
            Self::None | Self::Unix => return Origin::Own,
            Self::V4 => 4,
            Self::V6 => 16,
        };
        let (addresses, ports) = block.split_at(2 * width);
        let (client, server) = addresses.split_at(width);
        Origin::Client {
            client: SocketAddr::new(ip(client), u16::from_be_bytes([ports[0], ports[1]])),
            server: SocketAddr::new(ip(server), u16::from_be_bytes([ports[2], ports[3]])),
        }
    }
}

fn ip(octets: &[u8]) -> IpAddr {
    match <[u8; 4]>::try_from(octets) {
        Ok(v4) => IpAddr::from(v4),
        Err(_) => {
            IpAddr::from(<[u8; 16]>::try_from(octets).expect("an address has 4 or 16 octets"))
        }
    }
}

/// Each TLV whole, the last one up to the end; the checksum right, and there once.
fn check_tlvs(header: &[u8], tlvs: &[u8]) -> Result<(), ProxyError> {
    let mut rest = tlvs;
    let mut checksum = None;
    while !rest.is_empty() {
        let (kind, value, behind) = tlv(rest)?;
        match kind {
            TLV_CRC32C if checksum.is_some() => return Err(ProxyError::Checksum),
            TLV_CRC32C => checksum = Some((value, header.len() - behind.len())),
            TLV_SSL => check_ssl(value)?,
            _ => {}
        }
        rest = behind;
    }
    checksum.map_or(Ok(()), |(value, end)| check_crc(header, value, end))
}

/// Type, value, and what follows.
fn tlv(octets: &[u8]) -> Result<(u8, &[u8], &[u8]), ProxyError> {
    let [kind, high, low, rest @ ..] = octets else {
        return Err(ProxyError::Length);
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    let (value, behind) = rest.split_at_checked(length).ok_or(ProxyError::Length)?;
    Ok((*kind, value, behind))
}

/// One octet of flags, four of a verdict, then TLVs.
fn check_ssl(value: &[u8]) -> Result<(), ProxyError> {
    let mut rest = value.get(5..).ok_or(ProxyError::Length)?;
    while !rest.is_empty() {
        (_, _, rest) = tlv(rest)?;
    }
    Ok(())
}

/// Over the whole header, with zeros in the place of the checksum itself, which ends at `end`.
fn check_crc(header: &[u8], value: &[u8], end: usize) -> Result<(), ProxyError> {
    let told = <[u8; 4]>::try_from(value).map_err(|_| ProxyError::Checksum)?;
    let mut digest = CRC32C.digest();
    digest.update(&header[..end - value.len()]);
    digest.update(&[0; 4]);
    digest.update(&header[end..]);
    match digest.finalize() == u32::from_be_bytes(told) {
        true => Ok(()),
        false => Err(ProxyError::Checksum),
    }
}
