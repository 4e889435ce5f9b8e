//! Making and reading verdicts.

use std::fmt;

use crate::{Reply, Verdict};

impl From<&str> for Reply {
    fn from(text: &str) -> Self {
        Reply::from(text.to_owned())
    }
}

impl From<String> for Reply {
    fn from(text: String) -> Self {
        Self {
            code: None,
            enhanced: None,
            text,
        }
    }
}

impl Verdict {
    /// Refuse for good (5xx), with text for the sender: printable US-ASCII, at most ten lines and 400 octets together; else
    /// the host's own words stand in place of all of it.
    pub fn reject(text: impl Into<String>) -> Self {
        Self::Reject(text.into().into())
    }

    /// Refuse for now (4xx): an honest client tries again.
    pub fn defer(text: impl Into<String>) -> Self {
        Self::Defer(text.into().into())
    }

    /// Reply and close the connection. The operator must grant it.
    pub fn disconnect(text: impl Into<String>) -> Self {
        Self::Disconnect(text.into().into())
    }

    /// Tell the client 250 once the message is safe in the quarantine. The operator must grant it.
    pub fn quarantine(reason: impl Into<String>) -> Self {
        Self::Quarantine(reason.into())
    }

    /// With this reply code; the host puts its own where the class does not fit the verdict. No effect on a verdict
    /// without a reply.
    #[must_use]
    pub fn code(mut self, code: u16) -> Self {
        if let Some(reply) = self.reply_mut() {
            reply.code = Some(code);
        }
        self
    }

    /// With this enhanced status code (RFC 3463), e.g. `"5.7.1"`. No effect on a verdict without a reply.
    #[must_use]
    pub fn enhanced(mut self, status: impl Into<String>) -> Self {
        if let Some(reply) = self.reply_mut() {
            reply.enhanced = Some(status.into());
        }
        self
    }

    /// No objection from this filter: `Continue` or `Accept`.
    pub fn passes(&self) -> bool {
        matches!(self, Self::Continue | Self::Accept)
    }

    /// The reply of a refusal.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Reject(reply) | Self::Defer(reply) | Self::Disconnect(reply) => Some(reply),
            _ => None,
        }
    }

    fn reply_mut(&mut self) -> Option<&mut Reply> {
        match self {
            Self::Reject(reply) | Self::Defer(reply) | Self::Disconnect(reply) => Some(reply),
            _ => None,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Accept => "accept",
            Self::Reject(_) => "reject",
            Self::Defer(_) => "defer",
            Self::Discard => "discard",
            Self::Quarantine(_) => "quarantine",
            Self::Disconnect(_) => "disconnect",
        }
    }
}

/// `reject 550 5.7.1 text`: codes only where the filter chose them.
impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        if let Self::Quarantine(reason) = self {
            write!(f, " {reason}")?;
        }
        self.reply().map_or(Ok(()), |reply| write!(f, " {reply}"))
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(code) = self.code {
            write!(f, "{code} ")?;
        }
        if let Some(status) = &self.enhanced {
            write!(f, "{status} ")?;
        }
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn print_as_the_reply_they_mean() {
        let verdict = Verdict::reject("no").code(553).enhanced("5.1.8");
        assert_eq!(verdict.to_string(), "reject 553 5.1.8 no");
        assert_eq!(Verdict::defer("later").to_string(), "defer later");
        assert_eq!(Verdict::quarantine("virus").to_string(), "quarantine virus");
        assert_eq!(Verdict::Discard.code(250), Verdict::Discard);
    }
}
