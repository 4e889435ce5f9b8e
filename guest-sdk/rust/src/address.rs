//! Reading a path of the envelope.

use std::fmt;

use crate::Address;

impl Address {
    /// The null sender `<>` of bounces (RFC 5321 section 4.5.5).
    pub fn is_null(&self) -> bool {
        self.mailbox.is_empty()
    }

    /// In this domain or below it: `a@mail.example.org` is within `example.org`, and so is `a@example.org`.
    pub fn is_within(&self, domain: &str) -> bool {
        is_within(&self.domain, domain)
    }

    /// The value of an ESMTP parameter, e.g. `SIZE`; empty for one without a value.
    pub fn parameter(&self, keyword: &str) -> Option<&str> {
        let found = self
            .parameters
            .iter()
            .find(|p| p.keyword.eq_ignore_ascii_case(keyword))?;
        Some(found.value.as_deref().unwrap_or_default())
    }
}

/// `<mailbox>`, without parameters.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.mailbox)
    }
}

/// A path without parameters; without `@` all is local part (as in `<postmaster>`).
impl From<&str> for Address {
    fn from(mailbox: &str) -> Self {
        let (local, domain) = mailbox.rsplit_once('@').unwrap_or((mailbox, ""));
        Self {
            mailbox: mailbox.to_owned(),
            local_part: local.to_owned(),
            domain: domain.to_owned(),
            parameters: Vec::new(),
        }
    }
}

fn is_within(domain: &str, of: &str) -> bool {
    let Some(start) = domain.len().checked_sub(of.len()) else {
        return false;
    };
    let (below, tail) = domain.as_bytes().split_at(start);
    !of.is_empty()
        && tail.eq_ignore_ascii_case(of.as_bytes())
        && below.last().is_none_or(|&b| b == b'.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn within_a_domain() {
        let within = |mailbox: &str, domain| Address::from(mailbox).is_within(domain);
        assert!(within("a@example.org", "example.org"));
        assert!(within("a@Mail.Example.ORG", "example.org"));
        assert!(!within("a@badexample.org", "example.org"));
        assert!(!within("a@example.org", "mail.example.org"));
        assert!(!within("a@example.org", ""));
        assert!(!within("", "example.org"));
    }
}
