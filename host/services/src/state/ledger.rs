//! What each order means, for the stores that we keep ourselves.

use super::{Caps, Done, Order, Step};
use crate::Refused;

/// Expired entries that are erased at a time to make room for a new one.
const ROOM: usize = 64;
/// How often, at most, for one order: what is left then makes room for the next.
const ROUNDS: usize = 16;

/// One key's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// milliseconds since 1970; gone from then on
    pub until: u64,
    pub value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Octets(Vec<u8>),
    /// made by `increment`
    Number(i32),
}

/// What a space holds, expired entries that nobody swept included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub keys: u64,
    pub size: u64,
}

/// Where entries are written down. `B` is how it breaks.
pub trait Pages<B> {
    fn entry(&mut self, space: &str, key: &str) -> Result<Option<Entry>, B>;
    fn write(&mut self, space: &str, key: &str, entry: &Entry) -> Result<(), B>;
    fn erase(&mut self, space: &str, key: &str) -> Result<(), B>;
    fn usage(&mut self, space: &str) -> Result<Usage, B>;
    fn note_usage(&mut self, space: &str, usage: Usage) -> Result<(), B>;
    /// All that hold something.
    fn spaces(&mut self) -> Result<Vec<String>, B>;
    /// Keys of some entries of a space that ended by `now`, those that ended first before others.
    fn expired(&mut self, space: &str, now: u64, most: usize) -> Result<Vec<String>, B>;
}

/// What a step does to its entry, and what is answered then.
enum Deed {
    None(Done),
    Erase(Done),
    Write(Entry, Done),
}

/// Carries out one order. The outer error: the pages broke. The inner one: the filter's fault.
pub fn carry_out<B>(
    pages: &mut impl Pages<B>,
    order: &Order,
    now: u64,
) -> Result<Result<Done, Refused>, B> {
    let (space, key) = (&*order.space, &*order.key);
    let live = pages.entry(space, key)?.filter(|entry| entry.until > now);
    Ok(match deed(&order.step, live, now) {
        Err(refused) => Err(refused),
        Ok(Deed::None(done)) => Ok(done),
        Ok(Deed::Erase(done)) => {
            erase(pages, space, key)?;
            Ok(done)
        }
        Ok(Deed::Write(entry, done)) => write(pages, order, &entry, now)?.map(|()| done),
    })
}

/// What it comes to where this entry lives, or none.
fn deed(step: &Step, live: Option<Entry>, now: u64) -> Result<Deed, Refused> {
    let entry = |value, seconds: &u32| Entry {
        until: now.saturating_add(u64::from(*seconds) * 1000),
        value,
    };
    Ok(match step {
        Step::Read => Deed::None(Done::Value(live.map(Entry::into_octets))),
        Step::Remove => Deed::Erase(Done::Truth(live.is_some())),
        Step::Set { value, seconds } => {
            Deed::Write(entry(Value::Octets(value.clone()), seconds), Done::Written)
        }
        Step::Increment { by, seconds } => {
            let counted = live.unwrap_or_else(|| entry(Value::Number(0), seconds));
            counted_on(counted, *by)?
        }
        Step::Swap {
            expected,
            value,
            seconds,
        } => match value {
            _ if live.map(Entry::into_octets) != *expected => Deed::None(Done::Truth(false)),
            None => Deed::Erase(Done::Truth(true)),
            Some(value) => Deed::Write(
                entry(Value::Octets(value.clone()), seconds),
                Done::Truth(true),
            ),
        },
    })
}

/// Its end stays what it was.
fn counted_on(entry: Entry, by: i32) -> Result<Deed, Refused> {
    let Value::Number(number) = entry.value else {
        return Err(Refused::Invalid);
    };
    let sum = number.saturating_add(by);
    let value = Value::Number(sum);
    Ok(Deed::Write(Entry { value, ..entry }, Done::Sum(sum)))
}

/// Erases entries that ended, in all spaces; how many.
pub fn sweep_all<B>(pages: &mut impl Pages<B>, now: u64, most: usize) -> Result<usize, B> {
    let mut swept = 0;
    for space in pages.spaces()? {
        swept += sweep(pages, &space, now, most - swept)?;
        if swept == most {
            break;
        }
    }
    Ok(swept)
}

