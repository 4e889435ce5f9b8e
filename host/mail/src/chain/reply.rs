//! Builds what the client hears. A filter proposes, the host disposes: class by verdict, printable, bounded.

use lazaret_smtp::{Code, Enhanced, Reply};

use super::table::{self, Default};
use crate::{ReplyHint, Stage, VerdictKind};

/// Most octets of a filter's text.
const TEXT_LIMIT: usize = 400;
/// Most lines of it.
const LINE_LIMIT: usize = 10;

/// Where and why a reply is built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Occasion<'s> {
    pub(super) stage: Stage,
    pub(super) verdict: VerdictKind,
    /// the session's id, put at the end of the text
    pub(super) id: &'s str,
}

/// A reply, and how much of the filter's proposal had to be replaced.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Built {
    pub(super) reply: Reply,
    pub(super) replaced: u32,
}

/// From a filter's proposal.
pub(super) fn build(occasion: Occasion<'_>, default: Default, hint: &ReplyHint) -> Built {
    let (code, code_replaced) = code(occasion, default, hint.code);
    let (enhanced, enhanced_replaced) = enhanced(code, default, hint.enhanced.as_deref());
    let (text, text_replaced) = match text(&hint.text) {
        Some(text) => (text, 0),
        None => (
            own_words(occasion.verdict).to_owned(),
            u32::from(!hint.text.is_empty()),
        ),
    };
    Built {
        reply: Reply::new(code, Some(enhanced), &format!("{text} ({})", occasion.id)),
        replaced: code_replaced + enhanced_replaced + text_replaced,
    }
}

/// For a filter that failed.
pub(super) fn failure(occasion: Occasion<'_>, default: Default) -> Reply {
    let words = match occasion.verdict {
        VerdictKind::Reject => "Cannot be checked",
        _ => "Cannot be checked now, try again later",
    };
    let text = format!("{words} ({})", occasion.id);
    Reply::new(default.code, Some(default.enhanced), &text)
}

/// Where there is no place for a sandbox (RFC 3463: 4.3.2, not accepting messages now).
pub(super) fn busy(occasion: Occasion<'_>, default: Default) -> Reply {
    let text = format!(
        "Too busy to check mail now, try again later ({})",
        occasion.id
    );
    Reply::new(default.code, Enhanced::new(4, 3, 2), &text)
}

fn code(occasion: Occasion<'_>, default: Default, wanted: Option<u16>) -> (Code, u32) {
    let Some(wanted) = wanted else {
        return (default.code, 0);
    };
    let code = Code::new(wanted);
    let fitting = code.filter(|code| table::fits(occasion.stage, occasion.verdict, *code));
    (
        fitting.unwrap_or(default.code),
        u32::from(fitting.is_none()),
    )
}

/// Its class is that of the code (RFC 2034 section 4).
fn enhanced(code: Code, default: Default, wanted: Option<&str>) -> (Enhanced, u32) {
    let class = code.class();
    let own = Enhanced {
        class,
        ..default.enhanced
    };
    let Some(wanted) = wanted else {
        return (own, 0);
    };
    let fitting = Enhanced::parse(wanted).filter(|enhanced| enhanced.class == class);
    (fitting.unwrap_or(own), u32::from(fitting.is_none()))
}

/// The text if it may be said: one or more printable ASCII lines within the limits.
fn text(hint: &str) -> Option<String> {
    let hint = hint.trim_end_matches(['\r', '\n']);
    let lines: Vec<&str> = hint
        .split('\n')
        .map(|line| line.strip_suffix('\r').unwrap_or(line))
        .collect();
    let printable = |line: &&str| line.bytes().all(|c| (0x20..=0x7e).contains(&c));
    let fits = hint.len() <= TEXT_LIMIT && lines.len() <= LINE_LIMIT;
    (fits && !hint.trim().is_empty() && lines.iter().all(printable)).then(|| lines.join("\n"))
}

fn own_words(verdict: VerdictKind) -> &'static str {
    match verdict {
        VerdictKind::Reject => "Refused by policy",
        VerdictKind::Defer => "Deferred by policy, try again later",
        _ => "Closing the connection by policy",
    }
}
