//! Time in a conversation: deadlines for the client, the backend connection kept meanwhile, and a polite end.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

use lazaret_smtp::CloseReason;

use super::words;
use crate::backend::Delivery;
use crate::config::Deadlines;
use crate::site::{Shutdown, Site};
use crate::wire::Wire;

/// A message must come at least at this many octets for each `block` of time: one octet every two seconds is an
/// attack, 16 KiB in three minutes an honest modem.
const BLOCK: u64 = 16 << 10;
/// A message over the size limit is read on, so that the client hears 552 and does not try again; but not for ever.
const PATIENCE_OVER_SIZE: u64 = 4;

/// Until when the client must have done what it is doing. Octets of a command move nothing.
#[derive(Debug)]
pub(super) struct Pace {
    command: Duration,
    block: Duration,
    whole: Duration,
    /// of the command or block under way
    due: Instant,
    /// of the message under way
    last: Option<Instant>,
    /// of the session
    end: Instant,
    /// octets of the block under way
    octets: u64,
    /// octets of the message under way
    message: u64,
    /// the size limit
    most: u64,
}

impl Pace {
    pub(super) fn new(deadlines: &Deadlines, message_size: u64) -> Self {
        let now = Instant::now();
        Self {
            command: deadlines.command,
            block: deadlines.block,
            whole: deadlines.message,
            due: now + deadlines.command,
            last: None,
            end: now + deadlines.session,
            octets: 0,
            message: 0,
            most: message_size,
        }
    }

    /// A command was answered, or a stage took its own time: the client's time starts.
    pub(super) fn restart(&mut self) {
        self.last = None;
        self.start(self.command);
    }

    /// Something was answered; it was a command, for NOOP and RSET are no events. Between two chunks of a message the client has
    /// the time for a command (RFC 5321 section 4.5.3.2.7), and for all of the message no more. In the middle of content it
    /// has what it had.
    pub(super) fn answered(&mut self, within_a_message: bool, between_chunks: bool) {
        match (within_a_message, between_chunks) {
            (false, _) => self.restart(),
            (true, true) => self.start(self.command),
            (true, false) => {}
        }
    }

    /// A message begins.
    pub(super) fn begin_message(&mut self) {
        self.message = 0;
        self.last = Some(Instant::now() + self.whole);
        self.start(self.block);
    }

    /// Octets of a message came.
    pub(super) fn read(&mut self, octets: usize) {
        self.message += octets as u64;
        self.octets += octets as u64;
        if self.octets >= BLOCK && self.message <= self.most.saturating_mul(PATIENCE_OVER_SIZE) {
            self.start(self.block);
        }
    }

    /// Octets of the message under way so far.
    pub(super) fn received(&self) -> u64 {
        self.message
    }

    pub(super) fn due(&self) -> Instant {
        let due = self.due.min(self.end);
        self.last.map_or(due, |last| due.min(last))
    }

    fn start(&mut self, patience: Duration) {
        self.octets = 0;
        self.due = Instant::now() + patience;
    }
}

/// Does something that may take long, and gives the backend connection back meanwhile when it is due. The work is pinned by
/// the caller, or there would be room for it twice.
pub(super) async fn holding<T>(
    delivery: &mut Delivery,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> T {
    loop {
        tokio::select! {
            biased;
            // Before the work: that of a client who floods us is always done at once.
            () = delivery.due() => delivery.let_go(),
            done = &mut work => return done,
        }
    }
}

/// The same for what is nearly always done at once, and may not be held up by it.
pub(super) async fn holding_if_slow<T>(
    delivery: &mut Delivery,
    mut work: Pin<&mut impl Future<Output = T>>,
) -> T {
    match poll_fn(|context| Poll::Ready(work.as_mut().poll(context))).await {
        Poll::Ready(done) => done,
        Poll::Pending => holding(delivery, work).await,
    }
}

/// For what is on its way while our last word is.
const SHORT: Duration = Duration::from_secs(3);

/// How much of what a client still sends is read once we have said the last word.
struct Farewell {
    patience: Duration,
    /// octets
    most: u64,
}

impl Farewell {
    /// What was sent before our word was there. A message that was refused while it comes is read on: most clients read no
    /// reply before they have sent all of it. Cut off, they would not know that it is refused for good, and come again for days.
    fn after(reason: &str, site: &Site) -> Self {
        match reason == words(CloseReason::Smuggling) {
            true => Self {
                patience: site.deadlines.block,
                most: site.limits.message_size.saturating_mul(PATIENCE_OVER_SIZE),
            },
            false => Self {
                patience: SHORT,
                most: 4 << 20,
            },
        }
    }
}

/// Closes our half and reads what is still on its way: closing over unread octets would reset the connection, and the
/// client would never see our last reply.
pub(super) async fn linger(mut wire: Wire, reason: &str, site: &Site) {
    let Farewell { patience, most } = Farewell::after(reason, site);
    let farewell = async {
        drop(wire.shutdown().await);
        // On the heap: an array would be in the task of every connection all its life.
        let mut sink = vec![0; 4096];
        let mut read: u64 = 0;
        while let Ok(octets @ 1..) = wire.read(&mut sink).await {
            read += octets as u64;
            if read > most {
                break;
            }
        }
    };
    let mut shutdown = site.shutdown.clone();
    let stop = async {
        drop(shutdown.wait_for(|it| *it != Shutdown::No).await);
        sleep(SHORT).await;
    };
    tokio::select! {
        _ = timeout(patience, farewell) => {}
        () = stop => {}
    }
}
