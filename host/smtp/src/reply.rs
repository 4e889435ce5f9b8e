//! Replies (RFC 5321 section 4.2): what they are and how they are printed.
//!
//! Named replies are in `replies.rs`, parsing is in [`crate::reply_parser`].

use std::borrow::Cow;
use std::fmt;

use crate::enhanced::Enhanced;

/// The longest reply line, CRLF included (RFC 5321 section 4.5.3.1.5).
pub const MAX_REPLY_LINE: usize = 512;

/// Text on one line: 512 octets less `250-`, an enhanced code of at most ten octets, and CRLF.
const MAX_TEXT: usize = MAX_REPLY_LINE - 4 - 10 - 2;

/// The most lines of one reply; what is over is dropped.
pub const MAX_LINES: usize = 128;

/// A reply code: 200 to 259 and 300 to 359 as RFC 5321 section 4.2.1 has them, and any from 400 to 599. Servers refuse with 571 and the
/// like, and who hears a code that it does not know goes by the first digit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(u16);

impl Code {
    /// 214: help.
    pub const HELP: Self = Self(214);
    /// 220: the greeting, and go ahead with TLS.
    pub const READY: Self = Self(220);
    /// 221: closing on request.
    pub const CLOSING: Self = Self(221);
    /// 250: done.
    pub const OK: Self = Self(250);
    /// 252: cannot verify, will take the message.
    pub const CANNOT_VERIFY: Self = Self(252);
    /// 354: send the content.
    pub const START_CONTENT: Self = Self(354);
    /// 421: closing, try later.
    pub const UNAVAILABLE: Self = Self(421);
    /// 450: mailbox busy or blocked, try later.
    pub const MAILBOX_BUSY: Self = Self(450);
    /// 451: local error, try later.
    pub const LOCAL_ERROR: Self = Self(451);
    /// 452: no room or too many recipients, try later.
    pub const NO_ROOM: Self = Self(452);
    /// 454: TLS or authentication is not available now (RFC 3207, RFC 4954).
    pub const TLS_UNAVAILABLE: Self = Self(454);
    /// 500: syntax error, command unknown or too long.
    pub const UNKNOWN_COMMAND: Self = Self(500);
    /// 501: syntax error in the argument.
    pub const BAD_ARGUMENT: Self = Self(501);
    /// 502: command known but not offered.
    pub const NOT_IMPLEMENTED: Self = Self(502);
    /// 503: command out of sequence.
    pub const BAD_SEQUENCE: Self = Self(503);
    /// 530: STARTTLS or authentication needed first (RFC 3207, RFC 4954).
    pub const TLS_REQUIRED: Self = Self(530);
    /// 550: mailbox unavailable, or refused by policy.
    pub const REFUSED: Self = Self(550);
    /// 552: message over the size limit.
    pub const TOO_BIG: Self = Self(552);
    /// 553: mailbox name not allowed.
    pub const BAD_MAILBOX: Self = Self(553);
    /// 554: transaction failed, or no service here.
    pub const FAILED: Self = Self(554);
    /// 555: MAIL or RCPT parameter not known or not offered.
    pub const BAD_PARAMETER: Self = Self(555);

    /// `None` unless the first digit is 2 to 5 and the second, behind 2 and 3, is 0 to 5: a promise must be one that we know.
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            200..=399 if (code / 10) % 10 <= 5 => Some(Self(code)),
            400..=599 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// The first digit, 2 to 5.
    pub const fn class(self) -> u8 {
        (self.0 / 100) as u8
    }

    /// 2yz.
    pub const fn is_positive(self) -> bool {
        self.class() == 2
    }

    /// 3yz.
    pub const fn is_intermediate(self) -> bool {
        self.class() == 3
    }

    /// 4yz.
    pub const fn is_transient(self) -> bool {
        self.class() == 4
    }

    /// 5yz.
    pub const fn is_permanent(self) -> bool {
        self.class() == 5
    }

    /// 4yz or 5yz.
    pub const fn is_negative(self) -> bool {
        self.class() >= 4
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(itoa::Buffer::new().format(self.0))
    }
}

/// A reply: code, enhanced code, one or more printable lines.
///
/// Whatever it is made from, it prints as well-formed lines of at most 512 octets, so text
/// from a filter or a backend cannot add a reply or a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    code: Code,
    enhanced: Option<Enhanced>,
    /// Printable ASCII; LF between lines; no line over [`MAX_TEXT`].
    text: Cow<'static, str>,
}

