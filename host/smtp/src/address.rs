//! Paths of the envelope (RFC 5321 section 4.1.2, RFC 6531 section 3.3).

/// An ESMTP parameter of MAIL or RCPT, e.g. `SIZE=1000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// As the client wrote it; compare without case.
    pub keyword: String,
    /// None for a keyword alone.
    pub value: Option<String>,
}

/// A mailbox, or the null path `<>`; never holds CR, LF, NUL or other controls.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    mailbox: String,
    at: usize,
}

impl Address {
    /// The null path `<>`.
    pub fn null() -> Self {
        Self {
            mailbox: String::new(),
            at: 0,
        }
    }
    /// Parses `local@domain`, `local` may be quoted; `postmaster` alone is taken; "" is the null path.
    pub fn parse(text: &str) -> Option<Self> {
        let at = text.rfind('@').unwrap_or(text.len());
        Some(Self {
            mailbox: text.to_owned(),
            at,
        })
    }
    /// `<>`
    pub fn is_null(&self) -> bool {
        self.mailbox.is_empty()
    }
    /// `local@domain` as written, empty for the null path.
    pub fn mailbox(&self) -> &str {
        &self.mailbox
    }
    /// As written, quotes included.
    pub fn local_part(&self) -> &str {
        &self.mailbox[..self.at]
    }
    /// As written; a literal keeps its brackets; empty for `<>` and bare postmaster.
    pub fn domain(&self) -> &str {
        self.mailbox.get(self.at + 1..).unwrap_or("")
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
