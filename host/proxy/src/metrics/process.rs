//! What the process uses, as far as `/proc` tells.

use std::time::Duration;

use lazaret_metrics::Scrape;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Memory, descriptors, CPU.
pub(super) fn tell(scrape: &mut Scrape<'_>) {
    if let Some(octets) = resident_memory() {
        let samples = [(&[][..], octets as f64)];
        scrape.gauge(
            "process_resident_memory_bytes",
            "Resident memory of the process",
            &samples,
        );
    }
    if let Some(open) = open_descriptors() {
        let samples = [(&[][..], open as f64)];
        scrape.gauge("process_open_fds", "Open file descriptors", &samples);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        let samples = [(&[][..], most as f64)];
        scrape.gauge("process_max_fds", "File descriptors it may open", &samples);
    }
    let samples = [(&[][..], cpu().as_secs_f64())];
    scrape.counter(
        "process_cpu_seconds",
        "CPU of all threads of the process",
        &samples,
    );
}

/// In octets.
fn resident_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn open_descriptors() -> Option<usize> {
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    // The directory itself was open while it was read.
    Some(entries.count().saturating_sub(1))
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(seconds, nanoseconds)
}
