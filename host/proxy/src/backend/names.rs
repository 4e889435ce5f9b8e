//! Which addresses the configured ones stand for.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::lookup_host;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::member::Ledger;
use super::{Error, Member};

/// Names are asked for again after so long.
const AGAIN: Duration = Duration::from_secs(30);
/// The same while one of the addresses is not alive: the name may lead elsewhere now.
const AGAIN_IN_TROUBLE: Duration = Duration::from_secs(1);
/// How long the system's resolver may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The configured addresses, and what they stand for now.
pub(super) struct Names {
    ledger: Ledger,
    entries: Vec<Entry>,
    members: ArcSwap<Vec<Arc<Member>>>,
    looked_up: Mutex<LookedUp>,
}

/// One of the configured addresses.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    host: String,
    port: u16,
    /// written as an address, so that there is nothing to ask for
    literal: Option<IpAddr>,
}

impl Entry {
    fn new(written: &str) -> Self {
        let (host, port) = written
            .rsplit_once(':')
            .expect("the configuration takes a host with a port only");
        let host = host.trim_matches(['[', ']']).to_owned();
        Self {
            literal: host.parse().ok(),
            port: port.parse().expect("the same"),
            host,
        }
    }

    async fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        if let Some(ip) = self.literal {
            return Ok(vec![SocketAddr::new(ip, self.port)]);
        }
        let found = timeout(PATIENCE, lookup_host((self.host.as_str(), self.port))).await??;
        let found: Vec<_> = found.collect();
        match found.is_empty() {
            true => Err(io::ErrorKind::NotFound.into()),
            false => Ok(found),
        }
    }
}

/// What the resolver said, by entry. An entry keeps what it had if it says nothing now.
#[derive(Debug, Default)]
struct LookedUp {
    at: Option<Instant>,
    found: Vec<Vec<SocketAddr>>,
}

impl Names {
    pub(super) fn new(written: &[String], ledger: Ledger) -> Self {
        let entries: Vec<_> = written.iter().map(|text| Entry::new(text)).collect();
        let literal = |entry: &Entry| {
            entry
                .literal
                .map(|ip| vec![SocketAddr::new(ip, entry.port)])
        };
        let found: Vec<_> = entries
            .iter()
            .map(|entry| literal(entry).unwrap_or_default())
            .collect();
        let members = merge(&[], &entries, &found, &ledger);
        Self {
            ledger,
            entries,
            members: ArcSwap::from_pointee(members),
            looked_up: Mutex::new(LookedUp { at: None, found }),
        }
    }

    /// What is known now.
    pub(super) fn known(&self) -> Arc<Vec<Arc<Member>>> {
        self.members.load_full()
    }

    /// All addresses; the resolver is waited for if it has not been asked at all.
    pub(super) async fn members(&self) -> Result<Arc<Vec<Arc<Member>>>, Error> {
        let known = self.known();
        if !known.is_empty() {
            return Ok(known);
        }
        let failed = self.look_up(Duration::ZERO).await;
        let known = self.known();
        match failed.filter(|_| known.is_empty()) {
            Some(error) => Err(error),
            None => Ok(known),
        }
    }

    /// Are names due to be asked for?
    pub(super) fn are_due(&self) -> bool {
        // Whoever holds the lock is asking.
        let looked_up = self.looked_up.try_lock();
        looked_up.is_ok_and(|looked_up| self.is_older(&looked_up, self.age()))
    }

    /// Asks for names if that was not done lately; what could not be found.
    pub(super) async fn refresh(&self) -> Option<Error> {
        self.look_up(self.age()).await
    }

    fn age(&self) -> Duration {
        match self.known().iter().all(|member| member.is_alive()) {
            true => AGAIN,
            false => AGAIN_IN_TROUBLE,
        }
    }

    fn is_older(&self, looked_up: &LookedUp, age: Duration) -> bool {
        let has_names = self.entries.iter().any(|entry| entry.literal.is_none());
        has_names && looked_up.at.is_none_or(|at| at.elapsed() >= age)
    }

    async fn look_up(&self, age: Duration) -> Option<Error> {
        let asked = Instant::now();
        let mut looked_up = self.looked_up.lock().await;
        // Somebody else may have asked while we waited for the lock.
        let is_new = looked_up.at.is_some_and(|at| at >= asked);
        if is_new || !self.is_older(&looked_up, age) {
            return None;
        }
        let mut failed = None;
        for (place, entry) in self.entries.iter().enumerate() {
            match entry.addresses().await {
                Ok(found) => looked_up.found[place] = found,
                Err(source) => {
                    failed = Some(Error::NoAddress {
                        host: entry.host.clone(),
                        source: Arc::new(source),
                    });
                }
            }
        }
        looked_up.at = Some(Instant::now());
        let members = merge(&self.known(), &self.entries, &looked_up.found, &self.ledger);
        self.members.store(Arc::new(members));
        failed
    }
}

