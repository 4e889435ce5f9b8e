//! Mailboxes and paths of the envelope (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::domain::{is_domain, is_domain_or_literal, is_utf8_text};
use crate::parameter::Parameter;

/// The longest local part in octets, quotes included (RFC 5321 section 4.5.3.1.1).
pub const MAX_LOCAL_PART: usize = 64;

/// A mailbox, the bare postmaster, or the null path `<>`.
///
/// Only comes out of the parser: no CR, LF, NUL or other control, a local part of at most 64
/// octets, a domain of at most 255. Nothing is decoded or folded. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    mailbox: Arc<str>,
    /// Length of the local part; behind it, if anything, comes `@`.
    at: usize,
}

impl Address {
    /// The null path `<>`.
    pub fn null() -> Self {
        Self {
            mailbox: Arc::from(""),
            at: 0,
        }
    }

    /// Parses `local@domain` without angle brackets or source route. The local part may be
    /// quoted, the domain a literal, UTF-8 is taken; `postmaster` alone is taken in any case; ""
    /// is the null path. `None` for anything else.
    ///
    /// RFC 5321 section 4.5.3.1.3 says that a path of 256 octets must be accepted; the limits of
    /// its parts keep ours under 323.
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.eq_ignore_ascii_case("postmaster") {
            return Some(Self::split(text, text.len()));
        }
        let at = local_part(text)?;
        let domain = text[at..].strip_prefix('@')?;
        is_domain_or_literal(domain).then(|| Self::split(text, at))
    }

    fn split(text: &str, at: usize) -> Self {
        Self {
            mailbox: Arc::from(text),
            at,
        }
    }

    /// `<>`
    pub fn is_null(&self) -> bool {
        self.mailbox.is_empty()
    }

    /// `postmaster` without a domain (RFC 5321 section 4.1.1.3).
    pub fn is_bare_postmaster(&self) -> bool {
        !self.is_null() && self.at == self.mailbox.len()
    }

    /// Without UTF-8; others need SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.mailbox.is_ascii()
    }

    /// Does the local part hold `%`, `!` or `@`? Old servers take it for a route to another domain,
    /// so a recipient that looks like ours may be somebody else's (RFC 5321 appendix F.2).
    pub fn looks_routed(&self) -> bool {
        self.local_part().contains(['%', '!', '@'])
    }

    /// `local@domain` as written, empty for the null path.
    pub fn mailbox(&self) -> &str {
        &self.mailbox
    }

    /// As written, quotes included.
    pub fn local_part(&self) -> &str {
        &self.mailbox[..self.at]
    }

    /// Without the quotes and backslashes that it does not need: `"al\ice"` and `alice` are one mailbox (RFC 5321 section
    /// 4.1.2), and no rule may be passed by writing it otherwise. Where it needs quotes, they and as few backslashes as can be
    /// stay.
    pub fn plain_local_part(&self) -> Cow<'_, str> {
        let written = self.local_part();
        let quoted = written
            .strip_prefix('"')
            .and_then(|it| it.strip_suffix('"'));
        let Some(quoted) = quoted else {
            return Cow::Borrowed(written);
        };
        let text = without_pairs(quoted);
        match is_dot_string(&text) {
            true => Cow::Owned(text),
            false => Cow::Owned(quote(&text)),
        }
    }

    /// As written; a literal keeps its brackets; empty for `<>` and bare postmaster.
    pub fn domain(&self) -> &str {
        self.mailbox.get(self.at + 1..).unwrap_or("")
    }
}

/// `"<" Mailbox ">"` or `"<>"`
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<")?;
        f.write_str(&self.mailbox)?;
        f.write_str(">")
    }
}

/// A path of the envelope with its ESMTP parameters: the argument of MAIL or RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// the mailbox
    pub address: Address,
    /// as the client wrote them
    pub parameters: Vec<Parameter>,
}

impl Path {
    /// A path without parameters.
    pub fn new(address: Address) -> Self {
        Self {
            address,
            parameters: Vec::new(),
        }
    }

