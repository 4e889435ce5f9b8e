//! Runs a guest's code under its limits, and says in the host's words why it failed.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lazaret_mail::FailureKind;
use wasmtime::{Store, Trap};
use wasmtime_wasi::I32Exit;

use crate::guest::Guest;
use crate::imports::Breach;
use crate::journal::Journal;
use crate::limiter::Limiter;
use crate::meter::{Meter, metered};
use crate::text::{clip, printable};

/// CPU and real time of one call.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// thread CPU time
    pub cpu: Duration,
    /// real time, host calls included
    pub wall: Duration,
}

/// Why a call did not come to its end.
#[derive(Debug)]
pub enum Stopped {
    /// the real time is over; the future was dropped
    Wall(Duration),
    /// what wasmtime said
    Failed(wasmtime::Error),
}

/// Runs `call` until it is done or a limit is reached. Whoever gets `Stopped` drops the store: nothing may enter it
/// again.
pub async fn contained<T>(
    meter: &Arc<Meter>,
    limits: Limits,
    call: impl Future<Output = wasmtime::Result<T>>,
) -> Result<T, Stopped> {
    meter.begin(limits.cpu);
    let call = metered(meter.clone(), call);
    match tokio::time::timeout(limits.wall, call).await {
        Ok(done) => done.map_err(Stopped::Failed),
        Err(_) => Err(Stopped::Wall(limits.wall)),
    }
}

/// The reason in words. `argument` is the cap of what a guest hands over at once, in octets.
pub fn explain(
    stopped: Stopped,
    limits: Limits,
    store: &Store<Guest>,
    journal: &Journal,
    argument: usize,
) -> FailureKind {
    let error = match stopped {
        Stopped::Wall(wall) => return FailureKind::Wall(wall),
        Stopped::Failed(error) => error,
    };
    if let Some(breach) = error.downcast_ref::<Breach>() {
        return FailureKind::Limit(breach.0.clone());
    }
    let trap = error.downcast_ref::<Trap>().copied();
    if trap == Some(Trap::Interrupt) {
        return FailureKind::Time(limits.cpu);
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
    memory.or_else(|| {
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
