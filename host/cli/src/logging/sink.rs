//! The way of log lines to standard error, on which nobody waits: a bounded queue and one thread that writes. While the
//! other end takes nothing (a full pipe, a full disk) mail goes on; what does not fit is dropped, counted, and told in one
//! line once the other end takes lines again.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{
    Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel,
};
use std::thread;
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that wait, at most.
const MOST_LINES: usize = 16 << 10;
/// Octets that wait, at most.
const MOST_OCTETS: usize = 16 << 20;
/// Octets written at once.
const BATCH: usize = 64 << 10;
/// Lines that come so close together are written together: less work for both ends.
const GATHER: Duration = Duration::from_millis(10);
/// Until the other end, or the queue, is asked again whether it has room.
const RETRY: Duration = Duration::from_millis(2);
/// After an error of the other end.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Where it never catches up, drops are told this often.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Where lines are handed over. Clones are the same sink.
#[derive(Clone, Debug)]
pub struct Sink {
    queue: SyncSender<Item>,
    tally: Arc<Tally>,
}

/// What became of lines since the start.
#[derive(Debug, Default)]
pub struct Tally {
    written: AtomicU64,
    dropped: AtomicU64,
    /// octets in the queue
    waiting: AtomicUsize,
}

#[derive(Debug)]
enum Item {
    Line(Box<[u8]>),
    /// to be answered when all before it is written
    Flush(SyncSender<()>),
}

impl Tally {
    /// Lines of the log handed over to the other end.
    pub fn written(&self) -> u64 {
        self.written.load(Relaxed)
    }

    /// Lines that were not.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Relaxed)
    }
}

impl Sink {
    /// Starts the thread that writes to `out`. `tell` makes the line about so many dropped ones.
    pub fn start<W: Write + Send + 'static>(out: W, tell: fn(u64) -> String) -> io::Result<Self> {
        let (queue, items) = sync_channel(MOST_LINES);
        let tally = Arc::new(Tally::default());
        let writer = Scribe {
            out,
            items,
            tally: Arc::clone(&tally),
            tell,
            batch: Batch::default(),
            told: 0,
            told_at: Instant::now(),
        };
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self { queue, tally })
    }

    /// What became of lines.
    pub fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// Waits until all that was handed over is written, at most so long.
    pub fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let (done, when_done) = sync_channel(1);
        let mut item = Item::Flush(done);
        while let Err(TrySendError::Full(back)) = self.queue.try_send(item) {
            if Instant::now() >= deadline {
                return;
            }
            item = back;
            thread::sleep(RETRY);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let _ = when_done.recv_timeout(left);
    }

    fn put(&self, line: &[u8]) {
        let waiting = self.tally.waiting.fetch_add(line.len(), Relaxed);
        let fits = waiting + line.len() <= MOST_OCTETS;
        if !fits || self.queue.try_send(Item::Line(line.into())).is_err() {
            self.tally.waiting.fetch_sub(line.len(), Relaxed);
            self.tally.dropped.fetch_add(1, Relaxed);
        }
    }
}

/// The formatter hands over one whole line at a time.
impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Sink;

    fn make_writer(&'a self) -> Sink {
        self.clone()
    }
}

/// The thread's side.
struct Scribe<W> {
    out: W,
    items: Receiver<Item>,
    tally: Arc<Tally>,
    tell: fn(u64) -> String,
    batch: Batch,
    /// dropped lines that were told
    told: u64,
    told_at: Instant,
}

/// Lines to be written.
#[derive(Default)]
struct Batch {
    octets: Vec<u8>,
    /// where each line in it ends
    ends: Vec<usize>,
    /// does it begin in the middle of a line?
    torn: bool,
    /// the line that tells of drops, which is itself none of the log
    tells: Option<Telling>,
}

/// A line about drops.
#[derive(Clone, Copy)]
struct Telling {
    /// its place among the lines of the batch
    place: usize,
    /// so many drops since the start
    dropped: u64,
}

/// What became of a batch: lines of the log.
struct Cut {
    written: u64,
    given_up: u64,
    /// so many drops since the start are told
    told: Option<u64>,
}

impl Batch {
    fn push(&mut self, line: &[u8]) {
        self.octets.extend_from_slice(line);
        self.ends.push(self.octets.len());
    }

