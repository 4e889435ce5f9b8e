//! Slow preparations say what they do.

use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use super::Step;

/// Who is done by then is not slow.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two lines.
const INTERVAL: Duration = Duration::from_secs(5);

/// How far one preparation is.
#[derive(Debug, Default)]
pub struct Progress(Mutex<Step>);

impl Progress {
    /// The next step begins.
    pub fn set(&self, step: Step) {
        *self.0.lock().expect("no holder of a step panics") = step;
    }

    /// The step under way.
    pub fn step(&self) -> Step {
        *self.0.lock().expect("no holder of a step panics")
    }
}

/// Writes a line into the log now and then, until it is dropped. Where no thread can be had, nothing is said.
#[derive(Debug)]
pub struct Watch(#[expect(dead_code, reason = "its drop ends the thread")] Sender<()>);

impl Watch {
    /// Begins to watch the preparation of this filter.
    pub fn start(filter: &str, progress: Arc<Progress>) -> Self {
        let (sender, ended) = mpsc::channel();
        let filter = filter.to_owned();
        let started = Instant::now();
        let work = move || {
            let mut pause = PATIENCE;
            while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let (step, seconds) = (progress.step(), started.elapsed().as_secs());
                tracing::info!(
                    target: "lazaret_engine::progress",
                    filter, seconds, "still preparing: {step}"
                );
                pause = INTERVAL;
            }
        };
        let _ = thread::Builder::new()
            .name("lazaret-watch".into())
            .spawn(work);
        Self(sender)
    }
}
