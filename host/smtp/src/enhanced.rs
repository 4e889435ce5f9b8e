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
        let mut numbers = text.split('.');
        let class = number(numbers.next()?)?;
        let subject = number(numbers.next()?)?;
        let detail = number(numbers.next()?)?;
        match numbers.next() {
            None => Self::new(u8::try_from(class).ok()?, subject, detail),
            Some(_) => None,
        }
    }

    /// The same detail in the class of `code`; `None` for a 3yz code, which has none.
    pub fn with_class_of(self, code: Code) -> Option<Self> {
        Self::new(code.class(), self.subject.min(999), self.detail.min(999))
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// One to three digits without leading zero.
fn number(digits: &str) -> Option<u16> {
    let plain = digits.len() <= 3 && digits.bytes().all(|b| b.is_ascii_digit());
    let short = digits == "0" || !digits.starts_with('0');
    (plain && short).then(|| digits.parse().ok()).flatten()
}
