//! What helps the author of a filter that failed: where it was, what it said last, what a limit was about.
//!
//! Every word of it comes from the filter and is made printable and short. A filter that fails a thousand times a second
//! gets a backtrace for the first failures of each minute only.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use lazaret_mail::Clues;
use wasmtime::{FrameInfo, WasmBacktrace};

use crate::contain::Stopped;
use crate::journal::Journal;
use crate::limiter::Limiter;
use crate::lines::{Lines, Spot};
use crate::meter::Meter;
use crate::text::{clip, printable};

/// Backtraces of one filter in each [`WINDOW`].
const BACKTRACES: u32 = 10;
/// See [`BACKTRACES`].
const WINDOW: Duration = Duration::from_secs(60);
/// Functions of a backtrace.
const FUNCTIONS: usize = 16;
/// Octets of a function's name.
const NAME: usize = 160;

/// Counts the failures of one filter.
#[derive(Debug, Default)]
pub struct Reporter(Mutex<Count>);

#[derive(Debug, Default)]
struct Count {
    since: Option<Instant>,
    backtraces: u32,
    left_out: u32,
}

impl Reporter {
    /// Whatever failed before does not count.
    pub fn forget(&self) {
        *self.count() = Count::default();
    }

    /// What is known of a failure. To be asked before the store is dropped.
    pub fn clues(
        &self,
        stopped: &Stopped,
        limiter: &Limiter,
        journal: &Journal,
        lines: &Lines,
    ) -> Clues {
        let mut details: Vec<String> = memory(limiter).into_iter().collect();
        let mut backtrace = Vec::new();
        if let Some(trace) = trace(stopped)
            && let Some(left_out) = self.allowed()
        {
            backtrace = functions(trace, lines);
            details.extend(nameless(trace));
            let missing = format!("{left_out} failures before it left no backtrace");
            details.extend((left_out > 0).then_some(missing));
        }
        Clues {
            detail: (!details.is_empty()).then(|| details.join("; ")),
            stderr: journal.last_lines(),
            backtrace,
        }
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.0.lock().expect("no holder of the count panics")
    }

    /// May another backtrace be written? If so, how many failures had none since the last.
    fn allowed(&self) -> Option<u32> {
        let mut count = self.count();
        if count.since.is_none_or(|since| since.elapsed() >= WINDOW) {
            (count.since, count.backtraces) = (Some(Instant::now()), 0);
        }
        if count.backtraces == BACKTRACES {
            count.left_out = count.left_out.saturating_add(1);
            return None;
        }
        count.backtraces += 1;
        Some(std::mem::take(&mut count.left_out))
    }
}

/// Of a call that took longer than it may. It left no trace, but what it worked and where it waited is known.
pub fn of_the_late(meter: &Meter) -> Clues {
    Clues {
        detail: Some(meter.waiting().told(meter.spent())),
        ..Clues::default()
    }
}

fn memory(limiter: &Limiter) -> Option<String> {
    let more = limiter.memory_wanted()?;
    let held = limiter.memory();
    Some(format!("it held {held} octets and wanted {more} more"))
}

fn trace(stopped: &Stopped) -> Option<&WasmBacktrace> {
    match stopped {
        Stopped::Failed(error) => error.downcast_ref(),
        Stopped::Panicked => None,
    }
}

/// The innermost first; what a panic itself is made of is left out.
fn functions(trace: &WasmBacktrace, lines: &Lines) -> Vec<String> {
    let shown: Vec<String> = trace
        .frames()
        .iter()
        .map(|frame| shown(frame, lines))
        .collect();
    let own = shown.iter().position(|name| !is_machinery(name));
    shown
        .into_iter()
        .skip(own.unwrap_or(0))
        .take(FUNCTIONS)
        .collect()
}

fn is_machinery(name: &str) -> bool {
    const MACHINERY: [&str; 9] = [
        "std::",
        "core::panicking",
        "core::option::",
        "core::result::",
        "rust_panic",
        "__rust",
        "__rustc",
        "_rust",
        "abort",
    ];
    MACHINERY.iter().any(|start| name.starts_with(start))
}

/// Without a single name a backtrace helps nobody; how to get them.
fn nameless(trace: &WasmBacktrace) -> Option<String> {
    let named = |frame: &FrameInfo| frame.func_name().is_some();
    let hint = "it was built without function names (Rust: strip = false)";
    (!trace.frames().iter().any(named)).then(|| hint.to_owned())
}

/// One function, and where in it: a line of its source, or else octets of its module.
fn shown(frame: &FrameInfo, lines: &Lines) -> String {
    let name = match frame.func_name() {
        Some(name) => readable(name),
        None => format!("function {}", frame.func_index()),
    };
    if let Some(place) = spot(frame).and_then(|spot| lines.find(spot)) {
        let file = printable(clip(&place.file, NAME));
        return format!("{name} at {file}:{}", place.line);
    }
    let offset = frame.module_offset();
    offset.map_or_else(|| name.clone(), |at| format!("{name} +{at:#x}"))
}

fn spot(frame: &FrameInfo) -> Option<Spot> {
    Some(Spot {
        functions: frame.module().functions().len(),
        function: frame.func_index(),
        offset: frame.func_offset()?,
    })
}

/// As its author wrote it.
fn readable(name: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(clip(name, 4 * NAME)));
    printable(clip(&name, NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_backtraces_a_minute_and_the_rest_is_counted() {
        let reporter = Reporter::default();
        for _ in 0..BACKTRACES {
            assert_eq!(reporter.allowed(), Some(0));
        }
        for _ in 0..5 {
            assert_eq!(reporter.allowed(), None);
        }
        reporter.0.lock().unwrap().since = Instant::now().checked_sub(WINDOW);
        assert_eq!(reporter.allowed(), Some(5));
        assert_eq!(reporter.allowed(), Some(0));
    }

    #[test]
    fn names_are_as_their_author_wrote_them() {
        let name = "_ZN7no_bulk6parser10first_line17h0123456789abcdefE";
        assert_eq!(readable(name), "no_bulk::parser::first_line");
        assert_eq!(readable("_R_a\x1b[31m"), "_R_a\\u{1b}[31m");
        assert_eq!(readable(&"x".repeat(5000)).len(), NAME);
    }

    #[test]
    fn panics_begin_where_the_author_was() {
        assert!(is_machinery("core::panicking::panic_fmt +0x12"));
        assert!(is_machinery("std::panicking::begin_panic_handler"));
        assert!(!is_machinery("no_bulk::parser::first_line at src/lib.rs:3"));
    }
}
