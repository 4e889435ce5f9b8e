//! What must hold for any archive.

use super::{Directory, Ends, directories, members};

/// Octets of the smallest entry.
const ENTRY: usize = 46;
/// Octets of directory that are read.
const MOST: u32 = 1 << 20;

/// Directories lie in the archive, are few and not too large; what they list is no longer than they are.
pub fn zip(octets: &[u8]) {
    let size = u32::try_from(octets.len()).expect("a short archive");
    let found = directories(octets, size, Ends::Any);
    // Eight end records, each of them also one of ZIP64 in two places, each with a length and an offset.
    assert!(found.len() <= 8 * 3 * 2, "{} directories", found.len());
    for directory in &found {
        lies_in(directory, size);
        let start = directory.offset as usize;
        lists(&octets[start..start + directory.size as usize]);
    }
    // Only the end of a large archive is at hand.
    for size in [size.saturating_add(1000), u32::MAX] {
        let found = directories(octets, size, Ends::Any);
        found.iter().for_each(|directory| lies_in(directory, size));
    }
    lists(octets);
}

fn lies_in(directory: &Directory, size: u32) {
    let end = directory.offset.checked_add(directory.size);
    assert!(end.is_some_and(|end| end <= size), "{directory:?}");
    assert!((1..=MOST).contains(&directory.size), "{directory:?}");
}

fn lists(directory: &[u8]) {
    let members = members(directory);
    assert!(members.len() * ENTRY <= directory.len());
    // An octet that is no text becomes three.
    let names = members.iter().flat_map(|member| member.names());
    let octets: usize = names.map(str::len).sum();
    assert!(octets <= 3 * directory.len(), "{octets} octets of names");
}
