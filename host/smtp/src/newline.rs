//! For listed old devices only: bare LF becomes CRLF before anything looks at it, so that nothing
//! bare is ever passed on. Bare CR and NUL stay faults.
//!
//! The danger is a device that ends its own lines properly and carries somebody else's text, in
//! which LF.LF would then end the message and start another one. So a client that ended its DATA
//! command with CRLF must end its content with CRLF.CRLF, too: any other lone dot is a line of
//! text. Only a client that knows no CRLF at all may end its content with LF.LF.

use bytes::{Buf, BytesMut};
use memchr::memchr;

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnd {
    CrLf,
    Lf,
}

/// What the next octets are, for the meaning of a lone dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    Commands,
    /// Content behind a DATA command that ended like this.
    Content(LineEnd),
}

/// Octets as they came, moved line by line.
#[derive(Debug)]
pub(crate) struct Newlines {
    /// as they came
    pub(crate) input: BytesMut,
    /// of the line in front
    end: LineEnd,
    /// moved last
    last: u8,
}

impl Default for Newlines {
    fn default() -> Self {
        Self {
            input: BytesMut::new(),
            end: LineEnd::CrLf,
            last: b'\n',
        }
    }
}

impl Newlines {
    /// How the last line that was moved ended.
    pub(crate) fn last_end(&self) -> LineEnd {
        self.end
    }

    /// Moves text to `out`, at most up to where a message may end; false if there is none to move.
    /// Of commands one line at a time: what is behind it may be content.
    pub(crate) fn pull(&mut self, text: Text, out: &mut BytesMut) -> bool {
        let before = out.len();
        while let Some(line) = self.line() {
            let lone = self.last == b'\n' && matches!(line, [b'.'] | [b'.', b'\r']);
            let whole = self.input.len() > line.len();
            if lone && !whole {
                break;
            }
            let is_text = lone && self.is_text(text, line.len() == 1);
            self.shift(if is_text { b"." } else { b"" }, out);
            if lone || text == Text::Commands || !whole {
                break;
            }
        }
        out.len() > before
    }

    /// What is in front up to a LF, or all there is; `None` if there is nothing.
    fn line(&self) -> Option<&[u8]> {
        let end = memchr(b'\n', &self.input).unwrap_or(self.input.len());
        (!self.input.is_empty()).then(|| &self.input[..end])
    }

    /// A lone dot that ends no content: one more is put in front of it, as before every dot.
    fn is_text(&self, text: Text, bare: bool) -> bool {
        text == Text::Content(LineEnd::CrLf) && (bare || self.end == LineEnd::Lf)
    }

    /// Moves a line, or the beginning of one, with `front` in front of it.
    fn shift(&mut self, front: &[u8], out: &mut BytesMut) {
        let length = memchr(b'\n', &self.input).unwrap_or(self.input.len());
        out.extend_from_slice(front);
        out.extend_from_slice(&self.input[..length]);
        let last = self.input[..length].last().copied().unwrap_or(self.last);
        self.input.advance(length);
        self.last = last;
        if self.input.is_empty() {
            return;
        }
        self.input.advance(1);
        self.end = if last == b'\r' {
            LineEnd::CrLf
        } else {
            LineEnd::Lf
        };
        out.extend_from_slice(if last == b'\r' { b"\n" } else { b"\r\n" });
        self.last = b'\n';
    }
}
