//! One file that is compressed (gzip, xz and the like): what it is called when it is unpacked.

use crate::names;

const GZIP: &[u8] = b"\x1f\x8b\x08";
const HAS_EXTRA: u8 = 4;
const HAS_NAME: u8 = 8;
const HEADER: usize = 10;

/// The name of the whole without its last extension, and the one that gzip keeps inside (RFC 1952 section 2.3):
/// unpackers take the one or the other.
pub fn inner_names(name: &str, head: &[u8]) -> Vec<String> {
    let outer = names::without_extension(name);
    [Some(outer), kept_name(head)]
        .into_iter()
        .flatten()
        .collect()
}

/// Empty where it does not end within the octets.
fn kept_name(head: &[u8]) -> Option<String> {
    let flags = *head.get(3).filter(|_| head.starts_with(GZIP))?;
    let extra = match head.get(HEADER..HEADER + 2) {
        Some(&[low, high]) if flags & HAS_EXTRA != 0 => {
            2 + usize::from(u16::from_le_bytes([low, high]))
        }
        _ => 0,
    };
    (flags & HAS_NAME != 0).then(|| {
        let rest = head.get(HEADER + extra..).unwrap_or_default();
        let end = rest.iter().position(|b| *b == 0).unwrap_or_default();
        // RFC 1952 section 2.3.1: ISO 8859-1
        rest[..end].iter().map(|b| char::from(*b)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_inside() {
        let plain = b"\x1f\x8b\x08\0\0\0\0\0\0\0..";
        let named = b"\x1f\x8b\x08\x08\0\0\0\0\0\0b.exe\0..";
        let extra = b"\x1f\x8b\x08\x0c\0\0\0\0\0\0\x02\0xxb.exe\0..";
        let cut = b"\x1f\x8b\x08\x0c\0\0\0\0\0\0\xff\xffb.exe";
        for (head, names) in [
            (&plain[..], &["a.txt"][..]),
            (named, &["a.txt", "b.exe"]),
            (extra, &["a.txt", "b.exe"]),
            (cut, &["a.txt", ""]),
            (b"\xfd7zXZ\0", &["a.txt"]),
            (b"", &["a.txt"]),
        ] {
            assert_eq!(inner_names("a.txt.gz", head), names);
        }
    }
}
