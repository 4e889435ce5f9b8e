//! What helps the author of a filter that failed: where it was, what it said last, what a limit was about.
//!
//! Every word of it comes from the filter and is made printable and short. A filter that fails a thousand times a second
//! gets a backtrace for the first failures of each minute only.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use lazaret_mail::Clues;
use wasmtime::{FrameInfo, FrameSymbol, WasmBacktrace};

use crate::contain::Stopped;
use crate::journal::Journal;
use crate::limiter::Limiter;
use crate::text::{clip, printable};

/// Backtraces of one filter in each [`WINDOW`].
const BACKTRACES: u32 = 10;
/// See [`BACKTRACES`].
const WINDOW: Duration = Duration::from_secs(60);
/// Functions of a backtrace.
const FUNCTIONS: usize = 16;
/// Octets of a function's name.
const NAME: usize = 160;
/// Parts of a path that are shown, from its end.
const PATH_PARTS: usize = 4;

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
    /// What is known of a failure. To be asked before the store is dropped.
    pub fn clues(&self, stopped: &Stopped, limiter: &Limiter, journal: &Journal) -> Clues {
        let mut details: Vec<String> = memory(limiter).into_iter().collect();
        let mut backtrace = Vec::new();
        if let Stopped::Failed(error) = stopped
            && let Some(trace) = error.downcast_ref::<WasmBacktrace>()
            && let Some(left_out) = self.allowed()
        {
            backtrace = functions(trace);
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

    /// May another backtrace be written? If so, how many failures had none since the last.
    fn allowed(&self) -> Option<u32> {
        let mut count = self.0.lock().expect("no holder of the count panics");
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

fn memory(limiter: &Limiter) -> Option<String> {
    let more = limiter.memory_wanted()?;
    let held = limiter.memory();
    Some(format!("it held {held} octets and wanted {more} more"))
}

/// The innermost first; what a panic itself is made of is left out.
fn functions(trace: &WasmBacktrace) -> Vec<String> {
    let shown: Vec<String> = trace.frames().iter().flat_map(shown).collect();
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
    let named = |frame: &FrameInfo| frame.func_name().is_some() || !frame.symbols().is_empty();
    let hint = "it was built without function names (Rust: strip = false)";
    (!trace.frames().iter().any(named)).then(|| hint.to_owned())
}

/// One function, and those inlined into it before it.
fn shown(frame: &FrameInfo) -> Vec<String> {
    let own = match frame.func_name() {
        Some(name) => readable(name),
        None => format!("function {}", frame.func_index()),
    };
    if frame.symbols().is_empty() {
        let offset = frame.module_offset();
        return vec![offset.map_or_else(|| own.clone(), |at| format!("{own} +{at:#x}"))];
    }
    frame
        .symbols()
        .iter()
        .map(|symbol| located(symbol, &own))
        .collect()
}

fn located(symbol: &FrameSymbol, function: &str) -> String {
    let name = symbol.name().map(readable);
    let name = name.unwrap_or_else(|| function.to_owned());
    match (symbol.file(), symbol.line()) {
        (Some(file), Some(line)) => format!("{name} at {}:{line}", short(file)),
        _ => name,
    }
}

/// As its author wrote it.
fn readable(name: &str) -> String {
    let name = format!("{:#}", rustc_demangle::demangle(clip(name, 4 * NAME)));
    printable(clip(&name, NAME))
}

/// The end of a path.
fn short(path: &str) -> String {
    let from = path.rmatch_indices(['/', '\\']).nth(PATH_PARTS - 1);
    printable(clip(&path[from.map_or(0, |(at, _)| at + 1)..], NAME))
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
    fn paths_are_cut_from_their_beginning() {
        assert_eq!(
            short("/home/me/src/no-bulk/src/lib.rs"),
            "src/no-bulk/src/lib.rs"
        );
        assert_eq!(short("src/lib.rs"), "src/lib.rs");
    }

    #[test]
    fn panics_begin_where_the_author_was() {
        assert!(is_machinery("core::panicking::panic_fmt +0x12"));
        assert!(is_machinery("std::panicking::begin_panic_handler"));
        assert!(!is_machinery("no_bulk::parser::first_line at src/lib.rs:3"));
    }
}
