//! What must hold for any XCLIENT.

use lazaret_smtp::Command;

use super::Presented;

/// Each line of the octets is what stands behind `XCLIENT `. What is taken in is a plain name and an address that is
/// written in one way only; of what is malformed nothing is.
pub fn xclient(octets: &[u8]) {
    let mut presented = Presented::default();
    for attributes in octets.split(|octet| *octet == b'\n') {
        let line = [b"XCLIENT ", attributes].concat();
        let Ok(Command::XClient(attributes)) = Command::parse(&line) else {
            continue;
        };
        let before = presented.clone();
        match presented.take_in(&attributes) {
            None => assert_eq!(presented, before),
            Some(address) => {
                assert!(address.is_none_or(|address| address == address.to_canonical()));
            }
        }
        let name = presented.name.as_deref().unwrap_or("host");
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        assert!(name.len() <= 255 && name.bytes().all(plain), "{name:?}");
    }
}
