//! Runs a guest's code under its limits, and says in the host's words why it failed.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use lazaret_mail::FailureKind;
use pin_project_lite::pin_project;
use wasmtime::{Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::guest::Guest;
use crate::imports::Breach;
use crate::journal::Journal;
use crate::limiter::Limiter;
use crate::meter::Meter;
use crate::text::{clip, printable};

/// Why a call did not come to its end.
#[derive(Debug)]
pub enum Stopped {
    /// our own code panicked while it served the guest
    Panicked,
    /// what wasmtime said
    Failed(wasmtime::Error),
}

/// Runs `call` until it is done or has used `cpu`. Whoever gets `Stopped`, or drops this future, drops the store:
/// nothing may enter it again.
pub fn contained<T, F>(meter: &Meter, cpu: Duration, call: F) -> Contained<'_, F>
where
    F: Future<Output = wasmtime::Result<T>>,
{
    meter.allow(cpu);
    Contained { meter, call }
}

pin_project! {
    /// A call under way. No `async fn`: one that is given a future keeps it twice, and these are moved for each question.
    #[must_use = "futures do nothing unless polled"]
    pub struct Contained<'m, F> {
        meter: &'m Meter,
        #[pin]
        call: F,
    }
}

impl<T, F: Future<Output = wasmtime::Result<T>>> Future for Contained<'_, F> {
    type Output = Result<T, Stopped>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.meter.enter();
        let polled = poll_caught(this.call, context);
        this.meter.leave();
        Poll::Ready(match ready!(polled) {
            Some(done) => done.map_err(Stopped::Failed),
            None => Err(Stopped::Panicked),
        })
    }
}

/// None if a poll panics. What an import works on comes from a stranger: a fault of ours in it must not take the
/// connection down.
pub async fn caught<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| poll_caught(future.as_mut(), context)).await
}

fn poll_caught<F: Future>(
    future: Pin<&mut F>,
    context: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    match catch_unwind(AssertUnwindSafe(|| future.poll(context))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    }
}

/// The reason in words. `cpu` is what the call could use, `argument` the cap of what a guest hands over at once, in
/// octets.
pub fn explain(
    stopped: Stopped,
    cpu: Duration,
    store: &Store<Guest>,
    journal: &Journal,
    argument: usize,
) -> FailureKind {
    let error = match stopped {
        Stopped::Panicked => return FailureKind::Internal("a panic in the host".into()),
        Stopped::Failed(error) => error,
    };
    if let Some(breach) = error.downcast_ref::<Breach>() {
        return FailureKind::Limit(breach.0.clone());
    }
    let trap = error.downcast_ref::<Trap>().copied();
    if trap == Some(Trap::Interrupt) {
        return FailureKind::Time(cpu);
    }
    if let Some(kind) = refused_growth(&store.data().limiter) {
        return kind;
    }
    if is_too_much_data(&error) {
        return FailureKind::Limit(format!("handed over more than {argument} octets at once"));
    }
    FailureKind::Trap(words(&error, trap, journal.last_words().as_deref()))
}

/// A growth was refused in this call, and the guest could not go on without it.
fn refused_growth(limiter: &Limiter) -> Option<FailureKind> {
    let memory = limiter.memory_refused().map(FailureKind::Memory);
    let starved = || {
        let words = "more memory than the system had for it";
        (limiter.is_starved()).then(|| FailureKind::Limit(words.to_owned()))
    };
    memory.or_else(starved).or_else(|| {
        let elements = limiter.table_refused()?;
        Some(FailureKind::Limit(format!(
            "more than {elements} table elements"
        )))
    })
}

/// wasmtime keeps this error's type to itself; a test holds us to its words.
fn is_too_much_data(error: &wasmtime::Error) -> bool {
    error
        .root_cause()
        .to_string()
        .starts_with("too much data is being copied")
}

/// What happened, and the guest's last words, which is where a panic says why.
fn words(error: &wasmtime::Error, trap: Option<Trap>, last_words: Option<&str>) -> String {
    let what = match (error.downcast_ref::<I32Exit>(), trap) {
        (Some(exit), _) => format!("called wasi:cli/exit with {}", exit.0),
        (None, Some(Trap::StackOverflow)) => "call stack exhausted".to_owned(),
        (None, Some(trap)) => trap
            .to_string()
            .trim_start_matches("wasm trap: ")
            .to_owned(),
        (None, None) => printable(clip(&error.root_cause().to_string(), 300)),
    };
    match last_words {
        Some(last_words) => format!("{what}: {last_words}"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_ours_is_an_answer() {
        let meter = Meter::default();
        let call = async {
            tokio::task::yield_now().await;
            panic!("a fault of ours")
        };
        let stopped = contained::<(), _>(&meter, Duration::from_secs(1), call).await;
        assert!(matches!(stopped, Err(Stopped::Panicked)));
    }
}