    /// The parameter with this keyword, in any case.
    pub fn parameter(&self, keyword: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.is(keyword))
    }

    /// The SIZE the client declared in octets (RFC 1870 section 4).
    pub fn declared_size(&self) -> Option<u64> {
        self.parameter("SIZE")?.as_size()
    }

    /// Without UTF-8, parameters included.
    pub fn is_ascii(&self) -> bool {
        let ascii = |p: &Parameter| p.value().is_none_or(str::is_ascii);
        self.address.is_ascii() && self.parameters.iter().all(ascii)
    }

    /// Octets of memory behind it, for whoever keeps many.
    pub fn octets(&self) -> usize {
        let parameters = self.parameters.iter().map(Parameter::octets);
        self.address.mailbox.len() + parameters.sum::<usize>()
    }

    /// Did the client ask for SMTPUTF8 (RFC 6531 section 3.4)?
    pub fn is_utf8(&self) -> bool {
        self.parameter("SMTPUTF8").is_some()
    }
}

/// `Path [ SP Mail-parameters ]`
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)?;
        self.parameters.iter().try_for_each(|p| write!(f, " {p}"))
    }
}

/// Takes `"<" [ A-d-l ":" ] Mailbox ">"` or `"<>"` from the front: the address, and what follows.
/// The source route is checked and dropped (RFC 5321 appendix F.2).
pub(crate) fn take_path(text: &str) -> Option<(Address, &str)> {
    let inner = without_route(text.strip_prefix('<')?)?;
    let end = path_end(inner)?;
    let address = Address::parse(&inner[..end])?;
    Some((address, &inner[end + 1..]))
}

/// `A-d-l = At-domain *( "," At-domain )`, `At-domain = "@" Domain`
fn without_route(text: &str) -> Option<&str> {
    if !text.starts_with('@') {
        return Some(text);
    }
    let (route, mailbox) = text.split_once(':')?;
    let at_domain = |hop: &str| hop.strip_prefix('@').is_some_and(is_domain);
    let valid = route.split(',').all(at_domain) && !mailbox.starts_with('>');
    valid.then_some(mailbox)
}

/// Where the closing bracket is: the first `>` outside the quoted local part.
fn path_end(text: &str) -> Option<usize> {
    let quoted = if text.starts_with('"') {
        quoted_string(text)?
    } else {
        0
    };
    Some(quoted + text[quoted..].find('>')?)
}

/// `Local-part = Dot-string / Quoted-string`: its length, if one of at most 64 octets is in front.
fn local_part(text: &str) -> Option<usize> {
    let length = if text.starts_with('"') {
        quoted_string(text)?
    } else {
        text.find('@').filter(|&at| is_dot_string(&text[..at]))?
    };
    (length <= MAX_LOCAL_PART).then_some(length)
}

/// `Dot-string = Atom *("." Atom)`
/// Each backslash makes the next character stand for itself.
fn without_pairs(quoted: &str) -> String {
    let mut characters = quoted.chars();
    let plain = std::iter::from_fn(|| match characters.next()? {
        '\\' => characters.next(),
        other => Some(other),
    });
    plain.collect()
}

fn quote(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted.push('"');
    quoted
}

fn is_dot_string(text: &str) -> bool {
    text.split('.').all(is_atom)
}

/// `Atom = 1*atext`
pub(crate) fn is_atom(text: &str) -> bool {
    let special = |c: char| "!#$%&'*+-/=?^_`{|}~".contains(c);
    let atext = |c: char| c.is_ascii_alphanumeric() || special(c) || is_utf8_text(c);
    !text.is_empty() && text.chars().all(atext)
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`: its length with both quotes.
/// `QcontentSMTP = %d32-33 / %d35-91 / %d93-126 / "\" %d32-126 / UTF8-non-ascii`
fn quoted_string(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    loop {
        match characters.next()? {
            (end, '"') => return Some(end + 1),
            (_, '\\') => {
                characters.next().filter(|(_, c)| (' '..='~').contains(c))?;
            }
            (_, ' '..='~') => {}
            (_, other) if is_utf8_text(other) => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_plain_local_part() {
        let plain = |text: &str| {
            let address = Address::parse(text).expect(text);
            address.plain_local_part().into_owned()
        };
        for same in [
            "ann.b@example.org",
            r#""ann.b"@example.org"#,
            r#""a\nn\.b"@example.org"#,
        ] {
            assert_eq!(plain(same), "ann.b", "{same}");
        }
        for (written, told) in [
            (r#""ann b"@example.org"#, r#""ann b""#),
            (r#""ann\ b"@example.org"#, r#""ann b""#),
            (r#"".ann"@example.org"#, r#"".ann""#),
            (r#""a\"\\"@example.org"#, r#""a\"\\""#),
            (r#"""@example.org"#, r#""""#),
        ] {
            assert_eq!(plain(written), told, "{written}");
        }
    }
}
