//! What threads that carry sessions have each for themselves: what two processors write in turns travels from one's cache
//! to the other's each time, which costs more than the counting.

use std::cell::Cell;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::available_parallelism;

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// This thread carries sessions, as the one of that number, from 0 up: nobody else has its place in a [`PerThread`] where
/// there are no more of them than processors.
pub fn carries_sessions(number: usize) {
    NUMBER.set(Some(number));
}

/// Threads that carry no session are counted, and share the places of those that do.
fn number() -> usize {
    static OTHERS: AtomicUsize = AtomicUsize::new(0);
    NUMBER.get().unwrap_or_else(|| {
        let number = OTHERS.fetch_add(1, Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

/// One `T` for each processor, on cache lines of its own.
#[derive(Debug)]
pub struct PerThread<T>(Box<[Apart<T>]>);

/// Two lines: processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

impl<T> PerThread<T> {
    /// As many as processors are for us.
    pub fn new(mut make: impl FnMut() -> T) -> Self {
        static PROCESSORS: LazyLock<usize> =
            LazyLock::new(|| available_parallelism().map_or(1, |count| count.get()));
        Self((0..*PROCESSORS).map(|_| Apart(make())).collect())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// That of this thread.
    pub fn here(&self) -> &T {
        &self.0[number() % self.0.len()].0
    }

    /// All of them, always in the same order.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|it| &it.0)
    }

    /// All of them, that of this thread first.
    pub fn nearest(&self) -> impl Iterator<Item = &T> {
        let (before, from) = self.0.split_at(number() % self.0.len());
        from.iter().chain(before).map(|it| &it.0)
    }
}

impl<T: Default> Default for PerThread<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_carries_sessions_has_a_place_of_its_own() {
        let places = PerThread::<AtomicUsize>::default();
        std::thread::scope(|scope| {
            for number in 0..places.count() {
                let places = &places;
                scope.spawn(move || {
                    carries_sessions(number);
                    places.here().fetch_add(1, Relaxed);
                });
            }
        });
        assert!(places.all().all(|place| place.load(Relaxed) == 1));
    }

    #[test]
    fn the_first_of_all_is_that_of_whoever_asks() {
        let places = PerThread::<AtomicUsize>::default();
        places.here().fetch_add(7, Relaxed);
        let counts: Vec<_> = places.nearest().map(|place| place.load(Relaxed)).collect();
        assert_eq!((counts.len(), counts[0]), (places.count(), 7));
        assert_eq!(counts.iter().sum::<usize>(), 7);
    }
}
