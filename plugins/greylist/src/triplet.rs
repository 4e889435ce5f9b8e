//! Client network, sender and recipient, and what is remembered of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lazaret_filter::{Error, state};

use crate::settings::Settings;

/// Octets of each mailbox in a key, from its end. Keys have at most 512; mailboxes that are longer and end alike share one.
const MOST_OF_A_MAILBOX: usize = 200;

/// Unknown triplets of one network that are remembered at once. Recipients need not exist, so one client could fill all of
/// `state` with them: beyond, its first tries leave nothing behind, and are first tries again.
const MOST_PENDING: i32 = 2000;

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
        let passes = self.has_waited(settings)?;
        if passes {
            self.pass(&known, settings)?;
        }
        Ok(passes)
    }

    fn passes_of_network(&self) -> String {
        format!("network {}", self.network)
    }

    fn pending_of_network(&self) -> String {
        format!("pending {}", self.network)
    }

    fn is_of_good_network(&self, settings: &Settings) -> Result<bool, Error> {
        if settings.auto_allow == 0 {
            return Ok(false);
        }
        let passes = state::get(&self.passes_of_network())?.unwrap_or_default();
        let passes = std::str::from_utf8(&passes).ok();
        let passes = passes.and_then(|digits| digits.parse::<u32>().ok());
        Ok(passes.unwrap_or_default() >= settings.auto_allow)
    }

    /// `wait` is written before `seen`: nobody finds the second without the first before the delay is over.
    fn has_waited(&self, settings: &Settings) -> Result<bool, Error> {
        let (seen, wait) = (format!("seen {}", self.key), format!("wait {}", self.key));
        if state::get(&seen)?.is_some() {
            return Ok(state::get(&wait)?.is_none());
        }
        if state::increment(&self.pending_of_network(), 1, settings.window.seconds())?
            > MOST_PENDING
        {
            return Ok(false);
        }
        state::set(&wait, b"1", settings.delay.seconds())?;
        state::compare_and_set(&seen, None, Some(b"1"), settings.window.seconds())?;
        Ok(false)
    }

    /// Of several sessions that come back at once, one counts.
    fn pass(&self, known: &str, settings: &Settings) -> Result<(), Error> {
        let lifetime = settings.lifetime.seconds();
        if !state::compare_and_set(known, None, Some(b"1"), lifetime)? {
            return Ok(());
        }
        state::increment(&self.pending_of_network(), -1, settings.window.seconds())?;
        if settings.auto_allow > 0 {
            state::increment(&self.passes_of_network(), 1, lifetime)?;
        }
        Ok(())
    }
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
