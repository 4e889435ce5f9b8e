//! How a transaction can end.

/// Every transaction that began, with a MAIL that was put to filters, ends in exactly one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// the backend took it
    Delivered,
    /// 250 to the client, the message is in the quarantine
    Quarantined,
    /// 250 to the client, a filter that may do so threw it away
    Discarded,
    /// by a filter or by a rule of ours
    Refused,
    /// its own reply was passed on
    RefusedByBackend,
    /// the backend may have taken it; the client was told to try again
    InDoubt,
    /// something of ours or the backend did not work; the client was told to try again
    Failed,
    /// by RSET, a new hello, or what counts as one
    Reset,
    /// the client went away, with QUIT or without a word
    Abandoned,
    /// the client missed a deadline
    TimedOut,
    /// we ended the session for another reason
    Closed,
}

impl Fate {
    /// All of them, in the order they are declared.
    pub(crate) const ALL: [Fate; 11] = [
        Fate::Delivered,
        Fate::Quarantined,
        Fate::Discarded,
        Fate::Refused,
        Fate::RefusedByBackend,
        Fate::InDoubt,
        Fate::Failed,
        Fate::Reset,
        Fate::Abandoned,
        Fate::TimedOut,
        Fate::Closed,
    ];

    /// For people: the message of its log line.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Fate::Delivered => "delivered",
            Fate::Quarantined => "quarantined",
            Fate::Discarded => "discarded",
            Fate::Refused => "refused",
            Fate::RefusedByBackend => "refused by the backend",
            Fate::InDoubt => "in doubt",
            Fate::Failed => "failed",
            Fate::Reset => "reset",
            Fate::Abandoned => "abandoned",
            Fate::TimedOut => "timed out",
            Fate::Closed => "closed",
        }
    }

    /// For programs: a label without spaces.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Fate::RefusedByBackend => "refused_by_backend",
            Fate::InDoubt => "in_doubt",
            Fate::TimedOut => "timed_out",
            other => other.words(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Fate;

    #[test]
    fn labels_are_words_and_the_order_is_the_declared_one() {
        for (place, fate) in Fate::ALL.into_iter().enumerate() {
            assert_eq!(fate as usize, place);
            let plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(fate.label().chars().all(plain), "{fate:?}");
        }
    }
}
