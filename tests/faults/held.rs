//! What a process holds and uses, from /proc (Linux).

use std::time::{Duration, Instant};

/// A tick of the times in /proc/PID/stat.
const TICK: Duration = Duration::from_millis(10);

/// What a process held at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// octets of memory that are resident
    pub resident: u64,
    /// open descriptors
    pub descriptors: usize,
    /// threads
    pub threads: usize,
}

/// What may stay behind: an allocator keeps some of what it had, a pool keeps connections to the backend.
pub const SLACK: Held = Held {
    resident: 12 << 20,
    descriptors: 8,
    threads: 4,
};
/// The same of a load that is played until it takes no more.
pub const SLACK_OF_PLAYS: Held = Held {
    resident: 48 << 20,
    ..SLACK
};

impl Held {
    /// What this process holds now; nothing if it is gone.
    pub fn by(process: u32) -> Self {
        let open = std::fs::read_dir(format!("/proc/{process}/fd"));
        Self {
            resident: of_status(process, "VmRSS:") << 10,
            descriptors: open.map_or(0, Iterator::count),
            threads: usize::try_from(of_status(process, "Threads:")).unwrap_or(0),
        }
    }

    /// Is this `base` and no more than `slack` on top?
    pub fn is_near(&self, base: &Held, slack: &Held) -> bool {
        self.resident <= base.resident + slack.resident
            && self.descriptors <= base.descriptors + slack.descriptors
            && self.threads <= base.threads + slack.threads
    }
}

/// The number that /proc/PID/status has there; 0 if the process is gone.
fn of_status(process: u32, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// The most memory that was ever resident, in octets.
pub fn most_resident(process: u32) -> u64 {
    of_status(process, "VmHWM:") << 10
}

/// Octets of its address space that it may write to and shares with nobody: what a limit of data counts.
pub fn data(process: u32) -> u64 {
    of_status(process, "VmData:") << 10
}

/// The share of one processor that the process uses for so long.
pub fn processor_share(process: u32, span: Duration) -> f64 {
    let (begun, before) = (Instant::now(), processor(process));
    std::thread::sleep(span);
    let used = processor(process).saturating_sub(before);
    used.as_secs_f64() / begun.elapsed().as_secs_f64()
}

/// User and system time so far: fields 14 and 15 of proc_pid_stat(5), the 12th and 13th behind the name.
fn processor(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let behind_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let words = behind_name.split(' ').skip(11).take(2);
    let ticks: u32 = words.filter_map(|word| word.parse::<u32>().ok()).sum();
    TICK * ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_process_is_seen_and_an_idle_one_is_not() {
        let run = |words: [&str; 2]| {
            std::process::Command::new("sh")
                .args(["-c", words[0], words[1]])
                .spawn()
                .expect("sh")
        };
        let (mut busy, mut idle) = (run(["while :; do :; done", ""]), run(["sleep 60; :", ""]));
        let shares = [&busy, &idle].map(|it| processor_share(it.id(), Duration::from_millis(600)));
        let held = Held::by(idle.id());
        for child in [&mut busy, &mut idle] {
            child
                .kill()
                .and_then(|()| child.wait())
                .expect("our own child");
        }
        assert!(shares[1] < 0.1 && shares[0] > shares[1], "{shares:?}");
        assert!(
            held.resident > 0 && held.descriptors > 0 && held.threads == 1,
            "{held:?}"
        );
        assert!(held.is_near(&held, &SLACK));
        assert!(
            !Held {
                descriptors: held.descriptors + 9,
                ..held
            }
            .is_near(&held, &SLACK)
        );
    }
}
