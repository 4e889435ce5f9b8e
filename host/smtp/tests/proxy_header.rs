//! PROXY headers: those of the specification, those that are nearly right, and all in pieces.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use lazaret_smtp::proxy_header::{MAX_V1, MAX_V2};
use lazaret_smtp::{Origin, ProxyError, ProxyHeader};
use proptest::prelude::*;

const START: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V4: [u8; 12] = [192, 0, 2, 1, 198, 51, 100, 1, 0x9c, 0x40, 0, 25];

fn v1(line: &str) -> Result<Option<Origin>, ProxyError> {
    let octets = format!("{line}\r\nEHLO x\r\n");
    let header = ProxyHeader::parse(octets.as_bytes())?;
    Ok(header.map(|header| {
        assert_eq!(header.length, line.len() + 2);
        header.origin
    }))
}

fn client(client: &str, server: &str) -> Origin {
    Origin::Client {
        client: client.parse().expect("an address and a port"),
        server: server.parse().expect("an address and a port"),
    }
}

#[test]
fn lines_of_version_1() {
    assert_eq!(
        v1("PROXY TCP4 192.0.2.1 198.51.100.1 40000 25"),
        Ok(Some(client("192.0.2.1:40000", "198.51.100.1:25")))
    );
    assert_eq!(
        v1("PROXY TCP6 2001:db8::1 ::ffff:198.51.100.1 0 65535"),
        Ok(Some(client(
            "[2001:db8::1]:0",
            "[::ffff:198.51.100.1]:65535"
        )))
    );
    for unknown in ["PROXY UNKNOWN", "PROXY UNKNOWN ffff::1 x y z"] {
        assert_eq!(v1(unknown), Ok(Some(Origin::Own)), "{unknown}");
    }
    let longest = format!("PROXY UNKNOWN {}", "x".repeat(MAX_V1 - 16));
    assert_eq!(v1(&longest), Ok(Some(Origin::Own)));
    assert_eq!(v1(&format!("{longest}x")), Err(ProxyError::TooLong));
    let endless = format!("{longest}xxxxxxx");
    assert_eq!(
        ProxyHeader::parse(endless.as_bytes()),
        Err(ProxyError::TooLong)
    );
}

#[test]
fn lines_that_are_not_quite_version_1() {
    for line in [
        "PROXY ",
        "PROXY TCP4",
        "PROXY TCP5 192.0.2.1 198.51.100.1 40000 25",
        "PROXY tcp4 192.0.2.1 198.51.100.1 40000 25",
        "PROXY UDP4 192.0.2.1 198.51.100.1 40000 25",
        "PROXY TCP4 192.0.2.1 198.51.100.1 40000",
        "PROXY TCP4 192.0.2.1 198.51.100.1 40000 25 ",
        "PROXY TCP4  192.0.2.1 198.51.100.1 40000 25",
        "PROXY TCP4 192.0.2.1 198.51.100.1 40000 25 26",
        "PROXY TCP4 192.0.2.01 198.51.100.1 40000 25",
        "PROXY TCP4 192.0.2 198.51.100.1 40000 25",
        "PROXY TCP4 2001:db8::1 2001:db8::2 40000 25",
        "PROXY TCP6 192.0.2.1 198.51.100.1 40000 25",
        "PROXY TCP6 fe80::1%1 2001:db8::2 40000 25",
        "PROXY TCP4 192.0.2.1 198.51.100.1 040000 25",
        "PROXY TCP4 192.0.2.1 198.51.100.1 65536 25",
        "PROXY TCP4 192.0.2.1 198.51.100.1 +1 25",
        "PROXY TCP4 192.0.2.1 198.51.100.1  25",
        "PROXY TCP4\t192.0.2.1 198.51.100.1 40000 25",
        "PROXY UNKNOWN\0",
        "PROXY UNKNOWNX",
        "PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\n",
        "PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\rX",
    ] {
        assert_eq!(v1(line), Err(ProxyError::Line), "{line:?}");
    }
    let latin = b"PROXY UNKNOWN \xe9\r\n";
    assert_eq!(ProxyHeader::parse(latin), Err(ProxyError::Line));
    for other in [
        "proxy TCP4 ",
        "PROXYTCP4",
        "EHLO x",
        " PROXY ",
        "\r\nPROXY ",
        "\0",
    ] {
        assert_eq!(v1(other), Err(ProxyError::Missing), "{other:?}");
    }
}

