use bytes::Bytes;
use mail_parser::decoders::base64::base64_decode;
use memchr::memmem;

use crate::message::section::without_line_end;
use crate::message::text::hex_octet;

/// Content-Transfer-Encoding (RFC 2045 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// 7bit, 8bit, binary
    Identity,
    Base64,
    QuotedPrintable,
    /// of no standard, but programs know it
    Uuencode,
    /// left as it is
    Unknown,
}

impl Encoding {
    /// The name that the encoded octets themselves say.
    pub(super) fn name_inside(self, octets: &[u8]) -> Option<&[u8]> {
        let (name, _) = Some(octets)
            .filter(|_| self == Encoding::Uuencode)
            .and_then(uuencoded)?;
        Some(name)
    }

    /// Are the octets others than those that stand there?
    pub(super) fn is_one(self) -> bool {
        !matches!(self, Encoding::Identity | Encoding::Unknown)
    }

    /// Is nothing of the content to be seen in what stands there?
    pub(super) fn hides_all(self) -> bool {
        matches!(self, Encoding::Base64 | Encoding::Uuencode)
    }

    /// Digits of base64 behind a `=`: some programs end there, some pass over it, and some begin anew.
    pub(super) fn is_read_differently(self, octets: &[u8]) -> bool {
        let end = memchr::memchr(b'=', octets).filter(|_| self == Encoding::Base64);
        end.is_some_and(|end| octets[end..].iter().any(|c| base64_digit(*c).is_some()))
    }

    /// Most octets that decoding makes; it takes no other memory.
    pub(super) fn most(self, octets: &[u8]) -> usize {
        match self {
            Encoding::Identity | Encoding::Unknown => 0,
            Encoding::Base64 => base64_most(octets),
            Encoding::QuotedPrintable | Encoding::Uuencode => octets.len(),
        }
    }

    pub(super) fn decode(self, octets: Bytes) -> Bytes {
        match self {
            Encoding::Identity | Encoding::Unknown => octets,
            Encoding::Base64 => base64(&octets).into(),
            Encoding::QuotedPrintable => quoted_printable(&octets).into(),
            Encoding::Uuencode => match uuencoded(&octets) {
                Some((_, lines)) => uudecode(lines).into(),
                None => octets,
            },
        }
    }
}

/// RFC 2045 section 6.8: all outside the alphabet is ignored, so that a stray octet hides nothing.
pub(in crate::message) fn base64(octets: &[u8]) -> Vec<u8> {
    // To the decoder 0xFF is an end.
    let whole = Some(octets).filter(|octets| memchr::memchr(u8::MAX, octets).is_none());
    whole
        .and_then(base64_decode)
        .unwrap_or_else(|| base64_digits(octets))
}

/// Digit by digit: a copy of the digits alone would take memory.
fn base64_digits(octets: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(base64_most(octets));
    for digits in octets.split(|c| *c == b'=') {
        let (mut word, mut bits) = (0_u32, 0);
        for digit in digits.iter().filter_map(|c| base64_digit(*c)) {
            word = word << 6 | u32::from(digit);
            bits += 6;
            if bits >= 8 {
                bits -= 8;
                decoded.push((word >> bits) as u8);
            }
        }
    }
    decoded
}

const fn base64_digit(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

const fn base64_most(octets: &[u8]) -> usize {
    octets.len().div_ceil(4) * 3
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
        unescape(b'=', content, &mut decoded);
        if !soft {
            decoded.extend_from_slice(line_end);
        }
    }
    decoded
}

/// What is not two hexadecimal digits behind a `mark` leaves it as it stands.
pub(super) fn unescape(mark: u8, mut rest: &[u8], decoded: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(mark, rest) {
        decoded.extend_from_slice(&rest[..at]);
        let escaped = rest.get(at + 1..at + 3).and_then(hex_octet);
        decoded.push(escaped.unwrap_or(mark));
        rest = &rest[at + if escaped.is_some() { 3 } else { 1 }..];
    }
    decoded.extend_from_slice(rest);
}

