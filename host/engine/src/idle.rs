//! Sandboxes between two questions. When none is free, those that have waited longest for their client are given up:
//! clients that open transactions and then say nothing must not keep mail from being judged.

use std::array::from_fn;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// Sessions that begin and end a transaction at once should not wait for each other.
const SHELVES: usize = 16;

/// Places where things wait. A thing has one for all of its life: to put it there and to take it back, which is done at
/// each question, touches nothing that others use.
#[derive(Debug)]
pub struct Idle<T> {
    next: AtomicU64,
    shelves: [Shelf<T>; SHELVES],
    ripe: Mutex<Ripe<T>>,
}

/// Some of them, by their numbers; on cache lines of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Shelf<T>(Mutex<Spots<T>>);

type Spots<T> = BTreeMap<u64, Arc<Spot<T>>>;

/// A thing that waits, and since when.
#[derive(Debug)]
struct Spot<T>(Mutex<Option<(Instant, T)>>);

/// Since when a thing waited when it was looked at, and where.
type Found<T> = (Instant, u64, Arc<Spot<T>>);

/// What had waited long enough when all were looked at: that costs by their number, so it is done for many who want
/// one, and not at all before another can have waited long enough.
#[derive(Debug)]
struct Ripe<T> {
    /// the longest last
    found: Vec<Found<T>>,
    /// all others began to wait then, or later
    rest: Option<Instant>,
}

/// Where one thing may wait; dropping it drops the thing.
#[derive(Debug)]
pub struct Place<T> {
    idle: Arc<Idle<T>>,
    number: u64,
    spot: Arc<Spot<T>>,
}

impl<T> Default for Idle<T> {
    fn default() -> Self {
        let ripe = Ripe {
            found: Vec::new(),
            rest: None,
        };
        Self {
            next: AtomicU64::new(0),
            shelves: from_fn(|_| Shelf(Mutex::default())),
            ripe: Mutex::new(ripe),
        }
    }
}

impl<T> Idle<T> {
    /// A place where nothing waits yet.
    pub fn place(self: &Arc<Self>) -> Place<T> {
        let number = self.next.fetch_add(1, Relaxed);
        let spot = Arc::new(Spot(Mutex::new(None)));
        self.shelf(number).spots().insert(number, Arc::clone(&spot));
        Place {
            idle: Arc::clone(self),
            number,
            spot,
        }
    }

    /// At most `most` things that have waited for at least `patience`, the longest first. Their places are void.
    #[must_use = "they are given up by dropping them"]
    pub fn give_up(&self, most: usize, patience: Duration) -> Vec<T> {
        let mut given = Vec::new();
        let mut ripe = self.ripe.lock().expect("no holder of the list panics");
        while given.len() < most {
            if ripe.found.is_empty() && !self.look(&mut ripe, patience) {
                break;
            }
            let Some((since, number, spot)) = ripe.found.pop() else {
                break;
            };
            // None: its client had an answer for it in the meantime.
            if let Some(thing) = spot.take_since(since) {
                drop(self.shelf(number).spots().remove(&number));
                given.push(thing);
            }
        }
        given
    }

    /// How many wait.
    pub fn waiting_now(&self) -> usize {
        let waiting = |shelf: &Shelf<T>| {
            let spots = shelf.spots();
            spots.values().filter(|spot| spot.since().is_some()).count()
        };
        self.shelves.iter().map(waiting).sum()
    }

    /// Looks at all, unless none can have waited for so long: whether any has.
    fn look(&self, ripe: &mut Ripe<T>, patience: Duration) -> bool {
        let now = Instant::now();
        let is_ripe = |since: Instant| now.duration_since(since) >= patience;
        if ripe.rest.is_some_and(|since| !is_ripe(since)) {
            return false;
        }
        let mut rest = now;
        for shelf in &self.shelves {
            for (number, spot) in &*shelf.spots() {
                match spot.since() {
                    Some(since) if is_ripe(since) => {
                        ripe.found.push((since, *number, Arc::clone(spot)));
                    }
                    Some(since) => rest = rest.min(since),
                    None => {}
                }
            }
        }
        ripe.rest = Some(rest);
        let longest_last = |(one, ..): &Found<T>, (other, ..): &Found<T>| other.cmp(one);
        ripe.found.sort_unstable_by(longest_last);
        !ripe.found.is_empty()
    }

    fn shelf(&self, number: u64) -> &Shelf<T> {
        &self.shelves[number as usize % SHELVES]
    }
}

impl<T> Shelf<T> {
    fn spots(&self) -> MutexGuard<'_, Spots<T>> {
        self.0.lock().expect("no holder of a shelf panics")
    }
}

impl<T> Spot<T> {
    fn since(&self) -> Option<Instant> {
        self.thing().as_ref().map(|(since, _)| *since)
    }

