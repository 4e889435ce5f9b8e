//! The outside world of a made-up transaction: names, state, servers, lists.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::dns::{Answer, Kind};
use crate::http::{Request, Response};
use crate::{Error, Network};

/// What is so from the start; the state alone changes.
#[derive(Clone, Debug, Default)]
pub struct Outside {
    pub names: BTreeMap<(String, &'static str), Answer>,
    pub state: State,
    pub origins: Vec<(String, Option<Response>)>,
    pub lists: BTreeMap<String, Vec<String>>,
}

impl Outside {
    pub fn name(&mut self, name: &str, kind: Kind, answer: Answer) {
        self.names.insert((plain(name), word(kind)), answer);
    }

    pub fn answer(&self, name: &str, kind: Kind) -> Answer {
        if let Some(answer) = self.names.get(&(plain(name), word(kind))) {
            return answer.clone();
        }
        let known = self.names.keys().any(|(known, _)| *known == plain(name));
        match known {
            true => Answer::NoData,
            false => Answer::NoName,
        }
    }

    /// What is said at the origin of this URL.
    pub fn fetched(&self, request: &Request) -> Result<Response, Error> {
        let of = |(origin, _): &&(String, Option<Response>)| {
            let rest = request.url.strip_prefix(origin.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        let (_, answer) = self.origins.iter().find(of).ok_or(Error::NotGranted)?;
        answer.clone().ok_or(Error::Unavailable)
    }

    /// What stands behind an entry: the longest line that is the entry, a domain above it, or a network around it.
    pub fn listed(&self, list: &str, entry: &str) -> Result<Option<String>, Error> {
        let lines = self.lists.get(list).ok_or(Error::Invalid)?;
        let split = lines.iter().map(|line| match line.split_once(' ') {
            Some((first, rest)) => (first, rest.trim()),
            None => (line.as_str(), ""),
        });
        let held = split.filter(|(first, _)| holds(first, entry));
        let longest = held.max_by_key(|(first, _)| first.len());
        Ok(longest.map(|(_, rest)| rest.to_owned()))
    }
}

fn holds(line: &str, entry: &str) -> bool {
    let (line, entry) = (line.to_ascii_lowercase(), entry.to_ascii_lowercase());
    let around = match (line.parse::<Network>(), entry.parse::<IpAddr>()) {
        (Ok(network), Ok(address)) => network.contains(address),
        _ => false,
    };
    around || line == entry || entry.ends_with(&format!(".{line}"))
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::A => "a",
        Kind::Aaaa => "aaaa",
        Kind::Mx => "mx",
        Kind::Txt => "txt",
        Kind::Ptr => "ptr",
    }
}

/// What a filter remembers between transactions: give the same one to several. Its clock stands still until
/// [`State::pass`] moves it.
///
/// ```
/// use lazaret_filter::testing;
///
/// let state = testing::State::new();
/// state.put("seen 192.0.2.0/24", "1", 3600);
/// state.pass(3601);
/// assert!(state.keys().is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct State {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// seconds
    now: u64,
    down: bool,
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Vec<u8>,
    until: u64,
}

impl State {
    /// Nothing is remembered.
    pub fn new() -> Self {
        Self::default()
    }

    /// Time passes.
    pub fn pass(&self, seconds: u64) {
        self.shared().now += seconds;
    }

    /// As if the filter had written it, `seconds` long from now.
    pub fn put(&self, key: &str, value: impl AsRef<[u8]>, seconds: u32) {
        let mut shared = self.shared();
        shared.write(key, value.as_ref(), seconds);
    }

    /// What is there as text; None where nothing is.
    pub fn text(&self, key: &str) -> Option<String> {
        let entry = self.shared().live(key)?;
        Some(String::from_utf8_lossy(&entry.value).into_owned())
    }

    /// Keys whose time is not over, in order.
    pub fn keys(&self) -> Vec<String> {
        let shared = self.shared();
        let live = shared
            .entries
            .iter()
            .filter(|(_, entry)| entry.until > shared.now);
        live.map(|(key, _)| key.clone()).collect()
    }

    /// From now on the store does not answer.
    pub fn goes_down(&self) {
        self.shared().down = true;
    }

    /// It answers again.
    pub fn comes_back(&self) {
        self.shared().down = false;
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no holder panics")
    }

    fn up(&self, key: &str) -> Result<MutexGuard<'_, Shared>, Error> {
        if !(1..=512).contains(&key.len()) {
            return Err(Error::Invalid);
        }
        let shared = self.shared();
        match shared.down {
            true => Err(Error::Unavailable),
            false => Ok(shared),
        }
    }

    pub(super) fn get(&self, key: &str) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.up(key)?.live(key).map(|entry| entry.value))
    }

    pub(super) fn set(&self, key: &str, value: &[u8], seconds: u32) -> Result<(), Error> {
        checked(value, seconds)?;
        self.up(key)?.write(key, value, seconds);
        Ok(())
    }

    pub(super) fn remove(&self, key: &str) -> Result<bool, Error> {
        let mut shared = self.up(key)?;
        let was_there = shared.live(key).is_some();
        shared.entries.remove(key);
        Ok(was_there)
    }

    pub(super) fn increment(&self, key: &str, by: i32, seconds: u32) -> Result<i32, Error> {
        checked(b"", seconds)?;
        let mut shared = self.up(key)?;
        let Some(mut entry) = shared.live(key) else {
            shared.write(key, by.to_string().as_bytes(), seconds);
            return Ok(by);
        };
        let number = std::str::from_utf8(&entry.value).ok();
        let number: i32 = number
            .and_then(|text| text.parse().ok())
            .ok_or(Error::Invalid)?;
        let sum = number.saturating_add(by);
        entry.value = sum.to_string().into_bytes();
        shared.entries.insert(key.to_owned(), entry);
        Ok(sum)
    }

    pub(super) fn compare_and_set(
        &self,
        key: &str,
        expected: Option<&[u8]>,
        value: Option<&[u8]>,
        seconds: u32,
    ) -> Result<bool, Error> {
        checked(value.unwrap_or_default(), seconds)?;
        let mut shared = self.up(key)?;
        if shared.live(key).map(|entry| entry.value).as_deref() != expected {
            return Ok(false);
        }
        match value {
            Some(value) => shared.write(key, value, seconds),
            None => drop(shared.entries.remove(key)),
        }
        Ok(true)
    }
}

impl Shared {
    fn live(&self, key: &str) -> Option<Entry> {
        let entry = self.entries.get(key)?;
        (entry.until > self.now).then(|| entry.clone())
    }

    fn write(&mut self, key: &str, value: &[u8], seconds: u32) {
        let entry = Entry {
            value: value.to_vec(),
            until: self.now + u64::from(seconds),
        };
        self.entries.insert(key.to_owned(), entry);
    }
}

/// The host's caps: 64 KiB, 1 second to 400 days.
fn checked(value: &[u8], seconds: u32) -> Result<(), Error> {
    let good = value.len() <= 64 << 10 && (1..=400 * 86_400).contains(&seconds);
    good.then_some(()).ok_or(Error::Invalid)
}
