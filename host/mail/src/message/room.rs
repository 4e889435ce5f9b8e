use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Default of the memory for MIME trees of all messages together, in octets.
pub const PARSE_ROOM: u64 = 512 << 20;

/// Memory for MIME trees, all messages together: a hundred large messages at once must not be parsed at once.
#[derive(Debug)]
pub struct ParseRoom {
    most: AtomicU64,
    used: AtomicU64,
    freed: Notify,
}

/// A part of the room, given back when the message's tree is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    room: Arc<ParseRoom>,
    octets: u64,
}

impl ParseRoom {
    /// Of so many octets.
    pub fn of(octets: u64) -> Arc<Self> {
        Arc::new(Self {
            most: octets.into(),
            used: AtomicU64::new(0),
            freed: Notify::new(),
        })
    }

    /// The one of this process.
    pub fn shared() -> &'static Arc<Self> {
        static SHARED: std::sync::LazyLock<Arc<ParseRoom>> =
            std::sync::LazyLock::new(|| ParseRoom::of(PARSE_ROOM));
        &SHARED
    }

    /// So many octets from now on; what is taken stays taken.
    pub fn limit(&self, octets: u64) {
        self.most.store(octets, Relaxed);
        self.freed.notify_waiters();
    }

    /// Octets taken now.
    pub fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// Waits for so many octets, at most so long.
    pub(super) async fn take(self: &Arc<Self>, octets: u64, patience: Duration) -> Option<Taken> {
        let taken = async {
            loop {
                // Before the look: what is given back meanwhile is not missed.
                let freed = self.freed.notified();
                if let Some(taken) = self.try_take(octets) {
                    return taken;
                }
                freed.await;
            }
        };
        timeout(patience, taken).await.ok()
    }

    fn try_take(self: &Arc<Self>, octets: u64) -> Option<Taken> {
        let most = self.most.load(Relaxed);
        let more = |used: u64| used.checked_add(octets).filter(|sum| *sum <= most);
        self.used.fetch_update(Relaxed, Relaxed, more).ok()?;
        Some(Taken {
            room: Arc::clone(self),
            octets,
        })
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.used.fetch_sub(self.octets, Relaxed);
        self.room.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn who_finds_no_room_waits_for_some() {
        let room = ParseRoom::of(10);
        let first = room.take(6, LONG).await.unwrap();
        assert!(room.take(5, SOON).await.is_none());
        assert_eq!(room.used(), 6);
        let (second, ()) = tokio::join!(room.take(5, LONG), async {
            tokio::time::sleep(SOON).await;
            drop(first);
        });
        assert_eq!(room.used(), 5);
        drop(second);
        assert_eq!(room.used(), 0);
    }

    #[tokio::test]
    async fn more_room_lets_those_in_who_wait() {
        let room = ParseRoom::of(1);
        let (taken, ()) = tokio::join!(room.take(5, LONG), async {
            tokio::time::sleep(SOON).await;
            room.limit(5);
        });
        assert!(taken.is_some());
    }
}
