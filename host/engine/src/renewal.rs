//! Puts a used sandbox back to where it began, so that the next transaction need not have one made.
//!
//! The component brings what restores it (`prepare/renewable.rs`). What is restored here is found out from the system:
//! the pages of its memory that are no longer those of the image they came from. Nothing is believed of the guest.

use std::array::from_fn;
use std::ops::Range;

use wasmtime::component::{Component, ComponentExportIndex, Instance, TypedFunc, WasmList};
use wasmtime::{Store, format_err};

use rustix::param::page_size;

use crate::guest::Guest;
use crate::pages::written;
use crate::prepare::{GROUND, Ground, RESTORE, RUNS};

/// A sandbox of which more octets are to be restored than these is made anew: it would cost less.
const MOST_RESTORED: u32 = 512 << 10;

/// Arguments of the function that restores: runs to fill with zeros, then runs to copy, four in each.
type Runs = (Four, Four, Four, Four);
type Four = (u64, u64, u64, u64);

/// How sandboxes of one filter are put back.
#[derive(Clone, Copy)]
pub struct Renewal {
    ground: Ground,
    find: ComponentExportIndex,
    restore: ComponentExportIndex,
}

/// The same of one sandbox.
pub struct Footing {
    /// where its memory begins in ours
    address: usize,
    restore: TypedFunc<Runs, ()>,
}

impl Renewal {
    /// Of a component to which it was added.
    pub fn of(component: &Component, ground: Ground) -> Option<Self> {
        Some(Self {
            ground,
            find: component.get_export_index(None, GROUND)?,
            restore: component.get_export_index(None, RESTORE)?,
        })
    }

    /// Octets of memory that a sandbox has at its start.
    pub fn memory(&self) -> u64 {
        u64::from(self.ground.size)
    }

    /// The sandbox of this store is as it was when it was made, but for what the host keeps of it. False where that
    /// costs more than to make another; then, and after an error, it is worth nothing.
    pub async fn renew(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
        footing: &mut Option<Footing>,
    ) -> wasmtime::Result<bool> {
        let footing = match footing {
            Some(footing) => footing,
            None => footing.insert(self.find(store, instance).await?),
        };
        let written = written(footing.address, self.ground.size as usize)?;
        // The first page was written, by `find` if by nobody else: a system that does not say so says nothing.
        if written.first().is_none_or(|first| first.start != 0) {
            return Err(format_err!(
                "the system does not tell which pages were written"
            ));
        }
        if octets(&written) > MOST_RESTORED {
            return Ok(false);
        }
        let runs = runs(self.ground, &written);
        if octets(&runs) > MOST_RESTORED {
            return Ok(false);
        }
        footing.restore.call_async(store, arguments(runs)).await?;
        Ok(true)
    }

    /// Where its memory is, which writes to its first page.
    async fn find(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> wasmtime::Result<Footing> {
        let find = instance.get_typed_func::<(), (WasmList<u8>,)>(&mut *store, self.find)?;
        let restore = instance.get_typed_func(&mut *store, self.restore)?;
        let (memory,) = find.call_async(&mut *store, ()).await?;
        let address = memory.as_le_slice(&*store).as_ptr().addr();
        if !address.is_multiple_of(page_size()) {
            return Err(format_err!("its memory does not begin with a page"));
        }
        Ok(Footing { address, restore })
    }
}

/// What to clear and what to copy, so that every run that was written is as it was: before the first content, after it, and in it.
/// They are closed up apart: what lies between the first two is the content, which is not all zeros.
fn runs(ground: Ground, written: &[Range<u32>]) -> [Range<u32>; 2 * RUNS] {
    let Ground { size, from, to } = ground;
    let before = few(within(written, 0..from), RUNS / 2);
    let after = few(within(written, to..size), RUNS / 2);
    let copies = few(within(written, from..to), RUNS);
    let zeros: Vec<_> = before.into_iter().chain(after).collect();
    from_fn(|at| {
        let (runs, at, none) = match at.checked_sub(RUNS) {
            None => (&zeros, at, 0..0),
            Some(at) => (&copies, at, from..from),
        };
        runs.get(at).cloned().unwrap_or(none)
    })
}

/// The parts of the runs in that part of the memory.
fn within(runs: &[Range<u32>], part: Range<u32>) -> Vec<Range<u32>> {
    let cut = |run: &Range<u32>| run.start.max(part.start)..run.end.min(part.end);
    runs.iter().map(cut).filter(|run| !run.is_empty()).collect()
}

/// At most so many runs, by closing the smallest gaps: what lies in a gap was not written, and is restored to what it is.
fn few(mut runs: Vec<Range<u32>>, most: usize) -> Vec<Range<u32>> {
    while runs.len() > most {
        let gap = |at: &usize| runs[at + 1].start - runs[*at].end;
        let Some(least) = (0..runs.len() - 1).min_by_key(gap) else {
            break;
        };
        runs[least].end = runs.remove(least + 1).end;
    }
    runs
}

fn octets(runs: &[Range<u32>]) -> u32 {
    runs.iter().map(|run| run.end - run.start).sum()
}

fn arguments(runs: [Range<u32>; 2 * RUNS]) -> Runs {
    let runs = runs.map(argument);
    let four = |at: usize| (runs[at], runs[at + 1], runs[at + 2], runs[at + 3]);
    (four(0), four(4), four(8), four(12))
}

fn argument(run: Range<u32>) -> u64 {
    u64::from(run.start) << 32 | u64::from(run.end - run.start)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const PAGE: u32 = 4096;
    const PAGES: u32 = 48;

    /// One letter for each page: what becomes of garbage in the pages that were written.
    fn restored(ground: Ground, written: &[Range<u32>]) -> Vec<char> {
        let page = |at: u32| at / PAGE;
        let content = page(ground.from)..page(ground.to);
        let first = |at: u32| if content.contains(&at) { 'c' } else { '0' };
        let mut memory: Vec<_> = (0..page(ground.size)).map(first).collect();
        for run in written {
            memory[page(run.start) as usize..page(run.end) as usize].fill('x');
        }
        for (at, run) in runs(ground, written).into_iter().enumerate() {
            for page in page(run.start)..page(run.end) {
                memory[page as usize] = if at < RUNS { '0' } else { first(page) };
            }
        }
        memory
    }

    #[test]
    fn pages_far_apart_count_with_what_lies_between() {
        let ground = Ground {
            size: 8 << 20,
            from: 0,
            to: PAGE,
        };
        let far = |count: u32| -> Vec<_> {
            let starts = (1..=count).map(|at| at * 200 * PAGE);
            starts.map(|start| start..start + PAGE).collect()
        };
        assert_eq!(octets(&runs(ground, &far(4))), 4 * PAGE);
        assert!(octets(&runs(ground, &far(5))) > 200 * PAGE);
    }

    proptest! {
        #[test]
        fn every_page_is_what_it_was(
            (from, to) in (0..PAGES).prop_flat_map(|from| (Just(from), from..=PAGES)),
            pages in vec(any::<bool>(), PAGES as usize),
        ) {
            let ground = Ground { size: PAGES * PAGE, from: from * PAGE, to: to * PAGE };
            let written: Vec<_> = (0..PAGES)
                .filter(|page| pages[*page as usize])
                .map(|page| page * PAGE..(page + 1) * PAGE)
                .collect();
            let expected = restored(ground, &[]);
            prop_assert_eq!(restored(ground, &written), expected);
        }
    }
}
