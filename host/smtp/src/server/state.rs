//! What a server session can be in the middle of. What changes it is in the file above.

use bytes::Bytes;

use crate::chunk::Chunks;
use crate::data::Decoder;
use crate::event::{CloseReason, Event, Fault};
use crate::extension::Extensions;
use crate::newline::LineEnd;
use crate::reply::Reply;

use super::refusal::Refusals;

/// What outlives a transaction.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) offer: Extensions,
    /// The largest message in octets, as offered.
    pub(super) limit: u64,
    /// Set once by `refuse_hello`, for good.
    pub(super) refusal: Option<Reply>,
    pub(super) errors: u32,
    /// commands since the last message that brought none nearer
    pub(super) junk: u32,
    /// the machine's own, since somebody last asked
    pub(super) refused: Refusals,
    pub(super) inside_tls: bool,
}

#[derive(Debug)]
pub(super) enum State {
    /// Nothing was said yet.
    Silent,
    /// The greeting refused all service.
    Rejecting,
    /// No HELO or EHLO was accepted yet.
    Fresh,
    /// Between transactions.
    Idle,
    /// MAIL was accepted.
    Open(Transaction),
    /// Behind 354.
    Content(Content),
    /// In the octets of a chunk.
    Chunk(Chunk),
    /// Between two chunks of a message.
    Chunked(Chunked),
    /// A chunk was refused and its message with it: nothing but RSET, HELO or EHLO goes on.
    Spoiled,
    /// In the octets of a chunk that nobody wants.
    Skip(Skip),
    /// Behind the 220 to STARTTLS.
    Handshake,
    Closed(CloseReason),
}

#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) utf8: bool,
    pub(super) asked: usize,
    pub(super) accepted: usize,
    /// The first one, while the caller is asked whether it wants content.
    pub(super) chunk: Option<Announced>,
}

/// What BDAT said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Announced {
    pub(super) octets: u64,
    pub(super) last: bool,
}

/// A chunk coming in.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) announced: Announced,
    /// octets still to come
    pub(super) left: u64,
    pub(super) message: Chunked,
}

/// A message that comes in chunks.
#[derive(Debug, Default)]
pub(super) struct Chunked {
    pub(super) body: Chunks,
    /// as announced so far
    pub(super) octets: u64,
    /// found already: nothing more is passed
    pub(super) fault: Option<Fault>,
}

/// A chunk being dropped.
#[derive(Debug)]
pub(super) struct Skip {
    /// octets still to come
    pub(super) left: u64,
    pub(super) verdict: Verdict,
    pub(super) then: Box<State>,
}

/// What is said behind a dropped chunk.
#[derive(Debug)]
pub(super) enum Verdict {
    /// the client's mistake, which counts
    Error(Reply),
    /// the caller refused the transaction
    Refusal(Reply),
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) decoder: Decoder,
    /// how DATA ended
    pub(super) end: LineEnd,
    pub(super) octets: u64,
}

impl Content {
    /// Counts all, passes what is within the limit, swallows the rest.
    pub(super) fn fitting(&mut self, mut octets: Bytes, limit: u64) -> Option<Event> {
        let room = usize::try_from(limit.saturating_sub(self.octets)).unwrap_or(usize::MAX);
        self.octets = self.octets.saturating_add(octets.len() as u64);
        octets.truncate(room);
        (!octets.is_empty()).then_some(Event::Content(octets))
    }
}

impl Session {
    /// A message was taken, or another client comes.
    pub(super) fn forgive(&mut self) {
        (self.errors, self.junk) = (0, 0);
    }

    /// A command brought no message nearer.
    pub(super) fn note_junk(&mut self, most: u32) {
        self.junk = self.junk.saturating_add(1);
        if self.junk > most {
            self.errors = self.errors.saturating_add(1);
        }
    }
}

/// How long what was said may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// until all input is used: the replies to a group leave together
    Grouped,
    AtOnce,
}

/// What the caller has to answer.
#[derive(Debug)]
pub(super) enum Question {
    None,
    /// Not told to the caller yet: another event came first.
    Coming(Event),
    Asked(Event),
}
