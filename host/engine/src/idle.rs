//! Sandboxes between two questions. When none is free, those that have waited longest for their client are given up:
//! clients that open transactions and then say nothing must not keep mail from being judged.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Things that wait, the longest first.
#[derive(Debug)]
pub struct Idle<T> {
    waiting: Mutex<Waiting<T>>,
}

#[derive(Debug)]
struct Waiting<T> {
    next: u64,
    things: BTreeMap<u64, (Instant, T)>,
}

/// The right to take a thing back; dropping it drops the thing.
#[derive(Debug)]
pub struct Ticket<T> {
    idle: Arc<Idle<T>>,
    number: u64,
}

impl<T> Default for Idle<T> {
    fn default() -> Self {
        Self {
            waiting: Mutex::new(Waiting {
                next: 0,
                things: BTreeMap::new(),
            }),
        }
    }
}

impl<T> Idle<T> {
    /// From now on `thing` waits.
    pub fn put(self: &Arc<Self>, thing: T) -> Ticket<T> {
        let mut waiting = self.waiting();
        let number = waiting.next;
        waiting.next += 1;
        waiting.things.insert(number, (Instant::now(), thing));
        Ticket {
            idle: Arc::clone(self),
            number,
        }
    }

    /// At most `most` things that have waited for at least `patience`, the longest first. Their tickets are void.
    #[must_use = "they are given up by dropping them"]
    pub fn give_up(&self, most: usize, patience: Duration) -> Vec<T> {
        let mut waiting = self.waiting();
        let mut given = Vec::new();
        while given.len() < most {
            let Some(longest) = waiting.things.first_entry() else {
                break;
            };
            if longest.get().0.elapsed() < patience {
                break;
            }
            given.push(longest.remove().1);
        }
        given
    }

    /// How many wait.
    pub fn waiting_now(&self) -> usize {
        self.waiting().things.len()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<T>> {
        self.waiting.lock().expect("no holder of the list panics")
    }

    fn remove(&self, number: u64) -> Option<T> {
        // Dropped by the caller, when the lock is free again: a sandbox takes its time.
        self.waiting()
            .things
            .remove(&number)
            .map(|(_, thing)| thing)
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