/// Erases entries of one space that ended; how many.
pub fn sweep<B>(pages: &mut impl Pages<B>, space: &str, now: u64, most: usize) -> Result<usize, B> {
    let expired = pages.expired(space, now, most)?;
    for key in &expired {
        erase(pages, space, key)?;
    }
    Ok(expired.len())
}

fn write<B>(
    pages: &mut impl Pages<B>,
    order: &Order,
    entry: &Entry,
    now: u64,
) -> Result<Result<(), Refused>, B> {
    let (space, key) = (&*order.space, &*order.key);
    let mut usage = usage_with(pages, space, key, entry)?;
    for _ in 0..ROUNDS {
        if usage.within(order.caps) || sweep(pages, space, now, ROOM)? == 0 {
            break;
        }
        usage = usage_with(pages, space, key, entry)?;
    }
    let grows = usage.grows(pages.usage(space)?);
    if grows && !usage.within(order.caps) {
        return Ok(Err(Refused::Limit));
    }
    pages.write(space, key, entry)?;
    pages.note_usage(space, usage)?;
    Ok(Ok(()))
}

/// What the space holds once the entry is written.
fn usage_with<B>(
    pages: &mut impl Pages<B>,
    space: &str,
    key: &str,
    entry: &Entry,
) -> Result<Usage, B> {
    let held = pages.entry(space, key)?;
    let mut usage = pages.usage(space)?;
    if let Some(held) = held {
        usage = usage.without(key, &held);
    }
    Ok(Usage {
        keys: usage.keys + 1,
        size: usage.size + size(key, entry),
    })
}

fn erase<B>(pages: &mut impl Pages<B>, space: &str, key: &str) -> Result<(), B> {
    let Some(held) = pages.entry(space, key)? else {
        return Ok(());
    };
    let usage = pages.usage(space)?.without(key, &held);
    pages.erase(space, key)?;
    pages.note_usage(space, usage)
}

impl Usage {
    fn within(self, caps: Caps) -> bool {
        self.keys <= caps.keys && self.size <= caps.size
    }

    /// An entry that gets smaller is written whatever the caps are: they may have been lowered.
    fn grows(self, before: Self) -> bool {
        self.keys > before.keys || self.size > before.size
    }

    fn without(self, key: &str, entry: &Entry) -> Self {
        Self {
            keys: self.keys.saturating_sub(1),
            size: self.size.saturating_sub(size(key, entry)),
        }
    }
}

fn size(key: &str, entry: &Entry) -> u64 {
    let value = match &entry.value {
        Value::Octets(octets) => octets.len(),
        Value::Number(number) => number.to_string().len(),
    };
    (key.len() + value) as u64
}

impl Entry {
    fn into_octets(self) -> Vec<u8> {
        match self.value {
            Value::Octets(octets) => octets,
            Value::Number(number) => number.to_string().into_bytes(),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use std::fmt::Debug;

    fn set(space: &str, key: &str, value: &[u8], caps: Caps) -> Order {
        Order {
            space: space.into(),
            key: key.into(),
            caps,
            step: Step::Set {
                value: value.to_vec(),
                seconds: 10,
            },
        }
    }

    /// What others let expire, and how many entries of its own a value needs the room of, is nothing to a filter.
    pub fn what_expired_makes_room<B: Debug>(pages: &mut impl Pages<B>) {
        let mut carry = |order: Order, now| carry_out(pages, &order, now).unwrap();
        for n in 0..500 {
            let order = set("other", &format!("key {n}"), b"1", Caps::default());
            assert_eq!(carry(order, 0), Ok(Done::Written));
        }
        let caps = Caps {
            keys: 300,
            size: 3000,
        };
        for n in 0..300 {
            let order = set("small", &format!("key {n:03}"), b"123", caps);
            assert_eq!(carry(order, 1), Ok(Done::Written));
        }
        let large = || set("small", "large", &[b'x'; 2300], caps);
        assert_eq!(carry(large(), 10_000), Err(Refused::Limit));
        assert_eq!(carry(large(), 10_001), Ok(Done::Written));
        let more = set("small", "more", &[b'x'; 700], caps);
        assert_eq!(carry(more, 10_002), Err(Refused::Limit));
        assert_eq!(sweep_all(pages, 10_002, 1000).unwrap(), 500);
        assert_eq!(sweep_all(pages, 30_000, 1000).unwrap(), 1);
        assert_eq!(pages.spaces().unwrap(), [""; 0]);
    }
}
