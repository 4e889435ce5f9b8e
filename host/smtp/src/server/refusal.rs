//! What the machine refuses of its own accord, for whoever keeps records.

use std::mem;

use crate::address::Address;
use crate::command::Command;
use crate::reply::Reply;

/// Refusals that are told one by one; of those beyond only the number.
const MOST: usize = 32;

/// A command that the machine refused without asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// what the client was after
    pub wanted: Wanted,
    /// what it heard
    pub reply: Reply,
}

/// What a refused command was after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// MAIL: a transaction; the sender where the command could be read
    Transaction(Option<Address>),
    /// RCPT; the recipient where the command could be read
    Recipient(Option<Address>),
    /// DATA or BDAT
    Content,
    /// anything else, or nobody knows
    Other,
}

/// Those since somebody last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// in order
    pub told: Vec<Refusal>,
    /// so many more
    pub more: usize,
}

impl Refusals {
    pub(super) fn push(&mut self, wanted: Wanted, reply: Reply) {
        match self.told.len() < MOST {
            true => self.told.push(Refusal { wanted, reply }),
            false => self.more += 1,
        }
    }

    pub(super) fn take(&mut self) -> Option<Self> {
        (!self.told.is_empty()).then(|| mem::take(self))
    }
}

impl Wanted {
    /// What a line was after that is no command: its verb tells, if anything does.
    pub(crate) fn by(line: &[u8]) -> Self {
        let verb = line.split(|octet| *octet == b' ').next().unwrap_or(line);
        let is = |known: &[u8]| verb.trim_ascii_end().eq_ignore_ascii_case(known);
        match () {
            () if is(b"MAIL") => Self::Transaction(None),
            () if is(b"RCPT") => Self::Recipient(None),
            () if is(b"DATA") || is(b"BDAT") => Self::Content,
            () => Self::Other,
        }
    }
}

impl From<Command> for Wanted {
    fn from(command: Command) -> Self {
        match command {
            Command::Mail(path) => Self::Transaction(Some(path.address)),
            Command::Rcpt(path) => Self::Recipient(Some(path.address)),
            Command::Data | Command::Bdat { .. } => Self::Content,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verb_tells_what_a_bad_line_was_after() {
        for (line, wanted) in [
            (&b"mail from:<a b>"[..], Wanted::Transaction(None)),
            (b"MAIL", Wanted::Transaction(None)),
            (b"RCPT TO:<\x00>", Wanted::Recipient(None)),
            (b"data \r\n", Wanted::Content),
            (b"BDAT x", Wanted::Content),
            (b"MAILFROM:<a@b>", Wanted::Other),
            (b"", Wanted::Other),
        ] {
            assert_eq!(Wanted::by(line), wanted, "{line:?}");
        }
    }

    #[test]
    fn of_many_refusals_the_first_are_told_and_the_rest_counted() {
        let mut refusals = Refusals::default();
        assert_eq!(refusals.take(), None);
        for _ in 0..MOST + 3 {
            refusals.push(Wanted::Other, Reply::bad_sequence());
        }
        let taken = refusals.take().unwrap();
        assert_eq!((taken.told.len(), taken.more), (MOST, 3));
        assert_eq!(refusals.take(), None);
    }
}
