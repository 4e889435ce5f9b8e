//! A small message in one write with its command (RFC 3030): one journey less than DATA takes.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lazaret_smtp::{Command, Keyword, Reply};

use super::Link;
use crate::backend::{Error, Step};

/// How shortly ago the backend must have answered something. Between that and the last octet of a chunk nothing says that it
/// is still there; if it is not, the message is in doubt, though nobody has it.
const FRESH: Duration = Duration::from_secs(5);
/// What a server says to a command that it does not know (RFC 5321 section 4.2.4).
const NOT_UNDERSTOOD: RangeInclusive<u16> = 500..=504;
/// Room for a chunk of so many octets stays with an idle connection.
const KEPT: u64 = 8 << 10;

impl Link {
    /// May a message be sent at once? The system itself is asked whether the backend is gone or has said something: behind DATA
    /// its next reply would tell.
    pub(in crate::backend) fn takes_chunk(&mut self) -> bool {
        self.extensions.has(&Keyword::Chunking)
            && self.member().takes_chunks()
            && self.heard.elapsed() < FRESH
            && self.is_quiet()
    }

    /// The message waits here to be written as one chunk; nothing of it has left us.
    ///
    /// # Errors
    /// The backend has hung up, or said what answers nothing; or the message holds what must not be sent.
    pub(in crate::backend) fn chunk(&mut self, message: &[Bytes]) -> Result<(), Error> {
        self.look(Step::Data)?;
        self.client.chunk(message);
        match self.client.next() {
            Ok(_) => Ok(()),
            Err(doubt) => Err(Error::Doubt(Step::Content, doubt)),
        }
    }

    /// Writes the chunk. The backend may have taken the message once its last octet has left us.
    ///
    /// # Errors
    /// As at the end of content; and one that does not know BDAT gets no more of them, for it reads what is in a chunk as commands.
    pub(in crate::backend) async fn end_chunk(&mut self, octets: u64) -> Result<Reply, Error> {
        let command = Command::Bdat { octets, last: true };
        let reply = self.settle(Some(&command)).await?;
        if octets > KEPT {
            *self.client.output() = BytesMut::new();
        }
        if !NOT_UNDERSTOOD.contains(&reply.code().get()) {
            return Ok(reply);
        }
        if self.member().gives_up_chunks() {
            let address = self.member().address;
            tracing::warn!(%address, %reply, "backend offers CHUNKING and does not take BDAT: it gets DATA from now on; `chunking = false` says so from the start");
        }
        Err(Error::Unexpected(Step::EndOfData, reply))
    }
}
