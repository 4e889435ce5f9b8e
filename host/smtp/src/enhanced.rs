//! Enhanced status codes (RFC 2034, RFC 3463).

use std::fmt;

use crate::reply::Code;

/// An enhanced status code such as 5.7.1 (RFC 3463 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Enhanced {
    /// 2, 4 or 5
    pub class: u8,
    /// 0 to 999
    pub subject: u16,
    /// 0 to 999
    pub detail: u16,
}

impl Enhanced {
    /// `None` unless the class is 2, 4 or 5 and the rest is at most 999.
    pub const fn new(class: u8, subject: u16, detail: u16) -> Option<Self> {
        match class {
            2 | 4 | 5 if subject <= 999 && detail <= 999 => Some(Self {
                class,
                subject,
                detail,
            }),
            _ => None,
        }
    }

    /// Reads `class "." subject "." detail`; `None` for anything else, leading zeros included.
    pub fn parse(text: &str) -> Option<Self> {
        let (class, rest) = number(text.as_bytes())?;
        let (subject, rest) = number(rest.strip_prefix(b".")?)?;
        let (detail, rest) = number(rest.strip_prefix(b".")?)?;
        match rest {
            [] => Self::new(u8::try_from(class).ok()?, subject, detail),
            _ => None,
        }
    }

    /// Writes it as it is read.
    pub(crate) fn print(self, out: &mut impl fmt::Write) -> fmt::Result {
        let mut number = itoa::Buffer::new();
        out.write_str(number.format(self.class))?;
        for part in [self.subject, self.detail] {
            out.write_str(".")?;
            out.write_str(number.format(part))?;
        }
        Ok(())
    }

    /// The same detail in the class of `code`; `None` for a 3yz code, which has none.
    pub fn with_class_of(self, code: Code) -> Option<Self> {
        Self::new(code.class(), self.subject.min(999), self.detail.min(999))
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f)
    }
}

/// Takes one to three digits without leading zero from the front: their number, and what follows.
fn number(text: &[u8]) -> Option<(u16, &[u8])> {
    let is_digit = |octet: &&u8| octet.is_ascii_digit();
    let count = text.iter().take_while(is_digit).take(4).count();
    let (digits, rest) = text.split_at(count);
    let number = |digits: &[u8]| {
        let add = |sum, digit: &u8| 10 * sum + u16::from(digit - b'0');
        digits.iter().fold(0, add)
    };
    match digits {
        [] | [_, _, _, _] | [b'0', _, ..] => None,
        digits => Some((number(digits), rest)),
    }
}