/// Who was there stays who it was; each address is there once, in the order of the configuration.
fn merge(
    before: &[Arc<Member>],
    entries: &[Entry],
    found: &[Vec<SocketAddr>],
    ledger: &Ledger,
) -> Vec<Arc<Member>> {
    let mut members: Vec<Arc<Member>> = Vec::new();
    for (entry, addresses) in entries.iter().zip(found) {
        for address in addresses {
            if members.iter().any(|member| member.address == *address) {
                continue;
            }
            let same =
                |member: &&Arc<Member>| member.address == *address && member.host == entry.host;
            let old = before.iter().find(same).cloned();
            let new = || Member::new(*address, entry.host.clone(), ledger);
            members.push(old.unwrap_or_else(new));
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::atomic::Ordering;

    use super::*;

    fn addresses(members: &[Arc<Member>]) -> Vec<String> {
        let address = |member: &Arc<Member>| member.address.to_string();
        members.iter().map(address).collect()
    }

    #[test]
    fn what_is_written_as_an_address_is_there_at_once() {
        let names = Names::new(
            &["127.0.0.1:25".to_owned(), "[2001:db8::1]:2525".to_owned()],
            Ledger::default(),
        );
        assert_eq!(
            addresses(&names.known()),
            ["127.0.0.1:25", "[2001:db8::1]:2525"]
        );
        assert!(!names.are_due(), "nothing to ask for");
    }

    #[tokio::test]
    async fn a_name_is_all_its_addresses_once_the_resolver_was_asked() {
        let names = Names::new(&["localhost:2525".to_owned()], Ledger::default());
        assert!(names.known().is_empty());
        assert!(names.are_due());
        let members = names.members().await.expect("localhost has an address");
        assert!(
            members
                .iter()
                .all(|member| member.address.ip().is_loopback() && member.address.port() == 2525)
        );
        assert!(!names.are_due());
    }

    #[tokio::test]
    async fn a_name_without_address_says_so() {
        let names = Names::new(&["no-such-host.invalid:25".to_owned()], Ledger::default());
        let error = names.members().await.err().expect("no address");
        assert!(
            error
                .to_string()
                .starts_with("backend no-such-host.invalid has no address: "),
            "{error}"
        );
    }

    #[test]
    fn who_was_there_stays_and_each_is_there_once() {
        let entries = ["a.example.org:25", "b.example.org:25"].map(Entry::new);
        let found = |lists: [&[&str]; 2]| {
            lists.map(|list| {
                list.iter()
                    .map(|it| it.parse().unwrap())
                    .collect::<Vec<_>>()
            })
        };
        let ledger = Ledger::default();
        let first = merge(
            &[],
            &entries,
            &found([&["192.0.2.1:25", "192.0.2.2:25"], &["192.0.2.2:25"]]),
            &ledger,
        );
        assert_eq!(addresses(&first), ["192.0.2.1:25", "192.0.2.2:25"]);
        let second = merge(
            &first,
            &entries,
            &found([&["192.0.2.2:25", "192.0.2.3:25"], &[]]),
            &ledger,
        );
        assert_eq!(addresses(&second), ["192.0.2.2:25", "192.0.2.3:25"]);
        assert!(Arc::ptr_eq(&first[1], &second[0]), "with all that is known");
    }

    /// With a name that leads to other addresses now and then, and with a backend that is configured anew.
    #[test]
    fn what_was_counted_of_an_address_is_not_forgotten() {
        let ledger = Ledger::default();
        let written = ["192.0.2.1:25".to_owned()];
        let before = Names::new(&written, ledger.clone()).known();
        before[0].counts.ambiguous.fetch_add(1, Ordering::Relaxed);
        let after = Names::new(&written, ledger.clone()).known();
        before[0].counts.ambiguous.fetch_add(1, Ordering::Relaxed);
        assert_eq!(after[0].counts.ambiguous.load(Ordering::Relaxed), 2);
        for last in 0..2000_u32 {
            ledger.of(SocketAddr::new(Ipv4Addr::from(last).into(), 25));
        }
        drop(before);
        let again = ledger.of(after[0].address);
        assert_eq!(again.ambiguous.load(Ordering::Relaxed), 2, "it is in use");
    }
}