fn v2(command: u8, family: u8, block: &[u8]) -> Vec<u8> {
    let length = u16::try_from(block.len()).expect("a block fits");
    [START, &[command, family], &length.to_be_bytes(), block].concat()
}

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).expect("a value fits");
    [&[kind], &length.to_be_bytes()[..], value].concat()
}

fn origin(header: &[u8]) -> Result<Origin, ProxyError> {
    let more = [header, b"EHLO x\r\n"].concat();
    let parsed = ProxyHeader::parse(&more)?.expect("the header is whole");
    assert_eq!(parsed.length, header.len());
    Ok(parsed.origin)
}

/// Whoever reads as much as is said to be missing gets the header and nothing behind it.
#[test]
fn reading_by_what_is_missing() {
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        b"PROXY TCP4 192.0.2.1 198.51.100.1 40000 25\r\n".to_vec(),
        v2(0x20, 0, b""),
        v2(0x21, 0x11, &V4),
    ] {
        let stream = [&header[..], b"EHLO x\r\n"].concat();
        let mut read = 0;
        while let Ok(None) = ProxyHeader::parse(&stream[..read]) {
            read += ProxyHeader::missing(&stream[..read]);
        }
        assert_eq!(read, header.len());
    }
}

#[test]
fn headers_of_version_2() {
    let here = client("192.0.2.1:40000", "198.51.100.1:25");
    assert_eq!(origin(&v2(0x21, 0x11, &V4)), Ok(here));
    let tlvs = [
        tlv(0x04, b""),
        tlv(0x02, b"mx.example.org"),
        tlv(
            0x20,
            &[&[1, 0, 0, 0, 0][..], &tlv(0x21, b"TLSv1.3")].concat(),
        ),
        tlv(0xee, &[0; 300]),
    ];
    let block = [&V4[..], &tlvs.concat()].concat();
    assert_eq!(origin(&v2(0x21, 0x11, &block)), Ok(here));
    for local in [
        v2(0x20, 0, b""),
        v2(0x20, 0x11, &V4),
        v2(0x20, 0xff, b"anything"),
    ] {
        assert_eq!(origin(&local), Ok(Origin::Own));
    }
    assert_eq!(origin(&v2(0x21, 0x00, b"anything")), Ok(Origin::Own));
    assert_eq!(origin(&v2(0x21, 0x31, &[b'/'; 216])), Ok(Origin::Own));
}

#[test]
fn headers_that_are_not_quite_version_2() {
    let table: &[(Vec<u8>, ProxyError)] = &[
        (v2(0x11, 0x11, &V4), ProxyError::Version),
        (v2(0x22, 0x11, &V4), ProxyError::Version),
        (v2(0x21, 0x12, &V4), ProxyError::Family),
        (v2(0x21, 0x10, &V4), ProxyError::Family),
        (v2(0x21, 0x01, &V4), ProxyError::Family),
        (v2(0x21, 0x41, &V4), ProxyError::Family),
        (v2(0x21, 0x11, &V4[..11]), ProxyError::Length),
        (v2(0x21, 0x21, &V4), ProxyError::Length),
        (v2(0x21, 0x31, &[b'/'; 215]), ProxyError::Length),
        (
            v2(0x21, 0x11, &[&V4[..], &[4]].concat()),
            ProxyError::Length,
        ),
        (
            v2(0x21, 0x11, &[&V4[..], &[4, 0, 9, 1]].concat()),
            ProxyError::Length,
        ),
        (
            v2(0x21, 0x11, &[&V4[..], &tlv(0x20, b"abcd")].concat()),
            ProxyError::Length,
        ),
        (
            v2(0x21, 0x11, &[&V4[..], &tlv(0x20, b"abcdef")].concat()),
            ProxyError::Length,
        ),
        (
            v2(0x21, 0x11, &[&V4[..], &tlv(3, b"abc")].concat()),
            ProxyError::Checksum,
        ),
        (
            v2(0x21, 0x11, &[&V4[..], &tlv(3, b"abcd")].concat()),
            ProxyError::Checksum,
        ),
        (v2(0x21, 0x11, &[0; MAX_V2 - 15]), ProxyError::TooLong),
    ];
    for (header, error) in table {
        assert_eq!(
            ProxyHeader::parse(header),
            Err(*error),
            "{}",
            header.escape_ascii()
        );
    }
    let longest = [&V4[..], &tlv(4, &[0; MAX_V2 - 16 - 12 - 3])].concat();
    assert!(origin(&v2(0x21, 0x11, &longest)).is_ok());
}

