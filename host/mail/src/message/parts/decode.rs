use bytes::Bytes;
use mail_parser::decoders::base64::base64_decode;

use crate::message::section::without_line_end;
use crate::message::text::hex_octet;

/// Content-Transfer-Encoding (RFC 2045 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary, or unknown
    Identity,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    pub(super) fn decode(self, octets: Bytes) -> Bytes {
        match self {
            Encoding::Identity => octets,
            Encoding::Base64 => base64(&octets).into(),
            Encoding::QuotedPrintable => quoted_printable(&octets).into(),
        }
    }
}

/// RFC 2045 section 6.8: all outside the alphabet is ignored, so that a stray octet hides nothing.
fn base64(octets: &[u8]) -> Vec<u8> {
    let of_alphabet = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'+' | b'/' | b'=');
    base64_decode(octets).unwrap_or_else(|| {
        let clean: Vec<u8> = octets.iter().copied().filter(of_alphabet).collect();
        base64_decode(&clean).expect("only octets of the alphabet are left")
    })
}

/// RFC 2045 section 6.7: an `=` that starts no escape stands for itself.
fn quoted_printable(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(octets.len());
    for line in octets.split_inclusive(|c| *c == b'\n') {
        let content = without_line_end(line);
        let line_end = &line[content.len()..];
        let content = content.trim_ascii_end();
        let soft = content.ends_with(b"=");
        let content = if soft {
            &content[..content.len() - 1]
        } else {
            content
        };
        unescape(content, &mut decoded);
        if !soft {
            decoded.extend_from_slice(line_end);
        }
    }
    decoded
}

fn unescape(mut rest: &[u8], decoded: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'=', rest) {
        decoded.extend_from_slice(&rest[..at]);
        let escaped = rest.get(at + 1..at + 3).and_then(hex_octet);
        decoded.push(escaped.unwrap_or(b'='));
        rest = &rest[at + if escaped.is_some() { 3 } else { 1 }..];
    }
    decoded.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_encodings_decode_leniently() {
        for (encoding, octets, decoded) in [
            (Encoding::Base64, &b"aGVs\r\nbG8=\r\n"[..], &b"hello"[..]),
            (Encoding::Base64, b"aG!V\x00s*bG8=", b"hello"),
            (Encoding::Base64, b"aGVsbG8=aGVsbG8=", b"hellohello"),
            (Encoding::Base64, b"!", b""),
            (
                Encoding::QuotedPrintable,
                b"a=3D=\r\nb \t\r\nc=zz=",
                b"a=b\r\nc=zz",
            ),
            (Encoding::QuotedPrintable, b"=4", b"=4"),
            (Encoding::QuotedPrintable, b"=c3=BC", "\u{fc}".as_bytes()),
            (Encoding::Identity, b"=3D", b"=3D"),
        ] {
            assert_eq!(encoding.decode(Bytes::from_static(octets)), decoded);
        }
    }
}
