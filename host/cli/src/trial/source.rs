//! The message file: read, and put into the form it has on the wire.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;

use crate::exit::Failure;

/// Largest message file taken, octets.
pub const LIMIT: u64 = 256 << 20;

/// A message as a client would send it.
#[derive(Debug)]
pub struct Source {
    /// lines end in CRLF
    pub octets: Bytes,
    /// lines that ended in a bare LF in the file
    pub converted: usize,
    /// the first line, counted from 1, with an octet that the proxy lets in nowhere: a bare CR, a NUL
    pub refused: Option<usize>,
}

/// Reads a file of at most `limit` octets; a bare LF becomes CRLF, because that is how it would have been sent.
pub fn read(path: &Path, limit: u64) -> Result<Source, Failure> {
    let unreadable = |e: std::io::Error| Failure::usage(format!("{}: {e}", path.display()));
    let mut octets = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit + 1)
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    if octets.len() as u64 > limit {
        return Err(Failure::usage(format!(
            "{}: is larger than {} MiB",
            path.display(),
            limit >> 20
        )));
    }
    let (octets, converted) = to_crlf(octets);
    Ok(Source {
        refused: refused(&octets),
        octets: octets.into(),
        converted,
    })
}

fn to_crlf(octets: Vec<u8>) -> (Vec<u8>, usize) {
    let bare =
        |(at, octet): &(usize, &u8)| **octet == b'\n' && (*at == 0 || octets[at - 1] != b'\r');
    let converted = octets.iter().enumerate().filter(bare).count();
    if converted == 0 {
        return (octets, 0);
    }
    let mut wire = Vec::with_capacity(octets.len() + converted);
    for (at, octet) in octets.iter().enumerate() {
        if bare(&(at, octet)) {
            wire.push(b'\r');
        }
        wire.push(*octet);
    }
    (wire, converted)
}

/// The first line that is stopped at the gate.
fn refused(wire: &[u8]) -> Option<usize> {
    let bad = |(at, octet): (usize, &u8)| match octet {
        0 => true,
        b'\r' => wire.get(at + 1) != Some(&b'\n'),
        _ => false,
    };
    let at = wire.iter().enumerate().position(bad)?;
    Some(1 + wire[..at].iter().filter(|octet| **octet == b'\n').count())
}

#[cfg(test)]
mod tests {
    use super::{refused, to_crlf};

    #[test]
    fn the_line_that_is_stopped_at_the_gate_is_named() {
        assert_eq!(refused(b"a\r\nb\rc\r\n"), Some(2));
        assert_eq!(refused(b"a\r\n\r\nb\0\r\n"), Some(3));
        assert_eq!(refused(b"a\r"), Some(1));
        assert_eq!(refused(b"a\r\nb\r\n"), None);
    }

    #[test]
    fn only_bare_line_feeds_are_converted() {
        let cases: [(&[u8], &[u8], usize); 4] = [
            (b"a\r\nb\r\n", b"a\r\nb\r\n", 0),
            (b"a\nb\n", b"a\r\nb\r\n", 2),
            (b"\na\r\nb\n", b"\r\na\r\nb\r\n", 2),
            (b"a\rb", b"a\rb", 0),
        ];
        for (file, wire, converted) in cases {
            assert_eq!(to_crlf(file.to_vec()), (wire.to_vec(), converted));
        }
    }
}
