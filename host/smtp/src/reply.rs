//! Replies (RFC 5321 section 4.2) and enhanced status codes (RFC 2034, RFC 3463).

use std::fmt;

/// A reply code, 200 to 599 (RFC 5321 section 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

impl Code {
    /// `None` unless the first digit is 2 to 5, the second 0 to 5.
    pub const fn new(code: u16) -> Option<Self> {
        if code >= 200 && code < 600 && (code / 10) % 10 <= 5 {
            Some(Self(code))
        } else {
            None
        }
    }
    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }
    /// 2yz.
    pub const fn is_positive(self) -> bool {
        self.0 / 100 == 2
    }
    /// 3yz.
    pub const fn is_intermediate(self) -> bool {
        self.0 / 100 == 3
    }
    /// 4yz.
    pub const fn is_transient(self) -> bool {
        self.0 / 100 == 4
    }
    /// 5yz.
    pub const fn is_permanent(self) -> bool {
        self.0 / 100 == 5
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

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

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A reply: code, enhanced code, one or more printable lines without CR or LF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    enhanced: Option<Enhanced>,
    lines: Vec<String>,
}

impl Reply {
    /// Octets outside printable ASCII in `text` become `?`; LF splits lines.
    pub fn new(code: Code, enhanced: Option<Enhanced>, text: &str) -> Self {
        Self {
            code,
            enhanced,
            lines: text.split('\n').map(str::to_owned).collect(),
        }
    }
    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }
    /// The enhanced code, if any.
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.enhanced
    }
    /// The lines without code and enhanced code.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}
