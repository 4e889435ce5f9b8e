//! What a filter says to its log: lines of `log.write`, stdout and stderr, all capped and made printable.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use crate::bindings::log::Level;
use crate::settings::CallLimits;
use crate::text::{clip, printable};

/// Octets that a guest may write to a stream at once: so many lines of one octet are done with before the next tick.
const WRITE_AT_ONCE: usize = 4096;

/// Lines of stderr that are kept to explain a failure, and octets of each.
const KEPT_LINES: usize = 10;
/// See [`KEPT_LINES`].
const KEPT_OCTETS: usize = 300;

/// The log of one sandbox.
#[derive(Debug)]
pub struct Journal {
    filter: Arc<str>,
    ear: Ear,
    line_limit: usize,
    lines: u32,
    page: Mutex<Page>,
}

/// The state of the log in one call.
#[derive(Debug, Default)]
struct Page {
    session: Option<Arc<str>>,
    stage: &'static str,
    left: u32,
    /// of the sandbox's whole life
    left_for_life: u32,
    dropped: u32,
    out: Vec<u8>,
    err: Vec<u8>,
    last_words: Option<String>,
    /// the last lines of stderr
    recent: VecDeque<String>,
}

/// For whom a sandbox works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ear {
    /// for mail
    Mail,
    /// for a trial with a made-up session and without the outside: what it complains of is no trouble of anybody
    Trial,
}

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Out,
    Err,
}

impl Journal {
    /// A log under the filter's name.
    pub fn new(filter: Arc<str>, limits: &CallLimits, ear: Ear) -> Self {
        Self {
            filter,
            ear,
            line_limit: limits.log_line,
            lines: limits.log_lines,
            page: Mutex::new(Page {
                left_for_life: limits.log_lines_for_life,
                ..Page::default()
            }),
        }
    }

    /// Of a sandbox that begins anew, for whom that one works.
    pub fn renew(&self, limits: &CallLimits) {
        let mut page = self.page();
        *page = Page {
            left_for_life: limits.log_lines_for_life,
            ..Page::default()
        };
    }

    /// For whom its sandbox works.
    pub fn ear(&self) -> Ear {
        self.ear
    }

    /// A new call begins: the count of lines starts anew. Without a session in `configure`.
    pub fn begin(&self, session: Option<Arc<str>>, stage: &'static str) {
        let mut page = self.page();
        (page.session, page.stage) = (session, stage);
        (page.left, page.dropped) = (self.lines, 0);
        page.out.clear();
        page.err.clear();
        page.last_words = None;
        page.recent.clear();
    }

    /// Writes one line; control characters are escaped, the end is cut.
    pub fn write(&self, level: Level, message: &str) {
        let mut page = self.page();
        self.line(&mut page, level, message);
    }

    /// The call is over: unfinished lines are written. How many lines were dropped in it.
    pub fn end(&self) -> u32 {
        let mut page = self.page();
        for source in [Source::Out, Source::Err] {
            self.finish_line(&mut page, source);
        }
        page.dropped
    }

    /// The last line written to stderr: where a panic leaves its message.
    pub fn last_words(&self) -> Option<String> {
        self.page().last_words.clone()
    }

    /// The last lines written to stderr in this call, the oldest first; each is cut and made printable.
    pub fn last_lines(&self) -> Vec<String> {
        self.page().recent.iter().cloned().collect()
    }

    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().expect("no holder of the log panics")
    }

    fn line(&self, page: &mut Page, level: Level, message: &str) {
        if page.left == 0 || page.left_for_life == 0 {
            page.dropped = page.dropped.saturating_add(1);
            return;
        }
        page.left -= 1;
        page.left_for_life -= 1;
        let message = printable(clip(message, self.line_limit));
        self.emit(page, level, &message);
    }

    fn emit(&self, page: &Page, level: Level, message: &str) {
        let (filter, session, stage) = (
            &*self.filter,
            page.session.as_deref().unwrap_or_default(),
            page.stage,
        );
        let level = match self.ear {
            Ear::Mail => level,
            Ear::Trial => Level::Debug,
        };
        match level {
            Level::Debug => tracing::debug!(target: "filter", filter, session, stage, "{message}"),
            Level::Info => tracing::info!(target: "filter", filter, session, stage, "{message}"),
            Level::Warn => tracing::warn!(target: "filter", filter, session, stage, "{message}"),
            Level::Error => tracing::error!(target: "filter", filter, session, stage, "{message}"),
        }
    }

    fn stream(&self, source: Source, octets: &[u8]) {
        let mut page = self.page();
        for piece in octets.split_inclusive(|octet| *octet == b'\n') {
            let line = page.open_line(source);
            let room = self.line_limit.saturating_sub(line.len());
            let text = piece.strip_suffix(b"\n").unwrap_or(piece);
            line.extend_from_slice(&text[..text.len().min(room)]);
            if piece.ends_with(b"\n") {
                self.finish_line(&mut page, source);
            }
        }
    }

    fn finish_line(&self, page: &mut Page, source: Source) {
        let line = std::mem::take(page.open_line(source));
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            return;
        }
        // Where Rust's panic says how to see more, it has said why in the line before.
        if source == Source::Err && !line.starts_with("note: run with") {
            page.remember(line);
        }
        let level = if source == Source::Err {
            Level::Warn
        } else {
            Level::Info
        };
        self.line(page, level, line);
    }
}

