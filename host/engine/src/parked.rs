//! Used sandboxes that wait to be put back and used again.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use lazaret_metrics::PerThread;
use tokio::runtime::Handle;

use crate::template::Live;

/// Most sandboxes of a filter that wait; each keeps the pages that it wrote. No more wait than were at work at once, so it is a
/// bound for the seconds after a peak.
const MOST: u32 = 256;
/// … and no more than this part of all slots; but each thread may keep some, which give way like all of them where slots are short.
const PART: u32 = 16;
/// See [`PART`].
const LEAST: usize = 8;
/// Whoever has waited for so long is given up: there is less to do than there was, and what it wrote is somebody's mail.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often somebody comes by to see to it.
const ROUND: Duration = Duration::from_secs(1);

/// Those of one filter. Each thread that carries sessions has a shelf: what it used last is in the cache of its processor, and
/// to fetch it from another's would cost more than all else about it.
pub struct Lot {
    /// on one shelf
    most: usize,
    shelves: PerThread<Shelf>,
    /// does anybody come by to give up those that have waited long?
    swept: AtomicBool,
}

/// The one used last is at the end.
#[derive(Default)]
struct Shelf(Mutex<Vec<(Instant, Box<Live>)>>);

/// Those of all filters.
#[derive(Default)]
pub struct Lots(Mutex<Vec<Weak<Lot>>>);

impl Lots {
    /// For one filter more, of which a sandbox takes `each` of so many slots.
    pub fn open(&self, slots: u32, each: u32) -> Arc<Lot> {
        let most = (slots / PART / each.max(1)).clamp(1, MOST) as usize;
        let shelves = PerThread::<Shelf>::default();
        let lot = Arc::new(Lot {
            most: most.div_ceil(shelves.count()).max(most.min(LEAST)),
            shelves,
            swept: AtomicBool::new(false),
        });
        let mut lots = self.lots();
        lots.retain(|lot| lot.strong_count() > 0);
        lots.push(Arc::downgrade(&lot));
        lot
    }

    /// Gives sandboxes up until so many slots are free: how many it has come to.
    pub fn give_up(&self, slots: usize) -> usize {
        let mut freed = 0;
        for lot in self.all() {
            while freed < slots
                && let Some(live) = lot.oldest()
            {
                freed += live.slots();
            }
        }
        freed
    }

    /// Slots that they hold.
    pub fn slots(&self) -> usize {
        self.all().iter().map(|lot| lot.slots()).sum()
    }

    fn all(&self) -> Vec<Arc<Lot>> {
        self.lots().iter().filter_map(Weak::upgrade).collect()
    }

    fn lots(&self) -> MutexGuard<'_, Vec<Weak<Lot>>> {
        self.0.lock().expect("no holder of the list panics")
    }
}

impl Lot {
    /// One that was used, to be put back: of this thread if there is any.
    pub fn take(&self) -> Option<Box<Live>> {
        let mut shelves = self.shelves.nearest();
        shelves.find_map(|shelf| shelf.held().pop().map(|(_, live)| live))
    }

    /// Waits here for some seconds, unless enough do, or there is nobody who would come by.
    pub fn park(self: &Arc<Self>, live: Box<Live>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        // A sandbox takes its time to end: never under the lock.
        drop(self.shelves.here().add(live, self.most));
        if !self.swept.load(SeqCst) && !self.swept.swap(true, SeqCst) {
            let sweep = Sweep(Some(Arc::downgrade(self)));
            runtime.spawn(sweep.run());
        }
    }

    fn oldest(&self) -> Option<Box<Live>> {
        let since = |shelf: &Shelf| shelf.held().first().map(|(at, _)| *at);
        loop {
            let waiting = self.shelves.all().filter_map(|it| Some((since(it)?, it)));
            let (_, shelf) = waiting.min_by_key(|(since, _)| *since)?;
            let mut held = shelf.held();
            // Or somebody took it in between.
            if !held.is_empty() {
                return Some(held.remove(0).1);
            }
        }
    }

    /// Those that have waited too long.
    fn late(&self) -> Vec<(Instant, Box<Live>)> {
        let late = |shelf: &Shelf| {
            let mut held = shelf.held();
            let late = held.partition_point(|(at, _)| at.elapsed() >= PATIENCE);
            held.drain(..late).collect::<Vec<_>>()
        };
        self.shelves.all().flat_map(late).collect()
    }

    /// Without any left, nobody needs to come again. Who parks one meanwhile sees that nobody comes, or is seen here.
    fn is_done(&self) -> bool {
        let is_empty = || self.shelves.all().all(|shelf| shelf.held().is_empty());
        if !is_empty() {
            return false;
        }
        self.swept.store(false, SeqCst);
        is_empty() || self.swept.swap(true, SeqCst)
    }

    fn slots(&self) -> usize {
        let slots = |shelf: &Shelf| -> usize {
            let held = shelf.held();
            held.iter().map(|(_, live)| live.slots()).sum()
        };
        self.shelves.all().map(slots).sum()
    }
}

impl Shelf {
    /// Back if there are enough.
    fn add(&self, live: Box<Live>, most: usize) -> Option<Box<Live>> {
        let mut held = self.held();
        if held.len() >= most {
            return Some(live);
        }
        held.push((Instant::now(), live));
        None
    }

    fn held(&self) -> MutexGuard<'_, Vec<(Instant, Box<Live>)>> {
        self.0.lock().expect("no holder of a shelf panics")
    }
}

/// Comes by until there is nobody left; however it ends, the next that waits has another.
struct Sweep(Option<Weak<Lot>>);

impl Sweep {
    async fn run(mut self) {
        loop {
            tokio::time::sleep(ROUND).await;
            let Some(lot) = self.0.as_ref().and_then(Weak::upgrade) else {
                return;
            };
            // Each takes its time to end, and others wait for this thread.
            for one in lot.late() {
                drop(one);
                tokio::task::yield_now().await;
            }
            if lot.is_done() {
                self.0 = None;
                return;
            }
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if let Some(lot) = self.0.as_ref().and_then(Weak::upgrade) {
            lot.swept.store(false, SeqCst);
        }
    }
}
