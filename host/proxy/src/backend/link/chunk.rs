//! A small message in one write with its command (RFC 3030): one journey less than DATA takes.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use lazaret_smtp::{Code, Command, Keyword, Reply};
use tokio::time::{Instant, sleep};

use super::Link;
use crate::backend::{Error, Step};

/// How shortly ago the backend must have answered something. Between that and the last octet of a chunk nothing says that it
/// is still there; if it is not, the message is in doubt, though nobody has it.
const FRESH: Duration = Duration::from_secs(5);
/// The first message at an address is held back for so long behind BDAT: nobody is so far from the own backend.
const HESITATION: Duration = Duration::from_millis(500);
/// Between looks in that time.
const LOOK: Duration = Duration::from_millis(20);
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
    /// The backend has hung up, said what answers nothing, or does not know BDAT; or the message holds what must not be sent.
    pub(in crate::backend) async fn chunk(&mut self, message: &[Bytes]) -> Result<(), Error> {
        match self.member().knows_chunks() {
            true => {
                self.look(Step::Data)?;
                self.client.chunk(message);
            }
            false => self.try_chunk(message).await?,
        }
        match self.client.next() {
            Ok(_) => Ok(()),
            Err(doubt) => Err(Error::Doubt(Step::Content, doubt)),
        }
    }

    /// The first one at an address: the message is held back for a moment behind its command. Whoever offers CHUNKING and does not
    /// know BDAT says so at once, and would read the message as commands; whoever knows it waits for the message.
    async fn try_chunk(&mut self, message: &[Bytes]) -> Result<(), Error> {
        self.look(Step::Data)?;
        self.client.begin_chunk(message);
        self.flush(Step::Data).await?;
        if self.stays_quiet(HESITATION).await {
            self.client.fill_chunk(message);
            return Ok(());
        }
        let heard = self.hear(Step::Data, None, self.reply).await;
        let error = heard.map_or_else(|error| error, |reply| Error::Unexpected(Step::Data, reply));
        // Who goes, or has no room, says nothing about BDAT.
        let later = |reply: &Reply| [Code::UNAVAILABLE, Code::NO_ROOM].contains(&reply.code());
        let later = matches!(&error, Error::Unexpected(_, reply) if later(reply));
        if !later && self.member().gives_up_chunks() {
            let address = self.member().address;
            tracing::warn!(%address, %error, "backend offers CHUNKING and does not take BDAT: it gets DATA; `chunking = false` says so from the start");
        }
        Err(error)
    }

    /// Whatever comes meanwhile is kept for whoever hears the reply.
    async fn stays_quiet(&mut self, time: Duration) -> bool {
        let end = Instant::now() + time;
        while self.read_now().is_none() {
            if Instant::now() >= end {
                return true;
            }
            sleep(LOOK).await;
        }
        false
    }

    /// Writes the chunk. The backend may have taken the message once its last octet has left us.
    pub(in crate::backend) async fn end_chunk(&mut self, octets: u64) -> Result<Reply, Error> {
        let command = Command::Bdat { octets, last: true };
        let reply = self.settle(Some(&command)).await?;
        // A refusal may be a late word on the command itself.
        if reply.code().is_positive() {
            self.member().took_chunk();
        }
        if octets > KEPT {
            *self.client.output() = BytesMut::new();
        }
        Ok(reply)
    }
}