/// The name and the lines behind `begin 644 name` (POSIX uuencode).
fn uuencoded(octets: &[u8]) -> Option<(&[u8], &[u8])> {
    const BEGIN: &[u8] = b"begin ";
    let starts = memmem::find_iter(octets, BEGIN).filter(|at| *at == 0 || octets[at - 1] == b'\n');
    let mut behind = starts.map(|at| &octets[at + BEGIN.len()..]);
    let begun = behind.find(|rest| rest.first().is_some_and(u8::is_ascii_digit))?;
    let (line, lines) = begun.split_at(memchr::memchr(b'\n', begun)? + 1);
    let name = memchr::memchr(b' ', line).map_or(&b""[..], |blank| &line[blank..]);
    Some((name.trim_ascii(), lines))
}

fn uudecode(lines: &[u8]) -> Vec<u8> {
    // A line of one digit makes three octets, and the last one may have no line end.
    let mut decoded = Vec::with_capacity(lines.len() + 1);
    let lines = lines.split(|c| *c == b'\n').map(<[u8]>::trim_ascii_end);
    for line in lines.take_while(|line| *line != b"end") {
        let Some((length, digits)) = line.split_first() else {
            continue;
        };
        let line_end = decoded.len() + usize::from(six_bits(*length));
        for group in digits.chunks(4) {
            let bits = |at: usize| u32::from(group.get(at).map_or(0, |digit| six_bits(*digit)));
            let word = bits(0) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3);
            decoded.extend_from_slice(&word.to_be_bytes()[1..]);
        }
        decoded.truncate(line_end);
    }
    decoded
}

const fn six_bits(digit: u8) -> u8 {
    digit.wrapping_sub(b' ') & 0x3f
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
            (Encoding::Unknown, b"=3D", b"=3D"),
            (
                Encoding::Uuencode,
                b"begin here:\r\nbegin 644 a.txt\r\n%:&5L;&\\\r\n`\r\nend\r\n!!!!",
                b"hello",
            ),
            (
                Encoding::Uuencode,
                b"begin 644 a\n%:&5L;&\\\n#:&5L",
                b"hellohel",
            ),
            (Encoding::Uuencode, b"no begin 644 a", b"no begin 644 a"),
        ] {
            assert_eq!(encoding.decode(Bytes::from_static(octets)), decoded);
        }
    }

    #[test]
    fn nothing_outside_the_alphabet_changes_base64() {
        let text = b"aGVsbG8gd29ybGQhIQ==aGVsbG8=aGVsbA";
        let decoded = b"hello world!!hellohell";
        assert_eq!(base64(text), decoded);
        for stray in (0..=u8::MAX).filter(|octet| !of_alphabet(*octet)) {
            for place in 0..=text.len() {
                let octets = [&text[..place], &[stray], &text[place..]].concat();
                assert_eq!(base64(&octets), decoded, "{stray:#x} at {place}");
            }
        }
    }

    #[test]
    fn base64_is_the_same_digit_by_digit() {
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for end in 0..=digits.len() {
            for tail in ["", "=", "==", "=QQ"] {
                let text = [&digits[..end], tail.as_bytes()].concat();
                assert_eq!(base64_decode(&text), Some(base64_digits(&text)));
            }
        }
    }

    /// More would be allocated twice over.
    #[test]
    fn decoding_makes_no_more_than_is_said() {
        for (encoding, octets) in [
            (Encoding::Base64, b"aGVsbG8!".repeat(100)),
            (Encoding::Base64, b"aGVsbG8h".repeat(100)),
            (Encoding::QuotedPrintable, b"a=3D=zz\n".repeat(100)),
            (
                Encoding::Uuencode,
                [b"begin 6\n", &b"Ma\n".repeat(100)[..], b"Ma"].concat(),
            ),
            (
                Encoding::Uuencode,
                [b"begin 6\n", &b"Mabcde\r\n".repeat(100)[..]].concat(),
            ),
        ] {
            let most = encoding.most(&octets);
            let decoded = Vec::from(encoding.decode(octets.into()));
            assert!(
                !decoded.is_empty() && decoded.capacity() <= most,
                "{encoding:?}"
            );
        }
    }

    fn of_alphabet(octet: u8) -> bool {
        octet.is_ascii_alphanumeric() || b"+/=".contains(&octet)
    }
}
