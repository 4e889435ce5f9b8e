//! Command lines out of the client's octets.
//!
//! Only CRLF ends a line. A line with a bare LF in it is refused as a whole: had its end been run
//! as a command, a client that puts foreign text into its HELO could be made to send MAIL.

use bytes::{Buf, BytesMut};
use memchr::{memchr, memchr3};

use crate::command::{Command, CommandError, is_bdat, is_http};
use crate::newline::{LineEnd, Newlines, Text};
use crate::server::Wanted;

/// Octets of one refused line that are swallowed before the session is closed.
pub(crate) const MAX_SWALLOW: usize = 64 * 1024;

/// First octet of a TLS record that starts a handshake (RFC 8446 section 5.1).
const TLS_HANDSHAKE: u8 = 0x16;

/// What the next octets are.
#[derive(Debug)]
pub(crate) enum Item {
    NeedInput,
    Command(Command),
    /// A line that is none, and what it seems to have been after.
    Bad(CommandError, Wanted),
    /// A refused line goes on and on.
    Runaway,
}

#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: BytesMut,
    /// ahead of the buffer, for clients whose bare LF is normalised
    newlines: Option<Newlines>,
    mode: Mode,
}

#[derive(Debug)]
enum Mode {
    /// At the start of a line; so many octets hold no line end.
    Line { scanned: usize },
    /// In a refused line; so many octets of it are dropped.
    Swallow { dropped: usize },
}

impl Default for Mode {
    fn default() -> Self {
        Self::Line { scanned: 0 }
    }
}

impl Lines {
    /// Lines whose bare LF is normalised.
    pub(crate) fn normalised() -> Self {
        Self {
            newlines: Some(Newlines::default()),
            ..Self::default()
        }
    }

    pub(crate) fn are_normalised(&self) -> bool {
        self.newlines.is_some()
    }

    /// What comes goes here.
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        match &mut self.newlines {
            Some(newlines) => &mut newlines.input,
            None => &mut self.buffer,
        }
    }

    /// What is not used yet.
    pub(crate) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// How much is in the buffer.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Did nothing come that is not used yet?
    pub(crate) fn is_empty(&self) -> bool {
        let waiting = self.newlines.as_ref().map_or(0, |n| n.input.len());
        self.buffer.len() + waiting == 0
    }

    /// Moves what came into the buffer; false if it is there already.
    pub(crate) fn pull(&mut self, text: Text) -> bool {
        let newlines = self.newlines.as_mut();
        newlines.is_some_and(|newlines| newlines.pull(text, &mut self.buffer))
    }

    /// How the line of the last command ended.
    pub(crate) fn last_end(&self) -> LineEnd {
        let newlines = self.newlines.as_ref();
        newlines.map_or(LineEnd::CrLf, Newlines::last_end)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.buffer.clear();
        self.newlines = self.newlines.take().map(|_| Newlines::default());
        self.mode = Mode::default();
    }

    /// Drops octets from the front, at most `most`, whatever they are; tells how many.
    pub(crate) fn drop_front(&mut self, most: u64) -> u64 {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let here = self.buffer.len().min(most);
        self.buffer.advance(here);
        here as u64
    }

    /// The next command; `max` is the longest line, CRLF included.
    pub(crate) fn next(&mut self, max: usize) -> Item {
        loop {
            let item = match self.mode {
                Mode::Line { scanned } => Some(self.line(scanned, max)),
                Mode::Swallow { dropped } => self.swallow(dropped),
            };
            if let Some(item) = item {
                return item;
            }
        }
    }

    fn line(&mut self, scanned: usize, max: usize) -> Item {
        if self.buffer.first() == Some(&TLS_HANDSHAKE) {
            return Item::Bad(CommandError::Foreign, Wanted::Other);
        }
        let seen = self.buffer.len().min(max);
        let scanned = scanned.min(seen);
        let Some(next) = memchr3(b'\r', b'\n', 0, &self.buffer[scanned..seen]) else {
            return self.wait_or_refuse(seen, max);
        };
        let place = scanned + next;
        match (self.buffer[place], self.buffer.get(place + 1)) {
            (b'\r', _) if place + 1 == max => self.refuse(0, CommandError::TooLong),
            (b'\r', None) => self.wait_or_refuse(place, max),
            (b'\r', Some(b'\n')) => self.command(place),
            _ => self.refuse(place + 1, CommandError::Octets),
        }
    }

    fn wait_or_refuse(&mut self, scanned: usize, max: usize) -> Item {
        if scanned == max {
            return self.refuse(0, CommandError::TooLong);
        }
        self.mode = Mode::Line { scanned };
        Item::NeedInput
    }

    fn command(&mut self, length: usize) -> Item {
        let line = &self.buffer[..length];
        let item = match Command::parse(line) {
            Ok(command) => Item::Command(command),
            Err(error) => Item::Bad(error, Wanted::by(line)),
        };
        self.buffer.advance(length + b"\r\n".len());
        self.mode = Mode::default();
        item
    }

    /// Refuses a line at its first fault; the rest of it is swallowed.
    fn refuse(&mut self, used: usize, error: CommandError) -> Item {
        if is_http(&self.buffer) {
            return Item::Bad(CommandError::Foreign, Wanted::Other);
        }
        if is_bdat(&self.buffer) {
            return Item::Bad(CommandError::ChunkSize, Wanted::Content);
        }
        let wanted = Wanted::by(&self.buffer);
        self.buffer.advance(used);
        self.mode = Mode::Swallow { dropped: used };
        Item::Bad(error, wanted)
    }

    /// Drops the rest of a refused line. Each bare LF is refused again, so that a client which
    /// never sends CRLF learns why nothing happens.
    fn swallow(&mut self, dropped: usize) -> Option<Item> {
        let window = self.buffer.len().min(MAX_SWALLOW.saturating_sub(dropped));
        if let Some(place) = memchr(b'\n', &self.buffer[..window]) {
            let bare = place == 0 || self.buffer[place - 1] != b'\r';
            self.buffer.advance(place + 1);
            self.mode = match bare {
                true => Mode::Swallow {
                    dropped: dropped + place + 1,
                },
                false => Mode::default(),
            };
            return bare.then_some(Item::Bad(CommandError::Octets, Wanted::Other));
        }
        // More than that was dropped already where `max` is larger.
        if dropped + window >= MAX_SWALLOW {
            return Some(Item::Runaway);
        }
        let kept = usize::from(self.buffer.ends_with(b"\r"));
        let used = window - kept;
        self.buffer.advance(used);
        self.mode = Mode::Swallow {
            dropped: dropped + used,
        };
        Some(Item::NeedInput)
    }
}
