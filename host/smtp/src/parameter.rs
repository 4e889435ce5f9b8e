//! ESMTP parameters of MAIL and RCPT and what their values may be.

use std::fmt;

use crate::address::is_atom;
use crate::domain::is_utf8_text;
use crate::xtext;

/// The longest ENVID in octets (RFC 3461 section 4.4).
const MAX_ENVID: usize = 100;

/// The longest ORCPT in octets (RFC 3461 section 4.2).
const MAX_ORCPT: usize = 500;

/// An ESMTP parameter of MAIL or RCPT, e.g. `SIZE=1000` (RFC 5321 section 4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    keyword: String,
    value: Option<String>,
}

/// Which command a parameter belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Mail,
    Rcpt,
}

/// The parameters we know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Size,
    Body,
    SmtpUtf8,
    Ret,
    Envid,
    Auth,
    Notify,
    Orcpt,
}

const KINDS: [(&str, Kind); 8] = [
    ("SIZE", Kind::Size),
    ("BODY", Kind::Body),
    ("SMTPUTF8", Kind::SmtpUtf8),
    ("RET", Kind::Ret),
    ("ENVID", Kind::Envid),
    ("AUTH", Kind::Auth),
    ("NOTIFY", Kind::Notify),
    ("ORCPT", Kind::Orcpt),
];

impl Kind {
    fn owner(self) -> Owner {
        match self {
            Self::Notify | Self::Orcpt => Owner::Rcpt,
            _ => Owner::Mail,
        }
    }
}

/// What is wrong with a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParameterFault {
    Unknown,
    BadValue,
}

impl Parameter {
    /// `None` unless the keyword is of letters, digits and hyphens and the value, if any, of
    /// printable characters other than space and `=` (RFC 5321 section 4.1.2, RFC 6531 section 3.3).
    pub fn new(keyword: &str, value: Option<&str>) -> Option<Self> {
        let valid = is_keyword(keyword) && value.is_none_or(is_value);
        valid.then(|| Self {
            keyword: keyword.to_owned(),
            value: value.map(str::to_owned),
        })
    }

    /// As the client wrote it.
    pub fn keyword(&self) -> &str {
        &self.keyword
    }

    /// Octets of memory that it takes.
    pub(crate) fn octets(&self) -> usize {
        let value = self.value.as_ref().map_or(0, String::len);
        size_of::<Self>() + self.keyword.len() + value
    }

    /// As the client wrote it; `None` for a keyword alone.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    /// Is this the keyword, in any case?
    pub fn is(&self, keyword: &str) -> bool {
        self.keyword.eq_ignore_ascii_case(keyword)
    }

    /// The value of SIZE in octets; more than fits is the most there is.
    pub(crate) fn as_size(&self) -> Option<u64> {
        let digits = self.value.as_deref().filter(|v| is_size(v))?;
        Some(digits.parse().unwrap_or(u64::MAX))
    }

    /// Which known parameter this is.
    pub(crate) fn kind(&self) -> Option<Kind> {
        KINDS
            .iter()
            .find(|(name, _)| self.is(name))
            .map(|(_, kind)| *kind)
    }

    /// Checks the value as the extension's RFC says.
    fn check(&self, owner: Owner) -> Result<(), ParameterFault> {
        let kind = self.kind().filter(|kind| kind.owner() == owner);
        let valid = match (kind.ok_or(ParameterFault::Unknown)?, self.value()) {
            (Kind::SmtpUtf8, value) => value.is_none(),
            (_, None) => false,
            (Kind::Body, Some(value)) => return check_body(value),
            (Kind::Size, Some(value)) => is_size(value),
            (Kind::Ret, Some(value)) => is_one_of(value, &["FULL", "HDRS"]),
            (Kind::Envid, Some(value)) => is_envid(value),
            (Kind::Auth, Some(value)) => value == "<>" || xtext::decode(value).is_some(),
            (Kind::Notify, Some(value)) => is_notify(value),
            (Kind::Orcpt, Some(value)) => is_orcpt(value),
        };
        valid.then_some(()).ok_or(ParameterFault::BadValue)
    }
}

/// `esmtp-param = esmtp-keyword ["=" esmtp-value]`
impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.keyword),
            None => f.write_str(&self.keyword),
        }
    }
}

/// `*( SP esmtp-param )`: each known, well formed and there only once.
pub(crate) fn parse_all(text: &str, owner: Owner) -> Result<Vec<Parameter>, ParameterFault> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let parameter = Parameter::new(keyword, value).ok_or(ParameterFault::BadValue)?;
        parameter.check(owner)?;
        if parameters.iter().any(|earlier| earlier.is(keyword)) {
            return Err(ParameterFault::BadValue);
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

/// `esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")`
pub(crate) fn is_keyword(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !text.is_empty() && !text.starts_with('-') && text.bytes().all(inside)
}

/// `esmtp-value = 1*(%d33-60 / %d62-126 / UTF8-non-ascii)`
fn is_value(text: &str) -> bool {
    let inside = |c: char| matches!(c, '!'..='<' | '>'..='~') || is_utf8_text(c);
    !text.is_empty() && text.chars().all(inside)
}

/// `size-value = 1*20DIGIT` (RFC 1870 section 4)
fn is_size(value: &str) -> bool {
    (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
}

/// `body-value = "7BIT" / "8BITMIME"` (RFC 6152 section 3). BINARYMIME (RFC 3030) is known and
/// not offered.
fn check_body(value: &str) -> Result<(), ParameterFault> {
    if value.eq_ignore_ascii_case("BINARYMIME") {
        return Err(ParameterFault::Unknown);
    }
    let valid = is_one_of(value, &["7BIT", "8BITMIME"]);
    valid.then_some(()).ok_or(ParameterFault::BadValue)
}

/// xtext of at most 100 octets that stands for printable ASCII (RFC 3461 section 4.4).
fn is_envid(value: &str) -> bool {
    value.len() <= MAX_ENVID && is_printable_xtext(value)
}

/// `"NEVER" / 1#( "SUCCESS" / "FAILURE" / "DELAY" )` (RFC 3461 section 4.1), each once: a list
/// without end would make a recipient as long as a line may be.
fn is_notify(value: &str) -> bool {
    const EVENTS: [&str; 3] = ["SUCCESS", "FAILURE", "DELAY"];
    let event = |word| is_one_of(word, &EVENTS);
    let few = value.split(',').count() <= EVENTS.len();
    let once = |name| {
        value
            .split(',')
            .filter(|word| is_one_of(word, &[name]))
            .count()
            <= 1
    };
    let list = few && value.split(',').all(event) && EVENTS.into_iter().all(once);
    value.eq_ignore_ascii_case("NEVER") || list
}

/// `addr-type ";" xtext` of at most 500 octets (RFC 3461 section 4.2); behind `utf-8;` there may
/// be UTF-8 (RFC 6533 section 3).
fn is_orcpt(value: &str) -> bool {
    let Some((kind, address)) = value.split_once(';') else {
        return false;
    };
    let valid = kind.eq_ignore_ascii_case("utf-8") || is_printable_xtext(address);
    value.len() <= MAX_ORCPT && kind.is_ascii() && is_atom(kind) && !address.is_empty() && valid
}

fn is_printable_xtext(value: &str) -> bool {
    let printable = |octets: Vec<u8>| octets.iter().all(|b| matches!(b, b' '..=b'~'));
    xtext::decode(value).is_some_and(printable)
}

fn is_one_of(value: &str, choices: &[&str]) -> bool {
    choices
        .iter()
        .any(|choice| value.eq_ignore_ascii_case(choice))
}