impl Reply {
    /// A reply with any text. LF and CRLF part the lines, a long line becomes several, and each
    /// character outside printable ASCII becomes `?`; lines over [`MAX_LINES`] are dropped. The class of `enhanced` becomes that of
    /// `code`; a 3yz reply has none (RFC 2034 section 4).
    pub fn new(code: Code, enhanced: Option<Enhanced>, text: &str) -> Self {
        Self {
            code,
            enhanced: enhanced.and_then(|e| e.with_class_of(code)),
            text: Cow::Owned(printable(text.into())),
        }
    }

    /// A reply known at compile time: the text is one printable line, the classes agree.
    pub(crate) const fn fixed(code: Code, enhanced: Option<Enhanced>, text: &'static str) -> Self {
        Self {
            code,
            enhanced,
            text: Cow::Borrowed(text),
        }
    }

    /// The code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The enhanced code, if any; its class is the code's.
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.enhanced
    }

    /// The lines without code and enhanced code, at least one, perhaps empty.
    pub fn lines(&self) -> std::str::Split<'_, char> {
        self.text.split('\n')
    }

    /// The lines joined by LF, for a log.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same with `(id)` at the end of its text: it names the session for whoever asks what happened.
    #[must_use]
    pub fn naming(self, id: &str) -> Self {
        let text = [self.text(), " (", id, ")"].concat();
        Self {
            text: Cow::Owned(printable(text.into())),
            ..self
        }
    }

    /// The same with at most so many octets of text, for whoever keeps many: a longer one ends in `...`.
    #[must_use]
    pub fn abridged(&self, most: usize) -> Self {
        if self.text.len() <= most {
            return self.clone();
        }
        let text = format!("{}...", &self.text[..most.saturating_sub(3)]);
        Self::new(self.code, self.enhanced, &text)
    }

    /// The same reply with `x.0.0` if it has no enhanced code and its code takes one
    /// (RFC 2034 section 4 wants one on each 2yz, 4yz and 5yz).
    pub fn with_enhanced(mut self) -> Self {
        let undefined = Enhanced {
            class: 0,
            subject: 0,
            detail: 0,
        };
        self.enhanced = self.enhanced.or_else(|| undefined.with_class_of(self.code));
        self
    }

    /// The same reply without enhanced code, as the greeting and the answers to HELO and EHLO
    /// must be (RFC 2034 section 4).
    pub fn without_enhanced(mut self) -> Self {
        self.enhanced = None;
        self
    }

    /// Writes the reply with CRLF after each line.
    pub(crate) fn print(&self, out: &mut impl fmt::Write) -> fmt::Result {
        let mut lines = self.lines().peekable();
        let mut number = itoa::Buffer::new();
        let code = number.format(self.code.get());
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { "-" } else { " " };
            out.write_str(code)?;
            out.write_str(mark)?;
            if let Some(enhanced) = self.enhanced {
                enhanced.print(out)?;
                out.write_str(" ")?;
            }
            out.write_str(line)?;
            out.write_str("\r\n")?;
        }
        Ok(())
    }

    /// Octets that it prints as, or a few more, if it is of one line.
    pub(crate) fn room(&self) -> usize {
        MAX_REPLY_LINE - MAX_TEXT + self.text.len()
    }
}

/// `Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF`,
/// with the enhanced code on each line (RFC 2034 section 4).
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f)
    }
}

/// Printable ASCII in at most [`MAX_LINES`] lines of at most [`MAX_TEXT`], parted by LF.
fn printable(text: Cow<'_, str>) -> String {
    let is_printable = |all, octet: u8| all & matches!(octet, b' '..=b'~');
    if text.len() <= MAX_TEXT && text.bytes().fold(true, is_printable) {
        return text.into_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let (mut lines, mut width) = (1, 0);
    let mut characters = text.trim_end_matches(['\r', '\n']).chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\r' && characters.peek() == Some(&'\n') {
            continue;
        }
        if character == '\n' || width == MAX_TEXT {
            (lines, width) = (lines + 1, 0);
            if lines > MAX_LINES {
                break;
            }
            clean.push('\n');
        }
        if character != '\n' {
            clean.push(printable_character(character));
            width += 1;
        }
    }
    clean
}

fn printable_character(character: char) -> char {
    match character {
        ' '..='~' => character,
        '\t' => ' ',
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every named reply prints as one line and reads back as itself.
    #[test]
    fn named_replies_round_trip() {
        for reply in Reply::named() {
            let text = reply.to_string();
            assert_eq!(Reply::parse(text.as_bytes()), Ok(reply), "{text}");
            assert_eq!(text.lines().count(), 1);
        }
    }
}
