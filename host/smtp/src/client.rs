//! The client machine: our dialogue with the backend.
//!
//! The backend is not trusted. Any doubt about what it said is an error, after which the
//! connection is of no use: the next reply might belong to an earlier command.

use std::fmt::Write;

use bytes::BytesMut;
use memchr::memchr;
use thiserror::Error;

use crate::command::Command;
use crate::data::{BareOctet, Encoder};
use crate::reply::{Code, Reply};
use crate::reply_parser::{ReplyError, ReplyLimits, ReplyParser};

/// Octets of most commands.
const COMMAND: usize = 128;

/// How much the backend may say in one reply.
pub type ClientLimits = ReplyLimits;

/// Why the connection must be dropped. All but [`ClientError::Ours`] are the backend's fault.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ClientError {
    /// What it sent is not a reply.
    #[error("backend: {0}")]
    Reply(#[from] ReplyError),
    /// A reply to nothing.
    #[error("backend: reply {0} that answers no command")]
    Unasked(Code),
    /// Octets that were there before the command they would answer was sent.
    #[error("backend: octets before the command they would answer")]
    Early,
    /// 421 to nothing: it closes the connection, as it may at any time (RFC 5321 section 3.8).
    #[error("backend: closes the connection: {}", .0.text().replace('\n', " / "))]
    Closing(Reply),
    /// Octets behind the 220 to STARTTLS, put there by it or by somebody in between.
    #[error("backend: octets in clear behind the answer to STARTTLS")]
    Injection,
    /// Our own: the message to be sent holds what must never be sent, or STARTTLS was not the
    /// last command.
    #[error("proxy: {0}")]
    Ours(#[from] OurFault),
}

/// What we did wrong ourselves.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum OurFault {
    /// The message was not ended; the backend cannot take it for complete.
    #[error(transparent)]
    Content(#[from] BareOctet),
    /// Replies are still owed at the start of TLS.
    #[error("TLS started while replies are owed")]
    Owed,
}

/// One SMTP connection to the backend, seen from the client. Commands may be sent ahead of their
/// replies; the replies come in order, the greeting first.
#[derive(Debug)]
pub struct Client {
    parser: ReplyParser,
    input: BytesMut,
    output: BytesMut,
    /// Octets of `input` that hold no line end.
    scanned: usize,
    /// Replies we wait for.
    owed: usize,
    encoder: Encoder,
    failed: Option<ClientError>,
}

impl Client {
    /// A new connection: the greeting is owed.
    pub fn new(limits: ClientLimits) -> Self {
        Self {
            parser: ReplyParser::new(limits),
            input: BytesMut::new(),
            output: BytesMut::new(),
            scanned: 0,
            owed: 1,
            encoder: Encoder::new(),
            failed: None,
        }
    }

    /// What the backend sent, in pieces of any size.
    pub fn receive(&mut self, octets: &[u8]) {
        self.input.extend_from_slice(octets);
    }

    /// What the backend sent and is not used yet: read more behind it.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// What waits to be written; take it out.
    pub fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// Replies we wait for.
    pub fn owed(&self) -> usize {
        self.owed
    }

    /// Is the dialogue in step: nothing owed, nothing unused, nothing wrong? Only then may the
    /// connection serve another transaction.
    pub fn is_in_step(&self) -> bool {
        self.owed == 0 && self.input.is_empty() && self.parser.is_idle() && self.failed.is_none()
    }

    /// Puts a command into the output; its reply is owed.
    pub fn send(&mut self, command: &Command) {
        if self.may_send() {
            self.output.reserve(COMMAND);
            write!(self.output, "{command}").expect("a buffer that grows takes every command");
            self.output.extend_from_slice(b"\r\n");
            self.owed += 1;
        }
    }

    /// How many octets in front of a piece of the message may be written as they are, behind what waits in the output.
    /// They count as sent; the rest is for [`content`](Self::content).
    pub fn pass_content(&mut self, piece: &[u8]) -> usize {
        match &self.failed {
            None => self.encoder.pass(piece),
            Some(_) => 0,
        }
    }

    /// Puts a piece of the message into the output, dots added. Bare CR, bare LF or NUL stop it
    /// for good; [`next`](Self::next) then says so.
    pub fn content(&mut self, piece: &[u8]) {
        if self.failed.is_none() {
            let encoded = self.encoder.encode(piece, &mut self.output);
            self.note(encoded);
        }
    }

    /// Ends the message: CRLF if its last line has none, then the dot. The reply is owed.
    pub fn end_content(&mut self) {
        if self.may_send() {
            let ended = self.encoder.finish(&mut self.output);
            self.note(ended);
            self.owed += 1;
        }
    }

    /// Puts a message into the output as its only chunk, BDAT ahead of it (RFC 3030 section 2). The reply is owed. Bare CR,
    /// bare LF or NUL stop it for good, and nothing of it is in the output; [`next`](Self::next) then says so.
    pub fn chunk<P: AsRef<[u8]>>(&mut self, pieces: &[P]) {
        if !self.may_send() {
            return;
        }
        let before = self.output.len();
        self.begin_chunk(pieces);
        self.fill_chunk(pieces);
        if self.failed.is_some() {
            self.output.truncate(before);
        }
    }

    /// The same without the message, which [`fill_chunk`](Self::fill_chunk) puts behind it.
    pub fn begin_chunk<P: AsRef<[u8]>>(&mut self, pieces: &[P]) {
        let octets = pieces.iter().map(|piece| piece.as_ref().len() as u64).sum();
        self.send(&Command::Bdat { octets, last: true });
    }

    /// The message whose chunk was begun.
    pub fn fill_chunk<P: AsRef<[u8]>>(&mut self, pieces: &[P]) {
        let chunked = self.encode_chunk(pieces);
        self.note(chunked);
    }

    fn encode_chunk<P: AsRef<[u8]>>(&mut self, pieces: &[P]) -> Result<(), BareOctet> {
        let mut encoder = Encoder::of_chunk();
        for piece in pieces {
            encoder.encode(piece.as_ref(), &mut self.output)?;
        }
        encoder.finish_chunk()
    }

    /// Nothing went wrong so far. If no reply is owed, whatever the backend has said already is
    /// none: taken for the answer to what we send now, a "250" said behind the 354 would pass for
    /// the acceptance of a message that was not sent.
    fn may_send(&mut self) -> bool {
        let silent = self.input.is_empty() && self.parser.is_idle();
        if self.owed == 0 && !silent && self.next() == Ok(None) {
            self.failed = Some(ClientError::Early);
        }
        self.failed.is_none()
    }

    fn note(&mut self, result: Result<(), BareOctet>) {
        if let Err(fault) = result {
            self.failed = Some(OurFault::Content(fault).into());
        }
    }

    /// The next reply, in the order of the commands; `None` without more input.
    ///
    /// # Errors
    /// [`ClientError`], at once and for ever: drop the connection.
    #[expect(clippy::should_implement_trait, reason = "None is not the end")]
    pub fn next(&mut self) -> Result<Option<Reply>, ClientError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let reply = self.reply();
        if let Err(error) = &reply {
            self.failed = Some(error.clone());
        }
        reply
    }

    fn reply(&mut self) -> Result<Option<Reply>, ClientError> {
        while let Some(length) = self.line_length()? {
            let line = self.input.split_to(length);
            if let Some(reply) = self.parser.line(&line)? {
                return self.expected(reply).map(Some);
            }
        }
        Ok(None)
    }

    fn line_length(&mut self) -> Result<Option<usize>, ClientError> {
        let from = self.scanned.min(self.input.len());
        let limit = self.parser.limits().max_line;
        match memchr(b'\n', &self.input[from..]) {
            Some(end) => {
                self.scanned = 0;
                Ok(Some(from + end + 1))
            }
            None if self.input.len() >= limit => Err(ReplyError::LineTooLong(limit).into()),
            None => {
                self.scanned = self.input.len();
                Ok(None)
            }
        }
    }

    fn expected(&mut self, reply: Reply) -> Result<Reply, ClientError> {
        match self.owed.checked_sub(1) {
            Some(owed) => {
                self.owed = owed;
                Ok(reply)
            }
            None if reply.code() == Code::UNAVAILABLE => Err(ClientError::Closing(reply)),
            None => Err(ClientError::Unasked(reply.code())),
        }
    }

    /// Call it on the 220 to STARTTLS, before the handshake.
    ///
    /// # Errors
    /// [`ClientError::Injection`] if anything came behind the 220: whoever sent it in clear wants
    /// it taken for an answer inside TLS. [`OurFault::Owed`] if other replies are outstanding.
    pub fn tls_started(&mut self) -> Result<(), ClientError> {
        let fault = match (&self.failed, self.owed) {
            (Some(error), _) => error.clone(),
            (None, 1..) => OurFault::Owed.into(),
            (None, 0) if self.input.is_empty() && self.parser.is_idle() => return Ok(()),
            (None, 0) => ClientError::Injection,
        };
        self.failed = Some(fault.clone());
        Err(fault)
    }
}
