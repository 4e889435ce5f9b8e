//! Sandboxes between two questions. When none is free, those that have waited longest for their client are given up:
//! clients that open transactions and then say nothing must not keep mail from being judged.

use std::array::from_fn;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Every question puts a sandbox aside and takes it back: with one lock for all, sessions would wait for each other.
const SHELVES: usize = 16;

/// Things that wait, the longest first.
#[derive(Debug)]
pub struct Idle<T> {
    next: AtomicU64,
    shelves: [Shelf<T>; SHELVES],
}

/// Some of them, by their numbers; on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Shelf<T>(Mutex<Things<T>>);

/// With the moment from which on each waits.
type Things<T> = BTreeMap<u64, (Instant, T)>;

/// The right to take a thing back; dropping it drops the thing.
#[derive(Debug)]
pub struct Ticket<T> {
    idle: Arc<Idle<T>>,
    number: u64,
}

impl<T> Default for Idle<T> {
    fn default() -> Self {
        Self {
            next: AtomicU64::new(0),
            shelves: from_fn(|_| Shelf(Mutex::default())),
        }
    }
}

impl<T> Idle<T> {
    /// From now on `thing` waits.
    pub fn put(self: &Arc<Self>, thing: T) -> Ticket<T> {
        let number = self.next.fetch_add(1, Relaxed);
        self.shelf(number).insert(number, (Instant::now(), thing));
        Ticket {
            idle: Arc::clone(self),
            number,
        }
    }

    /// At most `most` things that have waited for at least `patience`, the longest first. Their tickets are void.
    #[must_use = "they are given up by dropping them"]
    pub fn give_up(&self, most: usize, patience: Duration) -> Vec<T> {
        let mut given = Vec::new();
        while given.len() < most {
            let Some(longest) = self.longest(patience) else {
                break;
            };
            // None: its client had an answer for it in the meantime.
            given.extend(self.remove(longest));
        }
        given
    }

    /// How many wait.
    pub fn waiting_now(&self) -> usize {
        self.shelves.iter().map(|shelf| shelf.things().len()).sum()
    }

    /// The one that has waited longest, if it has for at least `patience`.
    fn longest(&self, patience: Duration) -> Option<u64> {
        let first = |shelf: &Shelf<T>| {
            let things = shelf.things();
            things.iter().next().map(|(number, (at, _))| (*number, *at))
        };
        let firsts = self.shelves.iter().filter_map(first);
        let (number, at) = firsts.min_by_key(|(number, _)| *number)?;
        (at.elapsed() >= patience).then_some(number)
    }

    fn shelf(&self, number: u64) -> MutexGuard<'_, Things<T>> {
        self.shelves[number as usize % SHELVES].things()
    }

    fn remove(&self, number: u64) -> Option<T> {
        // Dropped by the caller, when the lock is free again: a sandbox takes its time.
        self.shelf(number).remove(&number).map(|(_, thing)| thing)
    }
}

impl<T> Shelf<T> {
    fn things(&self) -> MutexGuard<'_, Things<T>> {
        self.0.lock().expect("no holder of a shelf panics")
    }
}

impl<T> Ticket<T> {
    /// The thing, unless it was given up.
    pub fn take(self) -> Option<T> {
        self.idle.remove(self.number)
    }
}

impl<T> Drop for Ticket<T> {
    fn drop(&mut self) {
        drop(self.idle.remove(self.number));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    #[test]
    fn the_longest_waiting_are_given_up_first() {
        let idle = Arc::new(Idle::default());
        let tickets = ["first", "second", "third"].map(|thing| idle.put(thing));
        assert_eq!(idle.waiting_now(), 3);
        assert_eq!(idle.give_up(2, AT_ONCE), ["first", "second"]);
        let taken = tickets.map(Ticket::take);
        assert_eq!(taken, [None, None, Some("third")]);
        assert!(idle.give_up(1, AT_ONCE).is_empty());
    }

    #[test]
    fn the_order_is_that_of_all_shelves_together() {
        let idle = Arc::new(Idle::default());
        let many = 5 * SHELVES;
        let mut tickets: Vec<_> = (0..many).map(|thing| idle.put(thing)).collect();
        assert_eq!(tickets.remove(3).take(), Some(3));
        let expected: Vec<_> = (0..20).filter(|thing| *thing != 3).collect();
        assert_eq!(idle.give_up(19, AT_ONCE), expected);
        assert_eq!(idle.waiting_now(), many - 20);
        assert_eq!(idle.give_up(many, AT_ONCE).len(), many - 20);
        assert!(tickets.into_iter().all(|ticket| ticket.take().is_none()));
    }

    #[test]
    fn who_has_waited_shortly_is_left_alone() {
        let idle = Arc::new(Idle::default());
        let ticket = idle.put(());
        assert!(idle.give_up(1, Duration::from_secs(60)).is_empty());
        assert!(ticket.take().is_some());
    }

    #[test]
    fn nothing_waits_for_a_ticket_that_is_gone() {
        let (idle, thing) = (Arc::new(Idle::default()), Arc::new(()));
        drop(idle.put(thing.clone()));
        assert_eq!(Arc::strong_count(&thing), 1);
        assert!(idle.give_up(1, AT_ONCE).is_empty());
    }
}
