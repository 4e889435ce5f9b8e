//! The list of names in a ZIP archive: its central directory (APPNOTE 4.3.12), read from the end. Nothing is unpacked.

/// Octets at the end in which the directory's own end is looked for: 22 and the longest comment.
pub const TAIL: u32 = 22 + 0xffff;

/// Octets of directory that are read.
pub const MOST_DIRECTORY: u32 = 1024 * 1024;

/// End records that are looked at.
const MOST_DIRECTORIES: usize = 4;

const END: &[u8; 4] = b"PK\x05\x06";
const ENTRY: &[u8; 4] = b"PK\x01\x02";
const ENTRY_SIZE: usize = 46;

/// The directory's place before the end record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory {
    /// octets from the start of the archive
    pub offset: u32,
    /// octets
    pub size: u32,
}

/// One file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    pub encrypted: bool,
}

/// Finds directories in the last octets of an archive of `size` octets, the last one first. There should be one; a
/// comment may hold the mark of another, and unpackers do not agree which counts, so all are looked at. A directory ends
/// where its end record begins, whatever the record says: so do unpackers that allow for octets before the archive.
pub fn directories(tail: &[u8], size: u32) -> Vec<Directory> {
    let marks = tail
        .windows(4)
        .enumerate()
        .rev()
        .filter(|(_, window)| window == END);
    marks
        .take(MOST_DIRECTORIES)
        .filter_map(|(at, _)| directory(tail, at, size))
        .collect()
}

fn directory(tail: &[u8], at: usize, size: u32) -> Option<Directory> {
    let length = number(tail.get(at + 12..at + 16)?);
    let end = size.checked_sub(tail.len() as u32)? + at as u32;
    let offset = end.checked_sub(length)?;
    (1..=MOST_DIRECTORY).contains(&length).then_some(Directory {
        offset,
        size: length,
    })
}

/// The members; `None` when the directory is not one.
pub fn members(mut directory: &[u8]) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    while !directory.is_empty() {
        let header = directory
            .get(..ENTRY_SIZE)
            .filter(|h| h.starts_with(ENTRY))?;
        let lengths = [28, 30, 32].map(|at| usize::from(short(&header[at..at + 2])));
        let whole = ENTRY_SIZE + lengths.iter().sum::<usize>();
        let name = directory.get(ENTRY_SIZE..ENTRY_SIZE + lengths[0])?;
        members.push(Member {
            name: String::from_utf8_lossy(name).into_owned(),
            encrypted: header[8] & 1 != 0,
        });
        directory = directory.get(whole..)?;
    }
    Some(members)
}

fn short(octets: &[u8]) -> u16 {
    u16::from_le_bytes(octets.try_into().expect("two octets"))
}

fn number(octets: &[u8]) -> u32 {
    u32::from_le_bytes(octets.try_into().expect("four octets"))
}

/// For tests: an archive with these names, encrypted or not, and no content.
#[cfg(test)]
pub fn archive(names: &[&str], encrypted: bool) -> Vec<u8> {
    let (mut files, mut directory) = (Vec::new(), Vec::new());
    for name in names {
        let length = (name.len() as u16).to_le_bytes();
        let flags = [u8::from(encrypted), 0];
        directory.extend_from_slice(ENTRY);
        directory.extend_from_slice(&[20, 0, 20, 0]);
        directory.extend_from_slice(&flags);
        directory.extend_from_slice(&[0; 18]);
        directory.extend_from_slice(&length);
        directory.extend_from_slice(&[0; 12]);
        directory.extend_from_slice(&(files.len() as u32).to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
        files.extend_from_slice(b"PK\x03\x04\x14\0");
        files.extend_from_slice(&flags);
        files.extend_from_slice(&[0; 18]);
        files.extend_from_slice(&length);
        files.extend_from_slice(&[0, 0]);
        files.extend_from_slice(name.as_bytes());
    }
    let count = (names.len() as u16).to_le_bytes();
    let end = [
        &END[..],
        &[0; 4],
        &count,
        &count,
        &(directory.len() as u32).to_le_bytes(),
        &(files.len() as u32).to_le_bytes(),
        &[0, 0],
    ];
    [files, directory, end.concat()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(archive: &[u8]) -> Option<Vec<Member>> {
        let Directory { offset, size } = *directories(archive, archive.len() as u32).first()?;
        members(&archive[offset as usize..(offset + size) as usize])
    }

    #[test]
    fn lists_names() {
        let member = |name: &str, encrypted| Member {
            name: name.to_owned(),
            encrypted,
        };
        assert_eq!(
            listed(&archive(&["a.txt", "b/c.exe"], false)),
            Some(vec![member("a.txt", false), member("b/c.exe", false)])
        );
        assert_eq!(
            listed(&archive(&["a"], true)),
            Some(vec![member("a", true)])
        );
        let prefixed = [b"#!/bin/sh\n".to_vec(), archive(&["a"], false)].concat();
        assert_eq!(listed(&prefixed), Some(vec![member("a", false)]));
    }

    #[test]
    fn any_cut_or_flipped_octet_is_no_panic() {
        let whole = archive(&["a.txt", "b/c.exe"], false);
        for end in 0..whole.len() {
            let _ = listed(&whole[..end]);
            for value in [0, 0x7f, 0xff] {
                let mut flipped = whole.clone();
                flipped[end] = value;
                let _ = listed(&flipped);
            }
        }
        assert_eq!(listed(&whole[..whole.len() - 30]), None);
    }
}
