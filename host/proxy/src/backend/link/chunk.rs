//! A small message in one write with its command (RFC 3030): one journey less than DATA takes.

use std::time::Duration;

use bytes::Bytes;
use lazaret_smtp::{Command, Keyword, Reply};

use super::Link;
use crate::backend::{Error, Step};

/// How shortly ago the backend must have answered something. Between that and the last octet of a chunk nothing says that it
/// is still there; if it is not, the message is in doubt, though nobody has it.
const FRESH: Duration = Duration::from_secs(1);

impl Link {
    /// May a message be sent at once?
    pub(in crate::backend) fn takes_chunk(&self) -> bool {
        self.extensions.has(&Keyword::Chunking) && self.heard.elapsed() < FRESH
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
    pub(in crate::backend) async fn end_chunk(&mut self, octets: u64) -> Result<Reply, Error> {
        let command = Command::Bdat { octets, last: true };
        self.settle(Some(&command)).await
    }
}
