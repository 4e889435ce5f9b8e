//! A small message in one write with its command (RFC 3030): one journey less than DATA takes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lazaret_smtp::{Code, Command, Keyword, Reply};

use super::Link;
use crate::backend::{Error, Step};

/// How shortly ago the backend must have answered something. Between that and the last octet of a chunk nothing says that it
/// is still there; if it is not, the message is in doubt, though nobody has it.
const FRESH: Duration = Duration::from_secs(5);
/// Room for a chunk of so many octets stays with an idle connection.
const KEPT: u64 = 8 << 10;

/// Does whoever is at the other end of this connection know BDAT?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunks {
    /// it only said so
    Offered,
    /// it took one
    Taken,
}

impl Link {
    /// May a message be sent at once? The system itself is asked whether the backend is gone or has said something: behind DATA
    /// its next reply would tell.
    pub(in crate::backend) fn takes_chunk(&mut self) -> bool {
        self.extensions.has(&Keyword::Chunking)
            && self.member().takes_chunks()
            && self.heard.elapsed() < FRESH
            && self.is_quiet()
    }

    /// The message waits here to be written as one chunk; nothing of it has left us. The first time on a connection an empty
    /// chunk goes before it: whoever offers CHUNKING and does not know BDAT would read the message as commands.
    ///
    /// # Errors
    /// The backend has hung up, said what answers nothing, does not know BDAT, or wants no message: by DATA it will say so again.
    /// Or the message holds what must not be sent.
    pub(in crate::backend) async fn chunk(&mut self, message: &[Bytes]) -> Result<(), Error> {
        if self.chunks == Chunks::Offered {
            self.try_chunks().await?;
        }
        self.look(Step::Data)?;
        self.client.chunk(message);
        match self.client.next() {
            Ok(_) => Ok(()),
            Err(doubt) => Err(Error::Doubt(Step::Content, doubt)),
        }
    }

    async fn try_chunks(&mut self) -> Result<(), Error> {
        let empty = Command::Bdat {
            octets: 0,
            last: false,
        };
        let reply = self.ask(Step::Data, &empty).await?;
        if reply.code() == Code::OK {
            self.chunks = Chunks::Taken;
            return Ok(());
        }
        let address = self.member().address;
        if !is_unknown(reply.code()) {
            tracing::info!(%address, %reply, "backend refused an empty chunk: it is asked again, by DATA");
        } else if self.member().gives_up_chunks() {
            tracing::warn!(%address, %reply, "backend offers CHUNKING and does not take BDAT: it gets DATA; `chunking = false` says so from the start");
        }
        Err(Error::Unexpected(Step::Data, reply))
    }

    /// Writes the chunk. The backend may have taken the message once its last octet has left us.
    pub(in crate::backend) async fn end_chunk(&mut self, octets: u64) -> Result<Reply, Error> {
        let command = Command::Bdat { octets, last: true };
        let reply = self.settle(Some(&command)).await?;
        if octets > KEPT {
            *self.client.output() = BytesMut::new();
        }
        Ok(reply)
    }
}

/// Does this answer mean that the command is not known (RFC 5321 section 4.2.4)? Any other may be about this message, or
/// about the backend's disk.
fn is_unknown(code: Code) -> bool {
    matches!(code.get(), 500 | 502 | 503 | 504)
}