impl Page {
    fn remember(&mut self, line: &str) {
        self.last_words = Some(printable(line));
        if self.recent.len() == KEPT_LINES {
            self.recent.pop_front();
        }
        self.recent.push_back(printable(clip(line, KEPT_OCTETS)));
    }

    fn open_line(&mut self, source: Source) -> &mut Vec<u8> {
        match source {
            Source::Out => &mut self.out,
            Source::Err => &mut self.err,
        }
    }
}

/// stdout or stderr of a guest, into its journal.
#[derive(Clone, Debug)]
pub struct Stream {
    journal: Arc<Journal>,
    source: Source,
}

impl Stream {
    /// stdout
    pub fn out(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            source: Source::Out,
        }
    }

    /// stderr
    pub fn err(journal: Arc<Journal>) -> Self {
        Self {
            journal,
            source: Source::Err,
        }
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // WASI 0.2 guests are served by `p2_stream`; no other are.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    /// Whoever writes more than `check-write` allows is stopped, as the interface has it (WASI 0.2, `wasi:io/streams`).
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_AT_ONCE {
            return Err(StreamError::trap("more octets than `check-write` allowed"));
        }
        self.journal.stream(self.source, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal() -> Arc<Journal> {
        let limits = CallLimits {
            log_lines: 3,
            log_line: 10,
            log_lines_for_life: 5,
            ..CallLimits::default()
        };
        let journal = Journal::new("f".into(), &limits, Ear::Mail);
        journal.begin(Some("s".into()), "mail");
        Arc::new(journal)
    }

    #[test]
    fn a_flood_is_dropped_and_counted() {
        let journal = journal();
        (0..10).for_each(|_| journal.write(Level::Info, "again"));
        assert_eq!(journal.end(), 7);
        journal.begin(Some("s".into()), "rcpt");
        assert_eq!(journal.end(), 0, "each call starts anew");
    }

    #[test]
    fn a_flood_over_many_calls_is_dropped_too() {
        let journal = journal();
        let lines = |_| {
            journal.begin(Some("s".into()), "rcpt");
            journal.write(Level::Info, "again");
            journal.end()
        };
        assert_eq!((0..10).map(lines).sum::<u32>(), 5);
    }

    #[test]
    fn the_last_line_of_stderr_is_kept_and_made_safe() {
        let journal = journal();
        let mut stderr = Stream::err(journal.clone());
        stderr.write("one\ntw\u{1b}".into()).unwrap();
        stderr.write("o\n\n".into()).unwrap();
        assert_eq!(journal.last_words().as_deref(), Some("tw\\u{1b}o"));
    }

    #[test]
    fn the_last_ten_lines_of_stderr_are_kept() {
        let journal = journal();
        let mut stderr = Stream::err(journal.clone());
        (0..30).for_each(|n| stderr.write(format!("line {n}\n").into()).unwrap());
        let lines = journal.last_lines();
        assert_eq!(lines.len(), 10);
        assert_eq!((&*lines[0], &*lines[9]), ("line 20", "line 29"));
        journal.begin(Some("s".into()), "rcpt");
        assert!(journal.last_lines().is_empty(), "each call starts anew");
    }

    #[test]
    fn a_line_without_an_end_is_bounded_and_written_at_the_end() {
        let journal = journal();
        let mut stderr = Stream::err(journal.clone());
        (0..1000).for_each(|_| stderr.write("xxxxxxxxxxxxxxxxxxxx".into()).unwrap());
        journal.end();
        assert_eq!(journal.last_words().as_deref(), Some("xxxxxxxxxx"));
    }
}