    /// So many octets are written and no more can be. A line that was begun stays, for none must be torn; the others are
    /// given up.
    fn cut(&mut self, written: usize) -> Cut {
        let whole = self.ends.partition_point(|end| *end <= written);
        let start = whole.checked_sub(1).map_or(0, |last| self.ends[last]);
        let begun = written > start || (self.torn && whole == 0);
        let given_up = self.ends.len() - whole - usize::from(begun);
        let rest = match self.ends.get(whole).filter(|_| begun) {
            Some(end) => self.octets[written..*end].to_vec(),
            None => Vec::new(),
        };
        let telling = self.tells.take();
        let told = telling.filter(|it| it.place < whole);
        let kept = telling.filter(|it| begun && it.place == whole);
        let lost = telling.is_some() && told.is_none() && kept.is_none();
        *self = Self {
            ends: if begun { vec![rest.len()] } else { Vec::new() },
            octets: rest,
            torn: begun,
            tells: kept.map(|it| Telling { place: 0, ..it }),
        };
        Cut {
            written: (whole - usize::from(told.is_some())) as u64,
            given_up: (given_up - usize::from(lost)) as u64,
            told: told.map(|it| it.dropped),
        }
    }
}

impl<W: Write> Scribe<W> {
    fn run(mut self) {
        while let Some(flushed) = self.gather() {
            self.write();
            if let Some(flushed) = flushed {
                // Whoever asked may have lost patience.
                let _ = flushed.try_send(());
            }
        }
    }

    /// Waits for lines, and takes what is there. None: nobody can hand over any more.
    fn gather(&mut self) -> Option<Option<SyncSender<()>>> {
        let mut item = match self.items.try_recv() {
            Ok(item) => item,
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => match self.wait()? {
                Some(first) => first,
                None => return Some(None),
            },
        };
        loop {
            match item {
                Item::Flush(flushed) => return Some(Some(flushed)),
                Item::Line(line) => {
                    self.tally.waiting.fetch_sub(line.len(), Relaxed);
                    self.batch.push(&line);
                }
            }
            if self.batch.octets.len() >= BATCH {
                break;
            }
            let Ok(next) = self.items.try_recv() else {
                break;
            };
            item = next;
        }
        if self.told_at.elapsed() > TELL_EVERY {
            self.tell();
        }
        Some(None)
    }

    /// Nothing waits: a good time to tell of drops. While something is still to be written or told, not for ever.
    fn wait(&mut self) -> Option<Option<Item>> {
        self.tell();
        let is_behind = self.tally.dropped() != self.told || !self.batch.octets.is_empty();
        let first = match is_behind {
            true => match self.items.recv_timeout(BACK_OFF) {
                Err(RecvTimeoutError::Timeout) => return Some(None),
                first => first.ok()?,
            },
            false => self.items.recv().ok()?,
        };
        thread::sleep(GATHER);
        Some(Some(first))
    }

    /// The other end takes lines again: how many it did not get.
    fn tell(&mut self) {
        let dropped = self.tally.dropped();
        if dropped == self.told {
            return;
        }
        // It may have begun to say so.
        if self.batch.tells.is_none() {
            let line = (self.tell)(dropped - self.told);
            let place = self.batch.ends.len();
            self.batch.push(line.as_bytes());
            self.batch.tells = Some(Telling { place, dropped });
        }
        self.write();
    }

    /// Writes the batch, as far as the other end takes it.
    fn write(&mut self) {
        let mut written = 0;
        while written < self.batch.octets.len() {
            match self.out.write(&self.batch.octets[written..]) {
                Ok(octets @ 1..) => written += octets,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
                Ok(_) | Err(_) => {
                    self.enter(written);
                    thread::sleep(BACK_OFF);
                    return;
                }
            }
        }
        self.enter(written);
    }

