//! Who holds a file, by Linux's list of locks.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The process that holds a lock on it. None where the system does not say, or where that process is in another container.
pub fn of(path: &Path) -> Option<u32> {
    let file = std::fs::metadata(path).ok()?;
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    named(&locks, &place(file.dev(), file.ino()))
}

/// As Linux writes it there: the device's halves in hexadecimal, and the inode.
fn place(device: u64, inode: u64) -> String {
    let major = (device >> 8) & 0xfff;
    let minor = (device & 0xff) | ((device >> 12) & 0xfff00);
    format!("{major:02x}:{minor:02x}:{inode}")
}

/// A line is `1: FLOCK ADVISORY WRITE 4711 08:01:131 0 EOF`; those of who waits have `->` before the kind, and locks that
/// belong to no process have -1.
fn named(locks: &str, place: &str) -> Option<u32> {
    let held = |line: &str| {
        let mut words = line.split_whitespace().skip(4);
        let process = words.next()?.parse().ok().filter(|process| *process != 0)?;
        (words.next() == Some(place)).then_some(process)
    };
    locks.lines().find_map(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_who_holds_it() {
        let locks = "\
1: OFDLCK ADVISORY  WRITE -1 08:01:131 0 EOF
2: FLOCK  ADVISORY  WRITE 12 08:01:130 0 EOF
2: -> FLOCK  ADVISORY  WRITE 13 08:01:131 0 EOF
3: FLOCK  ADVISORY  WRITE 0 08:01:131 0 EOF
4: FLOCK  ADVISORY  WRITE 14 08:01:131 0 EOF

x
";
        assert_eq!(named(locks, &place(0x801, 131)), Some(14));
        assert_eq!(named(locks, &place(0x802, 131)), None);
    }
}
