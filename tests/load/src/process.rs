//! What processes use, as /proc tells (Linux).

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

/// A tick of the times in /proc/PID/stat; 100 a second on every Linux that has not been patched.
const TICK: Duration = Duration::from_millis(10);

/// Some processes with all their descendants, also those that come later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    roots: Vec<u32>,
}

/// The fields of /proc/PID/stat that matter here; see proc_pid_stat(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    /// ticks of the process itself, threads that have ended included
    own: u64,
    /// ticks of children that have ended and were waited for, and of theirs
    dead_children: u64,
}

impl Tree {
    /// The processes `roots` and what descends from them.
    pub fn of(roots: &[u32]) -> Self {
        let roots = roots.to_vec();
        Self { roots }
    }

    /// This process and its children.
    pub fn own() -> Self {
        Self::of(&[std::process::id()])
    }

    /// CPU time used so far, in the kernel or out of it, by all of them, dead ones included: a child that has ended counts
    /// with its parent, which is what `getrusage(RUSAGE_CHILDREN)` is to the parent itself. Exact to 10 ms a process.
    /// (A child whose parent does not wait for it is lost once it ends; no mail server does that.)
    pub fn cpu(&self) -> Duration {
        let ticks = |pid: &u32| stat(*pid).map_or(0, |stat| stat.own + stat.dead_children);
        let ticks: u64 = self.pids().iter().map(ticks).sum();
        TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
    }

    /// Proportional set size in octets: private memory, and a fair share of what is shared.
    pub fn pss(&self) -> u64 {
        let pids = self.pids();
        pids.iter()
            .filter_map(|pid| field_of_rollup(*pid, "Pss:"))
            .sum()
    }

    /// The processes that live now.
    pub fn pids(&self) -> BTreeSet<u32> {
        let all: Vec<(u32, u32)> = processes().collect();
        let mut found: BTreeSet<u32> = all
            .iter()
            .map(|(pid, _)| *pid)
            .filter(|pid| self.roots.contains(pid))
            .collect();
        loop {
            let children: Vec<u32> = all
                .iter()
                .filter(|(pid, parent)| found.contains(parent) && !found.contains(pid))
                .map(|(pid, _)| *pid)
                .collect();
            if children.is_empty() {
                return found;
            }
            found.extend(children);
        }
    }
}

/// CPU time of this process without its children: in the benchmark they are what is measured.
pub(crate) fn own_cpu() -> Duration {
    let ticks = stat(std::process::id()).map_or(0, |stat| stat.own);
    TICK * u32::try_from(ticks).unwrap_or(u32::MAX)
}

/// Every process with its parent.
fn processes() -> impl Iterator<Item = (u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        Some((pid, stat(pid)?.parent))
    })
}

fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

impl Stat {
    /// The name in parentheses may hold spaces and parentheses of its own.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(number(1)?).ok()?,
            own: number(11)? + number(12)?,
            dead_children: number(13)? + number(14)?,
        })
    }
}

fn field_of_rollup(pid: u32, name: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kibibytes: u64 = line.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    #[test]
    fn names_may_look_like_fields() {
        let text = "42 (a) S (b) R 7 1 1 0 -1 0 0 0 0 0 100 20 3 4 20 0 1 0 5 6 7";
        let stat = Stat::parse(text).unwrap();
        assert_eq!((stat.parent, stat.own, stat.dead_children), (7, 120, 7));
        assert_eq!(Stat::parse("42 (a"), None);
    }

    #[test]
    fn work_is_seen() {
        let before = Tree::own().cpu();
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(30) && Tree::own().cpu() - before < 5 * TICK {
            black_box((0..100_000_u64).sum::<u64>());
        }
        assert!(Tree::own().cpu() - before >= 5 * TICK);
    }

    #[test]
    fn children_count_while_they_live_and_after() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert!(Tree::own().pids().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!Tree::own().pids().contains(&child.id()));
        let (before, alone) = (Tree::own().cpu(), own_cpu());
        let busy = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        assert!(
            Command::new("sh")
                .args(["-c", busy])
                .status()
                .unwrap()
                .success()
        );
        let grown = Tree::own().cpu() - before;
        assert!(grown >= TICK);
        assert!(own_cpu() - alone < grown, "a child's work is not our own");
    }

    #[test]
    fn memory_is_seen() {
        let before = Tree::own().pss();
        let block = black_box(vec![1_u8; 64 << 20]);
        assert!(Tree::own().pss() >= before + (48 << 20), "{}", block.len());
    }
}
