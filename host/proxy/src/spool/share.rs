//! What each client has in flight, so that one of them cannot take all the room.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Of all clients that have something in flight, by network.
#[derive(Debug, Default)]
pub(super) struct Shares {
    by_network: Mutex<HashMap<IpAddr, Weak<Share>>>,
}

/// Octets of one client's messages. All its messages under way hold the same one; it is forgotten with the last of them.
#[derive(Debug)]
pub(super) struct Share {
    network: IpAddr,
    octets: AtomicU64,
    home: Arc<Shares>,
}

impl Shares {
    /// That of the client in this network.
    pub(super) fn of(self: &Arc<Self>, network: IpAddr) -> Arc<Share> {
        let mut shares = self.lock();
        if let Some(share) = shares.get(&network).and_then(Weak::upgrade) {
            return share;
        }
        let share = Arc::new(Share {
            network,
            octets: AtomicU64::new(0),
            home: Arc::clone(self),
        });
        shares.insert(network, Arc::downgrade(&share));
        share
    }

    /// Octets of the client in this network now.
    pub(super) fn now(&self, network: IpAddr) -> u64 {
        // Not dropped under the lock, which the last one takes.
        let share = self.lock().get(&network).and_then(Weak::upgrade);
        share.map_or(0, |share| share.octets.load(Ordering::Relaxed))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, Weak<Share>>> {
        self.by_network
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Share {
    /// Counts octets; how many there are with them.
    pub(super) fn add(&self, octets: u64) -> u64 {
        self.octets.fetch_add(octets, Ordering::Relaxed) + octets
    }

    pub(super) fn take_back(&self, octets: u64) {
        self.octets.fetch_sub(octets, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut shares = self.home.lock();
        // Another one may have taken its place already.
        let is_gone = |share: &Weak<Share>| share.strong_count() == 0;
        if shares.get(&self.network).is_some_and(is_gone) {
            shares.remove(&self.network);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_a_client_share_one_and_nothing_is_kept_of_who_has_none() {
        let shares = Arc::new(Shares::default());
        let network = IpAddr::from([192, 0, 2, 1]);
        let (first, second) = (shares.of(network), shares.of(network));
        assert_eq!((first.add(10), second.add(5)), (10, 15));
        assert_eq!(shares.now(network), 15);
        assert_eq!(shares.now(IpAddr::from([192, 0, 2, 2])), 0);
        first.take_back(10);
        drop(first);
        assert_eq!(shares.now(network), 5);
        drop(second);
        assert_eq!(shares.now(network), 0);
        assert!(shares.lock().is_empty());
    }
}
