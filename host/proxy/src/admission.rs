//! Who gets in: clients at once, in all and from one network.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

/// Counts clients, all listeners together.
#[derive(Debug)]
pub(crate) struct Admission {
    most: AtomicUsize,
    most_per_client: AtomicUsize,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    by_client: HashMap<IpAddr, usize>,
}

/// A place among the clients, given back when dropped.
#[derive(Debug)]
pub(crate) struct Admitted {
    admission: Arc<Admission>,
    /// None for a balancer's connection whose client is not known yet
    client: Option<IpAddr>,
}

/// Which limit a client met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    /// `connections`
    All,
    /// `connections-per-client`
    Client,
}

impl Admission {
    pub(crate) fn new(most: usize, most_per_client: usize) -> Arc<Self> {
        Arc::new(Self {
            most: most.into(),
            most_per_client: most_per_client.into(),
            counts: Mutex::default(),
        })
    }

    /// Other limits from now on. Nobody is sent away who is in.
    pub(crate) fn limit(&self, most: usize, most_per_client: usize) {
        self.most.store(most, Relaxed);
        self.most_per_client.store(most_per_client, Relaxed);
    }

    /// Takes a place for a client at this address.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Admitted, Full> {
        let mut admitted = self.admit_unknown()?;
        admitted.claim(address)?;
        Ok(admitted)
    }

    /// Takes a place for a client whose address a balancer is about to tell: until then it counts among all.
    pub(crate) fn admit_unknown(self: &Arc<Self>) -> Result<Admitted, Full> {
        let mut counts = self.lock();
        if counts.all >= self.most.load(Relaxed) {
            return Err(Full::All);
        }
        counts.all += 1;
        Ok(Admitted {
            admission: Arc::clone(self),
            client: None,
        })
    }

    /// Clients at once, at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Relaxed)
    }

    /// Clients now.
    pub(crate) fn now(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().expect("no holder of this lock panics")
    }
}

impl Admitted {
    /// Counts it among those of the client at this address, and no longer among those of the one before.
    pub(crate) fn claim(&mut self, address: IpAddr) -> Result<(), Full> {
        let client = network(address);
        let most = self.admission.most_per_client.load(Relaxed);
        let mut counts = self.admission.lock();
        if self.client != Some(client) && counts.of(client) >= most {
            return Err(Full::Client);
        }
        counts.leave(self.client.replace(client));
        *counts.by_client.entry(client).or_default() += 1;
        Ok(())
    }
}

impl Counts {
    fn of(&self, client: IpAddr) -> usize {
        self.by_client.get(&client).copied().unwrap_or_default()
    }

    /// Nothing is kept about who has left.
    fn leave(&mut self, client: Option<IpAddr>) {
        let Some(client) = client else {
            return;
        };
        match self.of(client) {
            0 | 1 => drop(self.by_client.remove(&client)),
            more => drop(self.by_client.insert(client, more - 1)),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.lock();
        counts.all -= 1;
        counts.leave(self.client);
    }
}

/// One IPv6 customer has a /64: addresses in it are one client.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_cannot_take_all_places() {
        let admission = Admission::new(3, 2);
        let first = admission.admit(ip("192.0.2.1")).unwrap();
        let _second = admission.admit(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.1")).unwrap_err(), Full::Client);
        let _other = admission.admit(ip("192.0.2.2")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.3")).unwrap_err(), Full::All);
        drop(first);
        assert!(admission.admit(ip("192.0.2.1")).is_ok());
    }

    #[test]
    fn a_slash_64_is_one_client_and_a_mapped_address_is_its_ipv4() {
        let admission = Admission::new(9, 1);
        let _one = admission.admit(ip("2001:db8::1")).unwrap();
        assert_eq!(
            admission.admit(ip("2001:db8::ffff")).unwrap_err(),
            Full::Client
        );
        let _two = admission.admit(ip("::ffff:192.0.2.1")).unwrap();
        assert_eq!(admission.admit(ip("192.0.2.1")).unwrap_err(), Full::Client);
    }

    #[test]
    fn clients_behind_a_balancer_count_by_their_own_address() {
        let admission = Admission::new(3, 1);
        let mut first = admission.admit_unknown().unwrap();
        let mut second = admission.admit_unknown().unwrap();
        first.claim(ip("192.0.2.1")).unwrap();
        assert_eq!(second.claim(ip("192.0.2.1")), Err(Full::Client));
        drop(second);
        let _third = admission.admit(ip("192.0.2.2")).unwrap();
        let _fourth = admission.admit_unknown().unwrap();
        assert_eq!(admission.admit_unknown().unwrap_err(), Full::All);
        drop(first);
        assert_eq!(admission.counts.lock().unwrap().by_client.len(), 1);
    }

    #[test]
    fn whoever_is_passed_on_takes_the_place_of_the_one_before() {
        let admission = Admission::new(9, 1);
        let mut front = admission.admit_unknown().unwrap();
        let mut other = admission.admit_unknown().unwrap();
        front.claim(ip("192.0.2.1")).unwrap();
        front.claim(ip("192.0.2.1")).unwrap();
        assert_eq!(other.claim(ip("192.0.2.1")), Err(Full::Client));
        front.claim(ip("192.0.2.2")).unwrap();
        other.claim(ip("192.0.2.1")).unwrap();
        assert_eq!(admission.now(), 2);
        assert_eq!(other.claim(ip("192.0.2.2")), Err(Full::Client));
        drop((front, other));
        assert!(admission.counts.lock().unwrap().by_client.is_empty());
    }

    #[test]
    fn nothing_is_kept_about_clients_that_left() {
        let admission = Admission::new(9, 9);
        drop(admission.admit(ip("192.0.2.1")).unwrap());
        assert_eq!((admission.now(), admission.most()), (0, 9));
        admission.limit(5, 9);
        assert_eq!(admission.most(), 5);
        assert!(admission.counts.lock().unwrap().by_client.is_empty());
    }
}
