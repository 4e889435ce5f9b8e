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
    spaces: HashMap<String, (HashMap<String, Entry>, Usage)>,
    ends: BTreeSet<(u64, String, String)>,
}

impl Keeper for Memory {
    fn carry_out(&self, order: Order) -> Carrying<'_> {
        let now = super::now();
        let mut books = self.books.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(_) = ledger::sweep(&mut *books, now, SWEEP);
        let Ok(done) = ledger::carry_out(&mut *books, &order, now);
        Box::pin(std::future::ready(done))
    }
}

impl Pages<Infallible> for Books {
    fn entry(&mut self, space: &str, key: &str) -> Result<Option<Entry>, Infallible> {
        let space = self.spaces.get(space);
        Ok(space.and_then(|(entries, _)| entries.get(key)).cloned())
    }

    fn write(&mut self, space: &str, key: &str, entry: &Entry) -> Result<(), Infallible> {
        self.erase(space, key)?;
        let (entries, _) = self.spaces.entry(space.to_owned()).or_default();
        entries.insert(key.to_owned(), entry.clone());
        let end = (entry.until, space.to_owned(), key.to_owned());
        self.ends.insert(end);
        Ok(())
    }

    fn erase(&mut self, space: &str, key: &str) -> Result<(), Infallible> {
        let held = self
            .spaces
            .get_mut(space)
            .and_then(|(entries, _)| entries.remove(key));
        if let Some(held) = held {
            let end = (held.until, space.to_owned(), key.to_owned());
            self.ends.remove(&end);
        }
        Ok(())
    }

    fn usage(&mut self, space: &str) -> Result<Usage, Infallible> {
        let space = self.spaces.get(space);
        Ok(space.map_or(Usage::default(), |(_, usage)| *usage))
    }

    fn note_usage(&mut self, space: &str, usage: Usage) -> Result<(), Infallible> {
        self.spaces.entry(space.to_owned()).or_default().1 = usage;
        Ok(())
    }

    fn expired(&mut self, now: u64, most: usize) -> Result<Vec<(String, String)>, Infallible> {
        let ended = self.ends.iter().take_while(|(until, ..)| *until <= now);
        let names = ended.map(|(_, space, key)| (space.clone(), key.clone()));
        Ok(names.take(most).collect())
    }
}
