//! Used sandboxes that wait to be put back and used again.

use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::template::Live;

/// Most sandboxes of a filter that wait; each keeps the pages that it wrote. No more wait than were at work at once, so it is a
/// bound for the seconds after a peak.
const MOST: u32 = 256;
/// … and no more than this part of all slots.
const PART: u32 = 16;
/// Whoever has waited for so long is given up: there is less to do than there was, and what it wrote is somebody's mail.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often somebody comes by to see to it.
const ROUND: Duration = Duration::from_secs(1);

/// Those of one filter.
pub struct Lot {
    most: usize,
    parked: Mutex<Parked>,
}

#[derive(Default)]
struct Parked {
    /// the one used last is taken first: its pages are still in a processor's cache
    sandboxes: Vec<(Instant, Box<Live>)>,
    sweeper: Sweeper,
}

/// Does anybody come by to give up those that have waited long?
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Sweeper {
    #[default]
    Away,
    Coming,
}

/// Those of all filters.
#[derive(Default)]
pub struct Lots(Mutex<Vec<Weak<Lot>>>);

impl Lots {
    /// For one filter more, of which a sandbox takes `each` of so many slots.
    pub fn open(&self, slots: u32, each: u32) -> Arc<Lot> {
        let most = (slots / PART / each.max(1)).clamp(1, MOST);
        let lot = Arc::new(Lot {
            most: most as usize,
            parked: Mutex::default(),
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
    /// One that was used, to be put back.
    pub fn take(&self) -> Option<Box<Live>> {
        let last = self.parked().sandboxes.pop();
        last.map(|(_, live)| live)
    }

    /// Waits here for some seconds, unless enough do, or there is nobody who would come by.
    pub fn park(self: &Arc<Self>, live: Box<Live>) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        // A sandbox takes its time to end: never under the lock.
        let (too_many, sweeper) = self.add(live);
        drop(too_many);
        if sweeper == Sweeper::Away {
            let sweep = Sweep(Arc::downgrade(self));
            runtime.spawn(sweep.run());
        }
    }

    /// Back if there are enough; and whether somebody came by so far.
    fn add(&self, live: Box<Live>) -> (Option<Box<Live>>, Sweeper) {
        let mut parked = self.parked();
        if parked.sandboxes.len() == self.most {
            return (Some(live), Sweeper::Coming);
        }
        parked.sandboxes.push((Instant::now(), live));
        let before = std::mem::replace(&mut parked.sweeper, Sweeper::Coming);
        (None, before)
    }

    fn oldest(&self) -> Option<Box<Live>> {
        let mut parked = self.parked();
        let any = !parked.sandboxes.is_empty();
        any.then(|| parked.sandboxes.remove(0).1)
    }

    /// Those that have waited too long; without any left, nobody needs to come again.
    fn late(&self) -> (Vec<(Instant, Box<Live>)>, Sweeper) {
        let mut parked = self.parked();
        let waited = |(at, _): &(Instant, Box<Live>)| at.elapsed() >= PATIENCE;
        let late = parked.sandboxes.partition_point(waited);
        let late = parked.sandboxes.drain(..late).collect();
        if parked.sandboxes.is_empty() {
            parked.sweeper = Sweeper::Away;
            return (late, Sweeper::Away);
        }
        (late, Sweeper::Coming)
    }

    fn slots(&self) -> usize {
        let parked = self.parked();
        parked.sandboxes.iter().map(|(_, live)| live.slots()).sum()
    }

    fn parked(&self) -> MutexGuard<'_, Parked> {
        self.parked.lock().expect("no holder of a lot panics")
    }
}

/// Comes by until there is nobody left; however it ends, the next that waits has another.
struct Sweep(Weak<Lot>);

impl Sweep {
    async fn run(self) {
        loop {
            tokio::time::sleep(ROUND).await;
            let Some(lot) = self.0.upgrade() else {
                return;
            };
            let (late, sweeper) = lot.late();
            // Each takes its time to end, and others wait for this thread.
            for one in late {
                drop(one);
                tokio::task::yield_now().await;
            }
            if sweeper == Sweeper::Away {
                return;
            }
        }
    }
}

impl Drop for Sweep {
    fn drop(&mut self) {
        if let Some(lot) = self.0.upgrade() {
            lot.parked().sweeper = Sweeper::Away;
        }
    }
}
