//! What the proxy's own log says about filters: kept as numbers and last words, so that a long run stays small.

use std::collections::HashMap;
use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

static SEEN: LazyLock<Mutex<HashMap<String, Seen>>> = LazyLock::new(Mutex::default);
static STARTED: LazyLock<()> = LazyLock::new(|| {
    let ours = Targets::new()
        .with_default(LevelFilter::OFF)
        .with_target("lazaret_proxy", LevelFilter::DEBUG);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .with_writer(Listener);
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(ours));
    let _ = subscriber.try_init();
});

/// What was heard at one listener of one stage: each attack has a listener of its own.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// questions
    pub asked: u64,
    /// questions without an answer
    pub failed: u64,
    /// the longest of them, in CPU time of the guest and of the host for it
    pub longest: Duration,
    /// the last record, as the operator reads it
    pub record: String,
    /// the last one of a failure
    pub last_failure: String,
}

/// Listens from now on.
pub fn listen() {
    LazyLock::force(&STARTED);
}

/// What was seen at this listener of this stage.
pub fn of(listener: &str, stage: &str) -> Seen {
    let seen = lock().get(&key(listener, stage)).cloned();
    seen.unwrap_or_default()
}

/// The same, once it is `enough`; waits up to a minute, for observers come after the reply.
pub fn wait_for(listener: &str, stage: &str, enough: impl Fn(&Seen) -> bool) -> Seen {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let seen = of(listener, stage);
        if enough(&seen) || Instant::now() >= deadline {
            return seen;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Forgets what was seen at this listener of this stage.
pub fn forget_at(listener: &str, stage: &str) {
    lock().remove(&key(listener, stage));
}

/// Forgets all of it, for the next run.
pub fn forget() {
    lock().clear();
}

fn key(listener: &str, stage: &str) -> String {
    format!("{listener} {stage}")
}

/// `FILTER at STAGE: failed (WHY), 10.02 ms`
fn note(listener: &str, stage: &str, record: &str) {
    let Some((_, said)) = record.split_once(": ") else {
        return;
    };
    let taken = said
        .rsplit_once(", ")
        .and_then(|(_, taken)| taken.strip_suffix(" ms"));
    let taken = taken.and_then(|taken| taken.parse().ok()).unwrap_or(0.0);
    let mut all = lock();
    let seen = all.entry(key(listener, stage)).or_default();
    seen.asked += 1;
    if said.starts_with("failed") {
        seen.failed += 1;
        record.clone_into(&mut seen.last_failure);
    }
    seen.longest = seen.longest.max(Duration::from_secs_f64(taken / 1e3));
    record.clone_into(&mut seen.record);
}

struct Listener;

impl<'a> MakeWriter<'a> for Listener {
    type Writer = Listener;
    fn make_writer(&'a self) -> Listener {
        Listener
    }
}

impl io::Write for Listener {
    // The formatter hands over one whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if let Ok(line) = serde_json::from_slice::<Value>(line) {
            let word = |field: &str| line["fields"][field].as_str();
            if let (Some(listener), Some(stage), Some(record)) =
                (word("listener"), word("stage"), word("record"))
            {
                note(listener, stage, record);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock() -> MutexGuard<'static, HashMap<String, Seen>> {
    SEEN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_by_listener_and_stage() {
        note("l-1", "mail", "f at mail: failed (trap: a: b, c), 10.50 ms");
        note("l-1", "mail", "f at mail: continue, not granted, 0.25 ms");
        let seen = of("l-1", "mail");
        assert_eq!((seen.asked, seen.failed), (2, 1));
        assert_eq!(seen.longest, Duration::from_micros(10_500));
        assert_eq!(of("l-1", "rcpt").asked, 0);
        assert_eq!(of("l-2", "mail").asked, 0);
    }
}