    /// So much of the batch is written, and no more can be.
    fn enter(&mut self, written: usize) {
        let cut = self.batch.cut(written);
        self.tally.written.fetch_add(cut.written, Relaxed);
        self.tally.dropped.fetch_add(cut.given_up, Relaxed);
        if let Some(dropped) = cut.told {
            (self.told, self.told_at) = (dropped, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Condvar, Mutex};

    use super::*;

    /// An end that takes nothing while it is blocked, and fails while it is broken.
    #[derive(Clone, Default)]
    struct End(Arc<(Mutex<State>, Condvar)>);

    #[derive(Default)]
    struct State {
        mood: Mood,
        taken: Vec<u8>,
        /// octets it takes before it breaks
        room: usize,
    }

    #[derive(Clone, Copy, Default, PartialEq)]
    enum Mood {
        #[default]
        Good,
        Blocked,
        Broken,
    }

    impl End {
        fn set(&self, mood: Mood, room: usize) {
            let mut state = self.0.0.lock().unwrap();
            (state.mood, state.room) = (mood, room);
            self.0.1.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().taken.clone()).unwrap()
        }
    }

    impl Write for End {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let state = self.0.0.lock().unwrap();
            let blocked = |state: &mut State| state.mood == Mood::Blocked;
            let mut state = self.0.1.wait_while(state, blocked).unwrap();
            let room = match state.mood {
                Mood::Broken if state.room == 0 => return Err(ErrorKind::StorageFull.into()),
                Mood::Broken => state.room.min(octets.len()),
                _ => octets.len(),
            };
            state.room = state.room.saturating_sub(room);
            state.taken.extend_from_slice(&octets[..room]);
            Ok(room)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const LONG: Duration = Duration::from_secs(20);

    fn start(end: &End) -> Sink {
        Sink::start(end.clone(), |dropped| format!("{dropped} dropped\n")).unwrap()
    }

    fn until(what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + LONG;
        while !is_so() {
            assert!(Instant::now() < deadline, "never: {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn lines_come_in_order_and_are_counted() {
        let end = End::default();
        let sink = start(&end);
        (0..1000).for_each(|n| sink.put(format!("{n}\n").as_bytes()));
        sink.flush(LONG);
        let expected: String = (0..1000).map(|n| format!("{n}\n")).collect();
        assert_eq!(end.text(), expected);
        assert_eq!((sink.tally().written(), sink.tally().dropped()), (1000, 0));
    }

    #[test]
    fn a_blocked_end_keeps_nobody_and_drops_are_told_once_it_is_free() {
        let end = End::default();
        end.set(Mood::Blocked, 0);
        let sink = start(&end);
        // What the queue holds, and more than the writer has taken out of it.
        let lines = (MOST_LINES + BATCH) as u64;
        (0..lines).for_each(|n| sink.put(format!("{n}\n").as_bytes()));
        let dropped = sink.tally().dropped();
        assert!(dropped > 0, "none of {lines} dropped");
        end.set(Mood::Good, 0);
        until("drops are told", || end.text().ends_with("dropped\n"));
        assert!(end.text().ends_with(&format!("\n{dropped} dropped\n")));
        let written = end.text().lines().count() as u64 - 1;
        assert_eq!(written + dropped, lines);
        until("all are counted", || sink.tally().written() == written);
        assert_eq!(sink.tally.waiting.load(Relaxed), 0);
    }

    #[test]
    fn what_waits_is_bounded_in_octets_too() {
        let end = End::default();
        end.set(Mood::Blocked, 0);
        let sink = start(&end);
        let line = vec![b'x'; 1 << 20];
        (0..40).for_each(|_| sink.put(&line));
        assert!(sink.tally().dropped() >= 20);
        end.set(Mood::Good, 0);
    }

    #[test]
    fn a_full_disk_tears_no_line() {
        let end = End::default();
        let sink = start(&end);
        // The first line and a half.
        end.set(Mood::Broken, 9);
        for line in ["first\n", "second\n", "third\n"] {
            sink.put(line.as_bytes());
        }
        until("the third is given up", || sink.tally().dropped() > 0);
        end.set(Mood::Good, 0);
        sink.put(b"fourth\n");
        until("drops are told", || end.text().contains("dropped\n"));
        sink.flush(LONG);
        let text = end.text();
        let lines: Vec<&str> = text.lines().collect();
        let whole = ["first", "second", "third", "fourth", "1 dropped"];
        assert!(lines.iter().all(|line| whole.contains(line)), "{text:?}");
        assert!(
            lines.contains(&"second") && lines.contains(&"fourth"),
            "{text:?}"
        );
    }

    #[test]
    fn a_full_disk_counts_no_line_but_those_of_the_log() {
        let end = End::default();
        end.set(Mood::Broken, 0);
        let sink = start(&end);
        sink.put(b"lost\n");
        until("it is given up", || sink.tally().dropped() > 0);
        // The line about it cannot be written either, again and again.
        thread::sleep(BACK_OFF * 5);
        assert_eq!(sink.tally().dropped(), 1);
        // A piece of it can, and later the rest: it is told once.
        end.set(Mood::Broken, 4);
        until("it is begun", || end.text() == "1 dr");
        thread::sleep(BACK_OFF * 3);
        end.set(Mood::Good, 0);
        until("it is told", || end.text() == "1 dropped\n");
        sink.put(b"next\n");
        sink.flush(LONG);
        assert_eq!(end.text(), "1 dropped\nnext\n");
        assert_eq!((sink.tally().written(), sink.tally().dropped()), (1, 1));
    }
}
