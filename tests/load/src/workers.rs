//! Threads with a current-thread runtime each.

use std::future::Future;
use std::thread;

use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// Runs `work` on a runtime of this thread, with tasks that need not be `Send`.
pub(crate) fn run<F: Future>(work: F) -> F::Output {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs a few file descriptors");
    LocalSet::new().block_on(&runtime, work)
}

/// Calls `work` on so many threads with the number of each; what they answer, in order.
pub(crate) fn spread<T: Send>(threads: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    if threads <= 1 {
        return vec![work(0)];
    }
    thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = (0..threads)
            .map(|number| scope.spawn(move || work(number)))
            .collect();
        let answers = running.into_iter().map(thread::ScopedJoinHandle::join);
        answers
            .map(|answer| answer.expect("a worker does not panic"))
            .collect()
    })
}

/// The share of `whole` that falls to part `number` of `parts`; the shares add up.
pub(crate) fn share(whole: usize, parts: usize, number: usize) -> usize {
    whole / parts + usize::from(number < whole % parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up() {
        for (whole, parts) in [(20, 1), (20, 3), (2, 3), (0, 4), (5000, 7)] {
            let shares = (0..parts).map(|number| share(whole, parts, number));
            assert_eq!(shares.sum::<usize>(), whole);
        }
    }

    #[test]
    fn every_thread_works_once() {
        assert_eq!(spread(3, |number| number), [0, 1, 2]);
        assert_eq!(spread(1, |number| number), [0]);
    }
}
