//! What was said to the backend for one client and what it answered, for `lazaret explain`. Content is not in it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lazaret_smtp::{Command, Reply};

use super::{Error, Step};

/// Exchanges of a transaction that are kept; of those beyond only the number.
const MOST: usize = 200;
/// Octets of a reply that are kept.
const MOST_OF_REPLY: usize = 1 << 10;

/// Shared by a client's [`Delivery`](super::Delivery), its [`Link`](super::Link) and whoever tells. Clones are the same
/// dialogue.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dialogue(Arc<Mutex<Talk>>);

/// What was said in one transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Talk {
    /// where the last connection led
    pub(crate) address: Option<Arc<str>>,
    /// in order
    pub(crate) exchanges: Vec<Exchange>,
    /// so many more are not kept
    pub(crate) more: usize,
    /// waited for the backend, all exchanges together
    pub(crate) waited: Duration,
}

/// A command and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) step: Step,
    /// None where no command is: the greeting, the end of data
    pub(crate) command: Option<Command>,
    /// None: no reply, see the transaction's problem
    pub(crate) reply: Option<Reply>,
    pub(crate) took: Duration,
}

impl Dialogue {
    /// A connection to this address is used from now on.
    pub(super) fn connected(&self, address: &Arc<str>) {
        self.talk().address = Some(Arc::clone(address));
    }

    /// One exchange.
    pub(super) fn note(
        &self,
        step: Step,
        command: Option<&Command>,
        came: &Result<Reply, Error>,
        took: Duration,
    ) {
        let mut talk = self.talk();
        talk.waited += took;
        if talk.exchanges.len() >= MOST {
            talk.more += 1;
            return;
        }
        talk.exchanges.push(Exchange {
            step,
            command: command.cloned(),
            reply: replied(came).map(|reply| reply.abridged(MOST_OF_REPLY)),
            took,
        });
    }

    /// All since it was last taken.
    pub(crate) fn take(&self) -> Talk {
        std::mem::take(&mut *self.talk())
    }

    /// The same so far, left where it is.
    pub(crate) fn so_far(&self) -> Talk {
        self.talk().clone()
    }

    fn talk(&self) -> MutexGuard<'_, Talk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reply that was not wanted is a reply, too.
fn replied(came: &Result<Reply, Error>) -> Option<&Reply> {
    match came {
        Ok(reply) | Err(Error::Unexpected(_, reply)) => Some(reply),
        Err(Error::InDoubt(inner)) => match &**inner {
            Error::Unexpected(_, reply) => Some(reply),
            _ => None,
        },
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use lazaret_smtp::Code;

    use super::*;

    #[test]
    fn of_a_long_reply_only_the_beginning_is_kept() {
        let dialogue = Dialogue::default();
        let reply = Reply::new(Code::REFUSED, None, &"no, no, no, no\n".repeat(100));
        dialogue.note(Step::Rcpt, None, &Ok(reply), Duration::ZERO);
        let kept = dialogue.take().exchanges.remove(0).reply.unwrap();
        assert_eq!(
            (kept.code(), kept.text().len()),
            (Code::REFUSED, MOST_OF_REPLY)
        );
    }
}
