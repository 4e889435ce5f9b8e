//! What this process holds, from `/proc/self`.

/// Octets of memory that are resident; 0 where the system does not say.
pub fn resident() -> u64 {
    status("VmRSS:").unwrap_or(0) * 1024
}

/// The most that ever was resident, in octets.
pub fn resident_at_most() -> u64 {
    status("VmHWM:").unwrap_or(0) * 1024
}

/// Open descriptors; 0 where the system does not say.
pub fn descriptors() -> usize {
    // The directory itself is open while it is read.
    std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1))
}

fn status(key: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_counted() {
        let before = descriptors();
        let files: Vec<_> = (0..50)
            .map(|_| std::fs::File::open("/dev/null").unwrap())
            .collect();
        let during = descriptors();
        assert!(during >= before + 40, "{before} {during}");
        drop(files);
        // The kernel sums up the two at different moments, so they are not compared.
        assert!(resident() > 0 && resident_at_most() > 0);
    }
}
