//! The log of this process, kept for tests to read: one JSON object a line, as `lazaret run` writes it.

use std::io;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

static LINES: LazyLock<Mutex<Vec<String>>> = LazyLock::new(Mutex::default);
static STARTED: LazyLock<()> = LazyLock::new(|| {
    let ours = Targets::new()
        .with_default(LevelFilter::INFO)
        .with_target("lazaret_proxy", LevelFilter::DEBUG);
    let lines = tracing_subscriber::fmt::layer().json().with_writer(Keeper);
    let subscriber = tracing_subscriber::registry().with(lines.with_filter(ours));
    // Another subscriber in this process would be a test's own, and then its log is its own too.
    let _ = subscriber.try_init();
});

/// Keeps the log from now on.
pub fn keep() {
    LazyLock::force(&STARTED);
}

/// How many lines there are by now.
pub fn length() -> usize {
    lock().len()
}

/// The lines after the first `skipped` ones, as they are.
pub fn after(skipped: usize) -> Vec<String> {
    lock().get(skipped..).unwrap_or_default().to_vec()
}

/// The lines so far in which all of `words` occur.
pub fn lines(words: &[&str]) -> Vec<Value> {
    lock()
        .iter()
        .filter(|line| words.iter().all(|word| line.contains(word)))
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The same, once there is one; waits up to 30 s, then returns nothing.
pub fn wait_for(words: &[&str]) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let found = lines(words);
        if !found.is_empty() || Instant::now() >= deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

struct Keeper;

impl<'a> MakeWriter<'a> for Keeper {
    type Writer = Keeper;
    fn make_writer(&'a self) -> Keeper {
        Keeper
    }
}

impl io::Write for Keeper {
    // The formatter hands over one whole line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        lock().push(String::from_utf8_lossy(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock() -> MutexGuard<'static, Vec<String>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}
