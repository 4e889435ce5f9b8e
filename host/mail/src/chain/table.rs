//! What each verdict means at each stage, and what the client hears by default.

use lazaret_smtp::{Code, Enhanced};

use crate::{Stage, VerdictKind};

/// One cell of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// the next filter is asked
    Next,
    /// no later filter is asked
    Accept,
    /// this command is answered so
    Refuse(Default),
    /// the same, and the connection is closed
    Close(Default),
    /// quarantine or discard, if nobody refuses
    Mark,
    /// no such verdict at this stage
    NotAllowed,
}

/// A reply code with its enhanced code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Default {
    pub(super) code: Code,
    pub(super) enhanced: Enhanced,
}

const fn default(code: u16, subject: u16, detail: u16) -> Default {
    let Some(valid) = Code::new(code) else {
        panic!("the table holds valid codes only");
    };
    let class = (code / 100) as u8;
    let enhanced = Enhanced {
        class,
        subject,
        detail,
    };
    Default {
        code: valid,
        enhanced,
    }
}

const CLOSE: Cell = Cell::Close(default(421, 7, 1));

/// The table.
pub(super) const fn cell(stage: Stage, verdict: VerdictKind) -> Cell {
    match verdict {
        VerdictKind::Continue => Cell::Next,
        _ if matches!(stage, Stage::Outcome | Stage::Disconnect) => Cell::NotAllowed,
        VerdictKind::Accept => Cell::Accept,
        VerdictKind::Reject => Cell::Refuse(rejection(stage)),
        VerdictKind::Defer => match stage {
            Stage::Connect => CLOSE,
            _ => Cell::Refuse(deferral(stage)),
        },
        VerdictKind::Disconnect => CLOSE,
        VerdictKind::Quarantine | VerdictKind::Discard => match stage {
            Stage::Auth => Cell::NotAllowed,
            _ => Cell::Mark,
        },
    }
}

const fn rejection(stage: Stage) -> Default {
    match stage {
        Stage::Connect => default(554, 7, 1),
        Stage::Auth => default(535, 7, 8),
        _ => default(550, 7, 1),
    }
}

const fn deferral(stage: Stage) -> Default {
    match stage {
        Stage::Hello => default(450, 7, 1),
        Stage::Auth => default(454, 7, 0),
        _ => default(451, 7, 1),
    }
}

/// May a filter choose this code for the verdict? 421 announces a close, so it is for a close only.
pub(super) fn fits(stage: Stage, verdict: VerdictKind, code: Code) -> bool {
    let closes = matches!(cell(stage, verdict), Cell::Close(_));
    match verdict {
        VerdictKind::Reject => code.is_permanent(),
        VerdictKind::Defer => code.is_transient() && (closes || code.get() != 421),
        VerdictKind::Disconnect => {
            code.is_transient() || (stage == Stage::Connect && code.is_permanent())
        }
        _ => false,
    }
}
