//! What a field's value says: unfolding (RFC 5322 section 2.2.3) and encoded words (RFC 2047).

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::memmem;

/// Longest encoded word that is decoded. RFC 2047 allows 75 octets; some senders write one long word. With this bound
/// the work is linear, whatever looks like the start of a word.
const WORD_LIMIT: usize = 1024;

/// Unfolded, decoded, without blanks around it; octets that are not UTF-8 become U+FFFD.
pub(super) fn decode(value: &[u8]) -> String {
    let line: Vec<u8> = value
        .iter()
        .copied()
        .filter(|c| !matches!(c, b'\r' | b'\n'))
        .collect();
    let line = line.trim_ascii();
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    let mut after_word = false;
    while let Some(start) = memmem::find(rest, b"=?") {
        let (before, candidate) = rest.split_at(start);
        let Some(word) = EncodedWord::parse(candidate) else {
            push(&mut text, &rest[..start + 2]);
            (rest, after_word) = (&candidate[2..], false);
            continue;
        };
        // RFC 2047 section 6.2: blanks between adjacent encoded words are not shown.
        if !(after_word && before.iter().all(u8::is_ascii_whitespace)) {
            push(&mut text, before);
        }
        text.push_str(&word.text);
        (rest, after_word) = (&candidate[word.length..], true);
    }
    push(&mut text, rest);
    text
}

fn push(text: &mut String, octets: &[u8]) {
    text.push_str(&String::from_utf8_lossy(octets));
}

struct EncodedWord {
    text: String,
    /// octets of the encoded form
    length: usize,
}

impl EncodedWord {
    /// `=?charset[*language]?B|Q?data?=` at the start of the octets.
    fn parse(octets: &[u8]) -> Option<Self> {
        let octets = &octets[..octets.len().min(WORD_LIMIT)];
        let charset_end = 2 + memchr::memchr(b'?', octets.get(2..)?)?;
        let charset = octets[2..charset_end].split(|c| *c == b'*').next()?;
        let [encoding, b'?', ..] = octets.get(charset_end + 1..)? else {
            return None;
        };
        let start = charset_end + 3;
        let end = start + memmem::find(octets.get(start..)?, b"?=")?;
        let data = &octets[start..end];
        let decoded = match encoding.to_ascii_lowercase() {
            b'b' => base64_decode(data)?,
            b'q' => q_decode(data),
            _ => return None,
        };
        let text = charset_text(charset, &decoded).into_owned();
        Some(Self {
            text,
            length: end + 2,
        })
    }
}

/// RFC 2047 section 4.2; what is not a proper escape stands for itself.
fn q_decode(data: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(data.len());
    let mut rest = data;
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).and_then(hex_octet).filter(|_| *first == b'=');
        decoded.push(match (escaped, first) {
            (Some(octet), _) => octet,
            (None, b'_') => b' ',
            (None, other) => *other,
        });
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    decoded
}

pub(super) fn hex_octet(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    let hex = digits.bytes().all(|c| c.is_ascii_hexdigit());
    hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

/// Octets of a charset as text. An unknown charset is read as UTF-8.
pub(super) fn charset_text<'o>(charset: &[u8], octets: &'o [u8]) -> Cow<'o, str> {
    match charset_decoder(charset).filter(|_| !charset.eq_ignore_ascii_case(b"utf-8")) {
        Some(decode) => decode(octets).into(),
        None => String::from_utf8_lossy(octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_people_see_them() {
        for (value, text) in [
            (&b" plain text "[..], "plain text"),
            (b" folded\r\n  twice\r\n\tover", "folded  twice\tover"),
            (b"=?utf-8?Q?Gr=C3=BC=C3=9Fe_?= aus", "Gr\u{fc}\u{df}e  aus"),
            (b"=?UTF-8?B?R3LDvMOfZQ==?=", "Gr\u{fc}\u{df}e"),
            (b"=?iso-8859-1*de?q?Gr=FC=DFe?=", "Gr\u{fc}\u{df}e"),
            (b"=?utf-8?q?a?=\r\n =?utf-8?q?b?= c", "ab c"),
            (b"a =?utf-8?q?b?= =?utf-8?q?c", "a b =?utf-8?q?c"),
            (b"=?utf-8?x?b?= =?=? =?", "=?utf-8?x?b?= =?=? =?"),
            (b"=?utf-8?q?=zz=4?=", "=zz=4"),
            (b"\xff", "\u{fffd}"),
            (b"", ""),
        ] {
            assert_eq!(decode(value), text);
        }
    }

    #[test]
    fn a_bomb_of_word_starts_costs_linear_time() {
        let bomb = b"=?aa?q?x".repeat(130_000);
        let started = std::time::Instant::now();
        assert_eq!(decode(&bomb).len(), bomb.len());
        let nested = b"=?utf-8?q?=3D=3Futf-8=3Fq=3Fa=3F=3D?=".repeat(20_000);
        assert!(decode(&nested).starts_with("=?utf-8?q?a?==?utf-8"));
        assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    }
}
