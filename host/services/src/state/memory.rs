//! State in memory.

use std::collections::{BTreeSet, HashMap};
use std::convert::Infallible;
use std::sync::{Mutex, PoisonError};

use super::ledger::{self, Entry, Pages, Usage};
use super::{Carrying, Keeper, Order};

/// Expired entries that each order sweeps: more than it can add.
const SWEEP: usize = 2;

#[derive(Default)]
pub struct Memory {
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    spaces: HashMap<String, Entries>,
}

#[derive(Default)]
struct Entries {
    of: HashMap<String, Entry>,
    ends: BTreeSet<(u64, String)>,
    usage: Usage,
}

impl Keeper for Memory {
    fn carry_out(&self, order: Order) -> Carrying<'_> {
        let now = super::now();
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(_) = ledger::sweep_all(&mut *books, now, SWEEP);
        let Ok(done) = ledger::carry_out(&mut *books, &order, now);
        Box::pin(std::future::ready(done))
    }
}

impl Pages<Infallible> for Books {
    fn entry(&mut self, space: &str, key: &str) -> Result<Option<Entry>, Infallible> {
        let entries = self.spaces.get(space);
        Ok(entries.and_then(|entries| entries.of.get(key)).cloned())
    }

    fn write(&mut self, space: &str, key: &str, entry: &Entry) -> Result<(), Infallible> {
        self.erase(space, key)?;
        let entries = self.spaces.entry(space.to_owned()).or_default();
        entries.of.insert(key.to_owned(), entry.clone());
        entries.ends.insert((entry.until, key.to_owned()));
        Ok(())
    }

    fn erase(&mut self, space: &str, key: &str) -> Result<(), Infallible> {
        if let Some(entries) = self.spaces.get_mut(space)
            && let Some(held) = entries.of.remove(key)
        {
            entries.ends.remove(&(held.until, key.to_owned()));
        }
        Ok(())
    }

    fn usage(&mut self, space: &str) -> Result<Usage, Infallible> {
        let entries = self.spaces.get(space);
        Ok(entries.map_or(Usage::default(), |entries| entries.usage))
    }

    fn note_usage(&mut self, space: &str, usage: Usage) -> Result<(), Infallible> {
        match usage.keys {
            0 => drop(self.spaces.remove(space)),
            _ => self.spaces.entry(space.to_owned()).or_default().usage = usage,
        }
        Ok(())
    }

    fn spaces(&mut self) -> Result<Vec<String>, Infallible> {
        Ok(self.spaces.keys().cloned().collect())
    }

    fn expired(&mut self, space: &str, now: u64, most: usize) -> Result<Vec<String>, Infallible> {
        let ends = self.spaces.get(space).map(|entries| &entries.ends);
        let ended = ends
            .into_iter()
            .flatten()
            .take_while(|(until, _)| *until <= now);
        Ok(ended.take(most).map(|(_, key)| key.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_expired_makes_room() {
        ledger::tests::what_expired_makes_room(&mut Books::default());
    }
}
