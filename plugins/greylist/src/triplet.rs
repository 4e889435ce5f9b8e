//! Client network, sender and recipient, and what is remembered of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lazaret_filter::{Error, state};

use crate::settings::Settings;

/// Octets of each mailbox in a key, from its end. Keys have at most 512; mailboxes that are longer and end alike share one.
const MOST_OF_A_MAILBOX: usize = 200;

/// Unknown triplets of one network that are remembered at once, each by itself. Recipients need not exist, so one client
/// could fill all of `state` with them.
const MOST_PENDING: i32 = 2000;

/// Beyond, so many places of the network are shared by all the others. Who comes to one that has waited passes, whoever
/// waited there: nobody can shut a neighbour out, and what is remembered stays bounded.
const SHARED: u64 = 1024;

/// Who writes to whom from where.
#[derive(Debug)]
pub struct Triplet {
    network: String,
    key: String,
}

impl Triplet {
    /// The mailboxes in lower case.
    pub fn new(client: IpAddr, sender: &str, recipient: &str) -> Self {
        let network = network(client);
        let key = format!("{network} <{}> <{}>", tail(sender), tail(recipient));
        Self { network, key }
    }

    /// Has it, or have enough others of its network, come back in time? What is learned by asking is written down.
    pub fn is_known(&self, settings: &Settings) -> Result<bool, Error> {
        let known = format!("known {}", self.key);
        if state::get(&known)?.is_some() {
            state::set(&known, b"1", settings.lifetime.seconds())?;
            return Ok(true);
        }
        if self.is_of_good_network(settings)? {
            return Ok(true);
        }
        let waited = self.waited(settings)?;
        if waited != Waited::No {
            self.pass(&known, waited, settings)?;
        }
        Ok(waited != Waited::No)
    }

    fn passes_of_network(&self) -> String {
        format!("network {}", self.network)
    }

    fn good_network(&self) -> String {
        format!("good {}", self.network)
    }

    fn pending_of_network(&self) -> String {
        format!("pending {}", self.network)
    }

    /// Did enough of it pass, now or ever since? Whoever asks renews that: the number of those that passed, which is the sign
    /// of it, lives from the first one and cannot be renewed.
    fn is_of_good_network(&self, settings: &Settings) -> Result<bool, Error> {
        if settings.auto_allow == 0 {
            return Ok(false);
        }
        for key in [self.good_network(), self.passes_of_network()] {
            let passes = number(state::get(&key)?);
            if passes >= settings.auto_allow {
                self.trust(passes, settings);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// For `lifetime` from now, by settings that ask for as many or fewer. A store that is full keeps nobody waiting who is
    /// trusted already.
    fn trust(&self, passes: u32, settings: &Settings) {
        let lifetime = settings.lifetime.seconds();
        let _ = state::set(
            &self.good_network(),
            passes.to_string().as_bytes(),
            lifetime,
        );
    }

    fn waited(&self, settings: &Settings) -> Result<Waited, Error> {
        let alone = Place::new(&self.key);
        match alone.has_waited()? {
            Some(true) => return Ok(Waited::Alone),
            Some(false) => return Ok(Waited::No),
            None => {}
        }
        let has_room = self.count(1, settings)? <= MOST_PENDING;
        if has_room && alone.take(settings)? {
            return Ok(Waited::No);
        }
        self.count(-1, settings)?;
        if has_room {
            return Ok(Waited::No);
        }
        let shared = Place::new(&format!(
            "{} shared {}",
            self.network,
            hash(&self.key) % SHARED
        ));
        match shared.has_waited()? {
            Some(true) => Ok(Waited::Shared),
            Some(false) => Ok(Waited::No),
            None => shared.take(settings).map(|_| Waited::No),
        }
    }

    /// Triplets that are remembered by themselves and did not come back yet.
    fn count(&self, by: i32, settings: &Settings) -> Result<i32, Error> {
        state::increment(&self.pending_of_network(), by, settings.window.seconds())
    }

    /// Of several sessions that come back at once, one counts.
    fn pass(&self, known: &str, waited: Waited, settings: &Settings) -> Result<(), Error> {
        let lifetime = settings.lifetime.seconds();
        if !state::compare_and_set(known, None, Some(b"1"), lifetime)? {
            return Ok(());
        }
        if waited == Waited::Alone {
            self.count(-1, settings)?;
        }
        if settings.auto_allow == 0 {
            return Ok(());
        }
        let passes = state::increment(&self.passes_of_network(), 1, lifetime)?;
        let passes = u32::try_from(passes).unwrap_or_default();
        if passes >= settings.auto_allow {
            self.trust(passes, settings);
        }
        Ok(())
    }
}

/// Did it, and where?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    No,
    Alone,
    Shared,
}

/// Where a first try is remembered.
struct Place {
    seen: String,
    wait: String,
}

impl Place {
    fn new(key: &str) -> Self {
        Self {
            seen: format!("seen {key}"),
            wait: format!("wait {key}"),
        }
    }

    /// None before the first try.
    fn has_waited(&self) -> Result<Option<bool>, Error> {
        match state::get(&self.seen)? {
            Some(_) => Ok(Some(state::get(&self.wait)?.is_none())),
            None => Ok(None),
        }
    }

    /// `wait` is written before `seen`: nobody finds the second without the first before the delay is over. Of several first
    /// tries at the same moment one wins.
    fn take(&self, settings: &Settings) -> Result<bool, Error> {
        state::set(&self.wait, b"1", settings.delay.seconds())?;
        state::compare_and_set(&self.seen, None, Some(b"1"), settings.window.seconds())
    }
}

/// 0 for what is none.
fn number(digits: Option<Vec<u8>>) -> u32 {
    let digits = String::from_utf8(digits.unwrap_or_default()).unwrap_or_default();
    digits.parse().unwrap_or_default()
}

/// FNV-1a: the same in every version and for every proxy that shares the store. Whoever looks for two of a kind gains nothing.
fn hash(key: &str) -> u64 {
    let start = 0xcbf2_9ce4_8422_2325;
    let step = |hash: u64, octet: u8| (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
    key.bytes().fold(start, step)
}

/// Large senders try again from a neighbour: /24 of IPv4, /64 of IPv6.
fn network(client: IpAddr) -> String {
    match client {
        IpAddr::V4(v4) => format!("{}/24", Ipv4Addr::from_bits(v4.to_bits() & !0xff)),
        IpAddr::V6(v6) => {
            let bits = v6.to_bits() & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from_bits(bits))
        }
    }
}

fn tail(mailbox: &str) -> &str {
    let start = mailbox.len().saturating_sub(MOST_OF_A_MAILBOX);
    &mailbox[mailbox.ceil_char_boundary(start)..]
}
