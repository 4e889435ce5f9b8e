//! What a filter says at a stage.

/// What a filter would like the client to hear. Not trusted: `Chain` builds the reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyHint {
    /// e.g. 550
    pub code: Option<u16>,
    /// e.g. "5.7.1"
    pub enhanced: Option<String>,
    /// one or more lines
    pub text: String,
}

/// The closed list of verdicts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// no objection; the next filter is asked
    Continue,
    /// no objection; no later filter is asked in this transaction
    Accept,
    /// refuse for good
    Reject(ReplyHint),
    /// refuse for now
    Defer(ReplyHint),
    /// 250 to the client, delivered to nobody
    Discard,
    /// 250 once the message is safe in the quarantine
    Quarantine(String),
    /// reply and close
    Disconnect(ReplyHint),
}

/// A verdict without its data, as granted in a filter's TOML.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VerdictKind {
    /// always granted
    Continue,
    /// must be granted
    Accept,
    /// granted by default
    Reject,
    /// granted by default
    Defer,
    /// must be granted
    Discard,
    /// must be granted
    Quarantine,
    /// must be granted
    Disconnect,
}

impl Verdict {
    /// Without its data.
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Verdict::Continue => VerdictKind::Continue,
            Verdict::Accept => VerdictKind::Accept,
            Verdict::Reject(_) => VerdictKind::Reject,
            Verdict::Defer(_) => VerdictKind::Defer,
            Verdict::Discard => VerdictKind::Discard,
            Verdict::Quarantine(_) => VerdictKind::Quarantine,
            Verdict::Disconnect(_) => VerdictKind::Disconnect,
        }
    }

    /// Octets of its words.
    pub fn octets(&self) -> usize {
        match self {
            Verdict::Continue | Verdict::Accept | Verdict::Discard => 0,
            Verdict::Reject(hint) | Verdict::Defer(hint) | Verdict::Disconnect(hint) => {
                hint.text.len() + hint.enhanced.as_ref().map_or(0, String::len)
            }
            Verdict::Quarantine(reason) => reason.len(),
        }
    }
}

impl VerdictKind {
    /// All of them.
    pub const ALL: [VerdictKind; 7] = [
        VerdictKind::Continue,
        VerdictKind::Accept,
        VerdictKind::Reject,
        VerdictKind::Defer,
        VerdictKind::Discard,
        VerdictKind::Quarantine,
        VerdictKind::Disconnect,
    ];

    /// As written in a filter's TOML and in the log.
    pub const fn name(self) -> &'static str {
        match self {
            VerdictKind::Continue => "continue",
            VerdictKind::Accept => "accept",
            VerdictKind::Reject => "reject",
            VerdictKind::Defer => "defer",
            VerdictKind::Discard => "discard",
            VerdictKind::Quarantine => "quarantine",
            VerdictKind::Disconnect => "disconnect",
        }
    }
}

impl std::fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
