//! Reading replies, line by line, with limits: the other side may be lying or broken.

use thiserror::Error;

use crate::enhanced::Enhanced;
use crate::reply::{Code, Reply};

/// How much a peer may say in one reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyLimits {
    /// Octets in one line, CRLF included. RFC 5321 allows 512; some servers say more.
    pub max_line: usize,
    /// Lines in one reply.
    pub max_lines: usize,
    /// Octets in one reply, CRLFs included.
    pub max_reply: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self {
            max_line: 4096,
            max_lines: 128,
            max_reply: 64 * 1024,
        }
    }
}

/// Why octets are not a reply. Always the fault of the one who sent them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ReplyError {
    /// Not three digits, or no reply code.
    #[error("no valid reply code")]
    Code,
    /// The code is followed by neither space, hyphen nor the end of the line.
    #[error("no space or hyphen after the reply code")]
    Mark,
    /// The lines of one reply have different codes.
    #[error("different codes in one reply")]
    MixedCodes,
    /// A control octet in the text, or a line that does not end with CRLF.
    #[error("control octet or bare line end in a reply")]
    Octet,
    /// [`ReplyLimits::max_line`]
    #[error("reply line over {0} octets")]
    LineTooLong(usize),
    /// [`ReplyLimits::max_lines`]
    #[error("reply over {0} lines")]
    TooManyLines(usize),
    /// [`ReplyLimits::max_reply`]
    #[error("reply over {0} octets")]
    TooLong(usize),
    /// The text ended before the reply did.
    #[error("reply not complete")]
    Incomplete,
    /// There is something behind the reply.
    #[error("octets after the reply")]
    Trailing,
}

impl Reply {
    /// Parses exactly one complete reply, with the default limits.
    ///
    /// # Errors
    /// Everything that is not exactly one well-formed reply; see [`ReplyError`].
    pub fn parse(text: &[u8]) -> Result<Self, ReplyError> {
        let mut parser = ReplyParser::new(ReplyLimits::default());
        let mut rest = text;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end + 1);
            rest = behind;
            match parser.line(line)? {
                Some(reply) if rest.is_empty() => return Ok(reply),
                Some(_) => return Err(ReplyError::Trailing),
                None => {}
            }
        }
        Err(ReplyError::Incomplete)
    }
}

/// The lines of a reply so far.
#[derive(Debug)]
pub(crate) struct ReplyParser {
    limits: ReplyLimits,
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    code: Code,
    enhanced: Option<Enhanced>,
    text: String,
    lines: usize,
    octets: usize,
}

impl ReplyParser {
    pub(crate) fn new(limits: ReplyLimits) -> Self {
        Self {
            limits,
            partial: None,
        }
    }

    /// The limits it was made with.
    pub(crate) fn limits(&self) -> ReplyLimits {
        self.limits
    }

    /// Between two replies?
    pub(crate) fn is_idle(&self) -> bool {
        self.partial.is_none()
    }

    /// Takes one line that ends with LF; gives the reply if this was its last line.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        if line.len() > self.limits.max_line {
            return Err(ReplyError::LineTooLong(self.limits.max_line));
        }
        let (code, last, text) = split(line)?;
        let mut partial = self
            .partial
            .take()
            .unwrap_or_else(|| Partial::new(code, text));
        if partial.code != code {
            return Err(ReplyError::MixedCodes);
        }
        partial.octets += line.len();
        partial.push(text);
        if partial.lines > self.limits.max_lines {
            return Err(ReplyError::TooManyLines(self.limits.max_lines));
        }
        if partial.octets > self.limits.max_reply {
            return Err(ReplyError::TooLong(self.limits.max_reply));
        }
        if last {
            return Ok(Some(partial.finish()));
        }
        self.partial = Some(partial);
        Ok(None)
    }
}

impl Partial {
    fn new(code: Code, text: &[u8]) -> Self {
        Self {
            code,
            enhanced: leading_enhanced(text).filter(|e| e.class == code.class()),
            text: String::new(),
            lines: 0,
            octets: 0,
        }
    }

    /// Adds a line's text, without the enhanced code if it is the first line's.
    fn push(&mut self, text: &[u8]) {
        let repeated = self.enhanced.is_some() && leading_enhanced(text) == self.enhanced;
        let text = if repeated { after_word(text) } else { text };
        if self.lines > 0 {
            self.text.push('\n');
        }
        self.text.extend(text.iter().map(|&b| match b {
            b' '..=b'~' => char::from(b),
            b'\t' => ' ',
            _ => '?',
        }));
        self.lines += 1;
    }

    fn finish(self) -> Reply {
        Reply::new(self.code, self.enhanced, &self.text)
    }
}

/// `Reply-code ( "-" / SP ) [ textstring ] CRLF` or `Reply-code CRLF`: code, last line?, text.
fn split(line: &[u8]) -> Result<(Code, bool, &[u8]), ReplyError> {
    let line = line.strip_suffix(b"\r\n").ok_or(ReplyError::Octet)?;
    if line.iter().any(|&b| b != b'\t' && b.is_ascii_control()) {
        return Err(ReplyError::Octet);
    }
    let (digits, rest) = line.split_at_checked(3).ok_or(ReplyError::Code)?;
    let code = parse_code(digits).ok_or(ReplyError::Code)?;
    match rest.split_first() {
        None => Ok((code, true, rest)),
        Some((b' ', text)) => Ok((code, true, text)),
        Some((b'-', text)) => Ok((code, false, text)),
        Some(_) => Err(ReplyError::Mark),
    }
}

/// `Reply-code = %x32-35 %x30-35 %x30-39`, and refusals with any second digit
fn parse_code(digits: &[u8]) -> Option<Code> {
    let number = digits.iter().try_fold(0, |sum: u16, digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + u16::from(digit - b'0'))
    })?;
    Code::new(number)
}

/// A tab is a blank: it is printed as one.
fn first_blank(text: &[u8]) -> Option<usize> {
    memchr::memchr2(b' ', b'\t', text)
}

fn leading_enhanced(text: &[u8]) -> Option<Enhanced> {
    let end = first_blank(text).unwrap_or(text.len());
    Enhanced::parse(std::str::from_utf8(&text[..end]).ok()?)
}

fn after_word(text: &[u8]) -> &[u8] {
    let end = first_blank(text).map_or(text.len(), |blank| blank + 1);
    &text[end..]
}