    fn take_since(&self, since: Instant) -> Option<T> {
        let taken = self.thing().take_if(|(at, _)| *at == since);
        taken.map(|(_, thing)| thing)
    }

    fn thing(&self) -> MutexGuard<'_, Option<(Instant, T)>> {
        self.0.lock().expect("no holder of a place panics")
    }
}

impl<T> Place<T> {
    /// From now on `thing` waits.
    pub fn put(&self, thing: T) {
        *self.spot.thing() = Some((Instant::now(), thing));
    }

    /// The thing, unless it was given up.
    pub fn take(&self) -> Option<T> {
        // Dropped by the caller, when the lock is free again: a sandbox takes its time.
        let taken = self.spot.thing().take();
        taken.map(|(_, thing)| thing)
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        // Whoever gives things up may have the spot in hand for a moment longer.
        drop(self.take());
        let spot = self.idle.shelf(self.number).spots().remove(&self.number);
        drop(spot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_ONCE: Duration = Duration::ZERO;

    /// Each later than the one before.
    fn put<T>(idle: &Arc<Idle<T>>, thing: T) -> Place<T> {
        let place = idle.place();
        later();
        place.put(thing);
        place
    }

    fn later() {
        let before = Instant::now();
        while before == Instant::now() {}
    }

    #[test]
    fn the_longest_waiting_are_given_up_first() {
        let idle = Arc::new(Idle::default());
        let places = ["first", "second", "third"].map(|thing| put(&idle, thing));
        assert_eq!(idle.waiting_now(), 3);
        assert_eq!(idle.give_up(2, AT_ONCE), ["first", "second"]);
        let taken = places.map(|place| place.take());
        assert_eq!(taken, [None, None, Some("third")]);
        assert!(idle.give_up(1, AT_ONCE).is_empty());
    }

    #[test]
    fn the_order_is_that_of_all_shelves_together() {
        let idle = Arc::new(Idle::default());
        let many = 5 * SHELVES;
        let mut places: Vec<_> = (0..many).map(|thing| put(&idle, thing)).collect();
        assert_eq!(places.remove(3).take(), Some(3));
        let expected: Vec<_> = (0..20).filter(|thing| *thing != 3).collect();
        assert_eq!(idle.give_up(19, AT_ONCE), expected);
        assert_eq!(idle.waiting_now(), many - 20);
        assert_eq!(idle.give_up(many, AT_ONCE).len(), many - 20);
        assert!(places.into_iter().all(|place| place.take().is_none()));
    }

    #[test]
    fn who_was_asked_in_between_waits_anew() {
        let idle = Arc::new(Idle::default());
        let places = ["one", "other"].map(|thing| put(&idle, thing));
        let again = places[0].take().expect("it waits");
        later();
        places[0].put(again);
        assert_eq!(idle.give_up(1, AT_ONCE), ["other"]);
        assert_eq!(places.map(|place| place.take()), [Some("one"), None]);
    }

    /// One look finds many, and a later one is not needed before others have waited as long.
    #[test]
    fn who_comes_later_is_found_later() {
        // On a machine that hangs all of them have waited long enough: then it is tried with more time.
        let patiences = [40, 400, 4000].map(Duration::from_millis);
        assert!(patiences.into_iter().any(comes_later), "it hangs each time");
    }

    /// Two that come one after the other; false if somebody waited for `patience` before he was to.
    fn comes_later(patience: Duration) -> bool {
        let idle = Arc::new(Idle::default());
        let came = Instant::now();
        let first = put(&idle, "first");
        let given = idle.give_up(1, patience);
        if came.elapsed() >= patience {
            return false;
        }
        assert!(given.is_empty());
        std::thread::sleep(patience / 2);
        let came = Instant::now();
        let second = put(&idle, "second");
        std::thread::sleep(patience / 2);
        let given = [(); 2].map(|()| idle.give_up(2, patience));
        if came.elapsed() >= patience {
            return false;
        }
        assert_eq!(given, [vec!["first"], vec![]]);
        std::thread::sleep(patience);
        assert_eq!(idle.give_up(2, patience), ["second"]);
        drop((first, second));
        assert!(idle.shelves.iter().all(|shelf| shelf.spots().is_empty()));
        true
    }

    #[test]
    fn who_has_waited_shortly_is_left_alone() {
        let idle = Arc::new(Idle::default());
        let place = put(&idle, ());
        assert!(idle.give_up(1, Duration::from_secs(60)).is_empty());
        assert!(place.take().is_some());
    }

    #[test]
    fn nothing_waits_at_a_place_that_is_gone() {
        let (idle, thing) = (Arc::new(Idle::default()), Arc::new(()));
        drop(put(&idle, thing.clone()));
        assert_eq!(Arc::strong_count(&thing), 1);
        assert!(idle.give_up(1, AT_ONCE).is_empty());
        assert!(idle.shelves.iter().all(|shelf| shelf.spots().is_empty()));
    }
}
