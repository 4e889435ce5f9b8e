//! Which pages of our memory were written, as the system knows it.
//!
//! A sandbox's memory begins as a private view of an image; a page of it that is written becomes a page of the process's
//! own. `/proc/self/pagemap` tells one from the other (Documentation/admin-guide/mm/pagemap.rst in the kernel's source).

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::LazyLock;

use rustix::param::page_size;

/// Octets of what is told of one page.
const WORD: usize = size_of::<u64>();
/// Pages that are asked about at once.
const AT_ONCE: usize = 512;
/// It is in memory.
const PRESENT: u64 = 1 << 63;
/// It is on disk.
const SWAPPED: u64 = 1 << 62;
/// It is a page of a file.
const FILE: u64 = 1 << 61;

/// Ours. A child that is started runs a program of its own, which opens it again.
static PAGEMAP: LazyLock<Option<File>> = LazyLock::new(|| File::open("/proc/self/pagemap").ok());

/// Does the system tell? Some that look like Linux answer that nothing ever happens.
pub fn can_be_told() -> bool {
    static TELLS: LazyLock<bool> = LazyLock::new(|| {
        let page = page_size();
        let memory = vec![1_u8; 2 * page];
        let aligned = memory.as_ptr().addr().next_multiple_of(page);
        let told = written(aligned, page);
        black_box(memory);
        let tells = told.is_ok_and(|runs| !runs.is_empty());
        if !tells {
            tracing::info!(
                "the system does not say which pages were written (/proc/self/pagemap): sandboxes are made anew each time"
            );
        }
        tells
    });
    *TELLS
}

/// Runs of octets, in order and counted from `address`, in whose pages something was written since they were mapped. Some may
/// be in them where nothing was. `address` is where a page begins; `size` octets are looked at.
pub fn written(address: usize, size: usize) -> io::Result<Vec<Range<u32>>> {
    let pagemap = PAGEMAP.as_ref().ok_or(io::ErrorKind::Unsupported)?;
    let page = page_size();
    let (first, pages) = (address / page, size.div_ceil(page));
    let mut words = [0; AT_ONCE * WORD];
    let mut runs: Vec<Range<u32>> = Vec::new();
    for start in (0..pages).step_by(AT_ONCE) {
        let words = &mut words[..(pages - start).min(AT_ONCE) * WORD];
        pagemap.read_exact_at(words, ((first + start) * WORD) as u64)?;
        let words = words.chunks_exact(WORD);
        for (at, word) in (start..).zip(words) {
            let word = u64::from_ne_bytes(word.try_into().expect("eight octets"));
            if is_ours(word) {
                extend(&mut runs, at * page..((at + 1) * page).min(size));
            }
        }
    }
    Ok(runs)
}

fn is_ours(word: u64) -> bool {
    word & (PRESENT | SWAPPED) != 0 && word & FILE == 0
}

fn extend(runs: &mut Vec<Range<u32>>, page: Range<usize>) {
    let (start, end) = (page.start as u32, page.end as u32);
    match runs.last_mut() {
        Some(last) if last.end == start => last.end = end,
        _ => runs.push(start..end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_system_tells() {
        assert!(can_be_told(), "Linux does, where /proc is mounted");
    }

    #[test]
    fn what_is_written_is_told() {
        let page = page_size();
        let mut memory = vec![0_u8; 1100 * page];
        let aligned = memory.as_ptr().addr().next_multiple_of(page);
        let begin = aligned - memory.as_ptr().addr();
        for at in [0, 7, 8, 600, 1098] {
            memory[begin + at * page + 5] = 1;
        }
        let told = written(aligned, 1099 * page).unwrap();
        let page = page as u32;
        let is_in = |at: u32| told.iter().any(|run| run.contains(&(at * page + 5)));
        assert!([0, 7, 8, 600, 1098].into_iter().all(is_in), "{told:?}");
        assert!(!is_in(300), "an untouched page of fresh memory: {told:?}");
        assert!(told.windows(2).all(|two| two[0].end < two[1].start));
    }
}
