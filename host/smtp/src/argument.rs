//! The plain arguments of commands: text that cannot break out of its line.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::domain::is_utf8_text;
use crate::parameter::is_keyword;
use crate::xtext::{self, Xtext};

/// Text for one command line: printable, no controls, no white space at its ends. May be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Argument(String);

impl Argument {
    /// `None` if there is anything but printable ASCII or UTF-8 text, or white space at an end.
    pub fn new(text: &str) -> Option<Self> {
        let valid = text
            .chars()
            .all(|c| matches!(c, ' '..='~') || is_utf8_text(c));
        (valid && text.trim_matches(' ') == text).then(|| Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, without copying.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for Argument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text would not fit into one command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("controls, or white space at an end, in the argument of a command")]
pub struct BadText;

impl FromStr for Argument {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        Self::new(text).ok_or(BadText)
    }
}

/// A SASL response. Prints on the wire, never in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Argument);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// One `NAME=value` of XCLIENT or XFORWARD (Postfix, XCLIENT_README and XFORWARD_README).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    name: String,
    value: String,
}

impl Attribute {
    /// The name becomes upper case; controls in the value become `?`. `None` for a name that is
    /// not of letters, digits and hyphens, and for an empty value: write `[UNAVAILABLE]`.
    pub fn new(name: &str, value: &str) -> Option<Self> {
        let clean = |c: char| if c.is_control() { '?' } else { c };
        (is_keyword(name) && !value.is_empty()).then(|| Self {
            name: name.to_ascii_uppercase(),
            value: value.chars().map(clean).collect(),
        })
    }

    /// Reads `NAME=xtext`.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        let (name, value) = word.split_once('=')?;
        Self::new(name, std::str::from_utf8(&xtext::decode(value)?).ok()?)
    }

    /// Upper case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Not encoded.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// `attribute-name "=" attribute-value`, the value in xtext
impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, Xtext(self.value.as_bytes()))
    }
}
