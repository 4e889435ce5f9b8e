//! What a field's value says: unfolding (RFC 5322 section 2.2.3) and encoded words (RFC 2047).

use std::borrow::Cow;

use mail_parser::decoders::charsets::map::charset_decoder;
use memchr::memmem;

use super::parts::base64;

/// Longest charset, with its language, of an encoded word that is decoded. Its data has no bound: RFC 2047 allows 75
/// octets of all, but programs show long words, too.
const CHARSET_LIMIT: usize = 80;

/// Unfolded, decoded, without blanks around it; octets that are not UTF-8 become U+FFFD.
pub(super) fn decode(value: &[u8]) -> String {
    let line: Vec<u8> = value
        .iter()
        .copied()
        .filter(|c| !matches!(c, b'\r' | b'\n'))
        .collect();
    let line = line.trim_ascii();
    let mut text = Text {
        shown: String::with_capacity(line.len()),
        words: None,
    };
    let mut rest = line;
    // With this the work is linear, whatever looks like the start of a word.
    let mut ends = Ends::Maybe;
    while let Some(start) = memmem::find(rest, b"=?") {
        let (before, candidate) = rest.split_at(start);
        match EncodedWord::parse(candidate, &mut ends) {
            Some(word) => {
                rest = &candidate[word.length..];
                text.word(before, word);
            }
            None => {
                text.octets(&rest[..start + 2]);
                rest = &candidate[2..];
            }
        }
    }
    text.octets(rest);
    text.shown
}

/// Are there ends of encoded words in what is left?
#[derive(PartialEq, Eq)]
enum Ends {
    Maybe,
    None,
}

/// A value as far as it is decoded.
struct Text<'v> {
    shown: String,
    /// encoded words one after the other
    words: Option<Words<'v>>,
}

/// Words of one charset and encoding are decoded together: a character may begin in one and end in the next.
struct Words<'v> {
    charset: &'v [u8],
    encoding: u8,
    data: Vec<u8>,
}

impl<'v> Text<'v> {
    fn octets(&mut self, octets: &[u8]) {
        if let Some(words) = self.words.take() {
            self.shown.push_str(&words.text());
        }
        self.shown.push_str(&String::from_utf8_lossy(octets));
    }

    fn word(&mut self, before: &[u8], word: EncodedWord<'v>) {
        // RFC 2047 section 6.2: blanks between adjacent encoded words are not shown.
        let adjacent = self.words.is_some() && before.iter().all(u8::is_ascii_whitespace);
        match &mut self.words {
            Some(words) if adjacent && words.are_like(&word) => {
                words.data.extend_from_slice(&word.digits());
            }
            _ => {
                self.octets(if adjacent { b"" } else { before });
                self.words = Some(Words {
                    charset: word.charset,
                    encoding: word.encoding,
                    data: word.digits().into_owned(),
                });
            }
        }
    }
}

impl Words<'_> {
    fn are_like(&self, word: &EncodedWord<'_>) -> bool {
        self.charset.eq_ignore_ascii_case(word.charset) && self.encoding == word.encoding
    }

    fn text(&self) -> String {
        let octets = match self.encoding {
            b'b' => base64(&self.data),
            _ => q_decode(&self.data),
        };
        charset_text(self.charset, &octets).into_owned()
    }
}

struct EncodedWord<'v> {
    charset: &'v [u8],
    /// `b` or `q`
    encoding: u8,
    data: &'v [u8],
    /// octets of the encoded form
    length: usize,
}

impl<'v> EncodedWord<'v> {
    /// `=?charset[*language]?B|Q?data?=` at the start of the octets.
    fn parse(octets: &'v [u8], ends: &mut Ends) -> Option<Self> {
        let head = &octets[..octets.len().min(2 + CHARSET_LIMIT)];
        let charset_end = 2 + memchr::memchr(b'?', head.get(2..)?)?;
        let charset = octets[2..charset_end].split(|c| *c == b'*').next()?;
        let [encoding, b'?', ..] = octets.get(charset_end + 1..)? else {
            return None;
        };
        let encoding = encoding.to_ascii_lowercase();
        if *ends == Ends::None || !matches!(encoding, b'b' | b'q') {
            return None;
        }
        let start = charset_end + 3;
        let data = &octets[start..];
        let mut marks = memchr::memchr_iter(b'?', data);
        let length = loop {
            let Some(at) = marks.next() else {
                *ends = Ends::None;
                return None;
            };
            if data.get(at + 1) == Some(&b'=') {
                break at;
            }
            // Another word begins: this one never ends.
            if at > 0 && data[at - 1] == b'=' {
                return None;
            }
        };
        Some(Self {
            charset,
            encoding,
            data: &octets[start..start + length],
            length: start + length + 2,
        })
    }

    /// Its data. In base64 programs pass over a `=` that more digits follow; at the end of a word it ends a group.
    fn digits(&self) -> Cow<'v, [u8]> {
        let end = self.data.iter().rposition(|octet| *octet != b'=');
        let (inner, padding) = self.data.split_at(end.map_or(0, |end| end + 1));
        if self.encoding != b'b' || memchr::memchr(b'=', inner).is_none() {
            return self.data.into();
        }
        let inner = inner.iter().filter(|octet| **octet != b'=');
        inner.chain(padding).copied().collect()
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
            (b"=?utf-8?B?UGF5!UGFs?=", "PayPal"),
            (b"=?utf-8?B?UGF5\xffUGFs?=", "PayPal"),
            (b"=?utf-8?B?U=GF5UGF=s?=", "PayPal"),
            (b"=?utf-8?B?=UGF5UGFs==?=", "PayPal"),
            (
                b"=?utf-8?B?AAAA visit evil.example =?utf-8?q?x?=",
                "=?utf-8?B?AAAA visit evil.example x",
            ),
            (b"=?utf-8?q?what??=", "what?"),
            (b"=?utf-8?B?UGF5?= =?utf-8?b?UGFs?=", "PayPal"),
            (
                b"=?utf-8?Q?Gr=C3?=\r\n =?UTF-8*de?q?=BC=C3=9Fe?=",
                "Gr\u{fc}\u{df}e",
            ),
            (b"=?utf-8?B?R3L?= =?utf-8?B?DvMOfZQ==?=", "Gr\u{fc}\u{df}e"),
            (b"=?utf-8?B?R3I=?= =?utf-8?B?w7w=?= x", "Gr\u{fc} x"),
            (
                b"=?utf-8?Q?a?= =?iso-8859-1?Q?=FC?= =?utf-8?B?Yg==?=",
                "a\u{fc}b",
            ),
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