/// Section 2.2.3, bit by bit: what the parser computes by table.
fn crc32c(octets: &[u8]) -> u32 {
    !octets.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| {
            (crc >> 1) ^ (if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
        })
    })
}

/// A header with a right checksum between other TLVs.
fn summed(front: &[u8], behind: &[u8]) -> Vec<u8> {
    let block = [&V4[..], front, &tlv(3, &[0; 4]), behind].concat();
    let mut header = v2(0x21, 0x11, &block);
    let place = 16 + V4.len() + front.len() + 3;
    let sum = crc32c(&header).to_be_bytes();
    header[place..place + 4].copy_from_slice(&sum);
    header
}

#[test]
fn a_checksum_counts_once() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert!(origin(&summed(b"", b"")).is_ok());
    assert_eq!(
        origin(&summed(b"", &tlv(3, &[0; 4]))),
        Err(ProxyError::Checksum)
    );
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|octets| Ipv4Addr::from(octets).into()),
        any::<[u8; 16]>().prop_map(|octets| Ipv6Addr::from(octets).into()),
    ]
}

fn tlvs() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop_oneof![Just(1u8), Just(2), Just(4), Just(5), 0x30..=0xffu8];
    let one = (kind, prop::collection::vec(any::<u8>(), 0..40)).prop_map(|(k, v)| tlv(k, &v));
    prop::collection::vec(one, 0..4).prop_map(|all| all.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn both_versions_say_the_same(from in address(), ports in any::<(u16, u16)>(), tlvs in tlvs()) {
        let to: IpAddr = if from.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        let expected = Origin::Client {
            client: SocketAddr::new(from, ports.0),
            server: SocketAddr::new(to, ports.1),
        };
        let (name, family) = if from.is_ipv4() { ("TCP4", 0x11) } else { ("TCP6", 0x21) };
        let line = format!("PROXY {name} {from} {to} {} {}", ports.0, ports.1);
        prop_assert_eq!(v1(&line), Ok(Some(expected)));
        let octets = |ip| match ip {
            IpAddr::V4(v4) => Ipv4Addr::octets(&v4).to_vec(),
            IpAddr::V6(v6) => Ipv6Addr::octets(&v6).to_vec(),
        };
        let ports = [ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat();
        let header = v2(0x21, family, &[octets(from), octets(to), ports, tlvs].concat());
        prop_assert_eq!(origin(&header), Ok(expected));
    }

    /// A checksum finds every octet that was changed on the way.
    #[test]
    fn no_octet_can_change_under_a_checksum(front in tlvs(), behind in tlvs(), place in any::<prop::sample::Index>(), flip in 1u8..) {
        let mut header = summed(&front, &behind);
        prop_assert!(origin(&header).is_ok());
        // The address, the ports, the value of the checksum: what changes no shape.
        let sum = 16 + V4.len() + front.len() + 3;
        let places: Vec<usize> = (16..28).chain(sum..sum + 4).collect();
        header[*place.get(&places)] ^= flip;
        prop_assert_eq!(ProxyHeader::parse(&header), Err(ProxyError::Checksum));
    }

    #[test]
    fn a_piece_of_a_header_is_not_enough(front in tlvs(), behind in tlvs()) {
        let header = summed(&front, &behind);
        for cut in 0..header.len() {
            prop_assert_eq!(ProxyHeader::parse(&header[..cut]), Ok(None));
            let missing = ProxyHeader::missing(&header[..cut]);
            prop_assert!(missing > 0 && cut + missing <= header.len());
        }
    }
}
