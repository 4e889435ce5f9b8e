//! BDAT (RFC 3030): chunks taken, and chunks swallowed.
//!
//! Whatever is wrong, the octets that were announced are read first and the reply follows them
//! (RFC 3030 section 2): so client and server stay in step, and no octet of a chunk is ever run as a
//! command.

use std::mem;

use bytes::Bytes;

use super::Server;
use super::refusal::Wanted;
use super::state::{Announced, Chunk, Chunked, Question, Skip, State, Verdict};
use crate::chunk::Taken;
use crate::event::{CloseReason, End, Event, Fault};
use crate::extension::Keyword;
use crate::reply::{Code, Reply};

/// A chunk of more than so many times the size limit is not read to its end: the session is.
const PATIENCE: u64 = 4;

impl Server {
    /// Which chunk may come when.
    pub(super) fn bdat(&mut self, chunk: Announced) -> Option<Event> {
        if chunk.octets > self.config.max_message.saturating_mul(PATIENCE) {
            return self.shut(Reply::too_big(), CloseReason::Chunk);
        }
        if self.lines.are_normalised() {
            return self.shut(Reply::not_implemented(), CloseReason::Chunk);
        }
        match &self.state {
            State::Rejecting => self.swallow(chunk, Reply::no_service()),
            _ if self.needs_tls() => self.swallow(chunk, Reply::tls_required()),
            _ if !self.offers(&Keyword::Chunking) => self.swallow(chunk, Reply::not_implemented()),
            State::Open(transaction) if transaction.accepted > 0 => self.ask_for_chunks(chunk),
            State::Open(_) => self.swallow(chunk, Reply::chunk_without_recipients()),
            State::Chunked(_) => self.next_chunk(chunk),
            _ => self.swallow(chunk, Reply::bad_sequence()),
        }
    }

    fn ask_for_chunks(&mut self, first: Announced) -> Option<Event> {
        if let State::Open(transaction) = &mut self.state {
            transaction.chunk = Some(first);
        }
        self.ask_some(Event::Data)
    }

    /// An error: its octets are dropped, then it is told; the state is what it was.
    fn swallow(&mut self, chunk: Announced, reply: Reply) -> Option<Event> {
        let then = Box::new(mem::replace(&mut self.state, State::Silent));
        self.skip(chunk.octets, Verdict::Error(reply), then)
    }

    fn skip(&mut self, left: u64, verdict: Verdict, then: Box<State>) -> Option<Event> {
        self.state = State::Skip(Skip {
            left,
            verdict,
            then,
        });
        None
    }

    /// In the middle of a swallowed chunk.
    pub(super) fn skipping(&mut self) -> Option<Event> {
        let State::Skip(skip) = &mut self.state else {
            return None;
        };
        skip.left -= self.lines.drop_front(skip.left);
        if skip.left > 0 {
            return Some(Event::NeedInput);
        }
        let State::Skip(skip) = mem::replace(&mut self.state, State::Idle) else {
            return None;
        };
        self.state = *skip.then;
        match skip.verdict {
            Verdict::Error(reply) => self.refuse(Wanted::Content, reply),
            Verdict::Refusal(reply) => {
                self.conclude(reply);
                Some(Event::Reset)
            }
        }
    }

    /// The first chunk is refused, and with it the transaction: the next chunk must not pass for
    /// its beginning.
    pub(super) fn refuse_first_chunk(&mut self, chunk: Announced, reply: Reply) {
        let then = Box::new(after(chunk));
        self.skip(chunk.octets, Verdict::Refusal(reply), then);
    }

    /// The first chunk is wanted.
    pub(super) fn first_chunk(&mut self, chunk: Announced) {
        self.state = State::Chunked(Chunked::default());
        self.next_chunk(chunk);
    }

    fn next_chunk(&mut self, chunk: Announced) -> Option<Event> {
        let State::Chunked(mut message) = mem::replace(&mut self.state, State::Idle) else {
            return None;
        };
        message.octets = message.octets.saturating_add(chunk.octets);
        if message.octets > self.session.limit {
            message.fault = Some(Fault::TooBig);
        }
        self.state = State::Chunk(Chunk {
            announced: chunk,
            left: chunk.octets,
            message,
        });
        None
    }

    /// In the middle of a chunk.
    pub(super) fn chunk(&mut self) -> Option<Event> {
        let State::Chunk(chunk) = &mut self.state else {
            return None;
        };
        if chunk.message.fault.is_some() {
            chunk.left -= self.lines.drop_front(chunk.left);
        }
        if chunk.left == 0 {
            return self.chunk_is_there();
        }
        let before = self.lines.len();
        if before == 0 || chunk.message.fault.is_some() {
            return Some(Event::NeedInput);
        }
        match chunk.message.body.take(self.lines.buffer(), chunk.left) {
            Taken::Fault => chunk.message.fault = Some(Fault::BareOctet),
            Taken::Octets(octets) => {
                chunk.left -= (before - self.lines.len()) as u64;
                return (!octets.is_empty()).then_some(Event::Content(octets));
            }
        }
        None
    }

    /// All octets of a chunk were read. With a fault, or behind LAST, so is the message.
    fn chunk_is_there(&mut self) -> Option<Event> {
        let State::Chunk(chunk) = mem::replace(&mut self.state, State::Idle) else {
            return None;
        };
        let Chunk {
            announced, message, ..
        } = chunk;
        if message.fault.is_some() {
            return self.end_of_chunks(announced, &message);
        }
        if announced.last {
            return self.last_chunk(announced, message);
        }
        let octets = announced.octets;
        self.state = State::Chunked(message);
        self.say_named(Reply::chunk_taken(octets))
    }

    /// DATA would have ended the last line: backends may hear it by DATA, so filters see it, too.
    fn last_chunk(&mut self, announced: Announced, mut message: Chunked) -> Option<Event> {
        let missing = message.body.finish();
        message.octets += missing.map_or(0, |missing| missing.len() as u64);
        if missing.is_none() {
            message.fault = Some(Fault::BareOctet);
        } else if message.octets > self.session.limit {
            message.fault = Some(Fault::TooBig);
        }
        let end = self.end_of_chunks(announced, &message)?;
        match missing.filter(|missing| !missing.is_empty() && message.fault.is_none()) {
            None => Some(end),
            Some(missing) => {
                self.question = Question::Coming(end);
                Some(Event::Content(Bytes::from_static(missing)))
            }
        }
    }

    fn end_of_chunks(&mut self, announced: Announced, message: &Chunked) -> Option<Event> {
        self.state = after(announced);
        self.ask_some(Event::End(End {
            octets: message.octets,
            fault: message.fault,
        }))
    }
}

/// Behind LAST the transaction is over; before it, chunks of a message that was refused may
/// still come, and only RSET makes an end of that (RFC 3030 section 2).
fn after(chunk: Announced) -> State {
    match chunk.last {
        true => State::Idle,
        false => State::Spoiled,
    }
}

impl Reply {
    /// 250 to a chunk that is not the last one, as in RFC 3030 section 4.
    fn chunk_taken(octets: u64) -> Self {
        Self::new(Code::OK, None, &format!("{octets} octets received")).with_enhanced()
    }
}
