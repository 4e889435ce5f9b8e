//! The list of names in a ZIP archive: its central directory (APPNOTE 4.3.12), read from the end. Nothing is unpacked.

/// Octets at the end in which the directory's own end is looked for: 22 and the longest comment.
pub const TAIL: u32 = 22 + 0xffff;

/// Octets of directory that are read.
pub const MOST_DIRECTORY: u32 = 1024 * 1024;

/// End records that are looked at, of those that end the archive and of the others.
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

/// Finds directories in the last octets of an archive of `size` octets. There should be one; a comment may hold the mark
/// of another, and unpackers do not agree which counts, so several are looked at, first those whose comment ends where
/// the archive does: most unpackers know no others.
pub fn directories(tail: &[u8], size: u32) -> Vec<Directory> {
    let marks = tail.windows(4).enumerate().rev();
    let marks = marks.filter(|(_, window)| window == END).map(|(at, _)| at);
    let (sound, odd): (Vec<_>, Vec<_>) = marks.partition(|at| ends_the_archive(tail, *at));
    let marks = sound
        .into_iter()
        .take(MOST_DIRECTORIES)
        .chain(odd.into_iter().take(MOST_DIRECTORIES));
    marks
        .flat_map(|at| directories_of(tail, at, size).unwrap_or_default())
        .flatten()
        .collect()
}

fn ends_the_archive(tail: &[u8], at: usize) -> bool {
    let comment = tail.get(at + 20..at + 22).map(short);
    comment.is_some_and(|comment| at + 22 + usize::from(comment) == tail.len())
}

/// A directory ends where its end record begins. Where it begins, some unpackers take from the length that the record
/// says, which allows for octets before the archive, and some from the offset: both, where they differ.
fn directories_of(tail: &[u8], at: usize, size: u32) -> Option<[Option<Directory>; 2]> {
    let said = |at: usize| tail.get(at..at + 4).map(number);
    let (length, offset) = (said(at + 12)?, said(at + 16)?);
    let end = size.checked_sub(tail.len() as u32)? + at as u32;
    let between = |offset: u32| {
        let size = end.checked_sub(offset)?;
        (1..=MOST_DIRECTORY)
            .contains(&size)
            .then_some(Directory { offset, size })
    };
    let by_length = end.checked_sub(length).and_then(between);
    let by_offset = between(offset).filter(|other| Some(*other) != by_length);
    Some([by_length, by_offset])
}

/// The members up to where the directory is none any more; unpackers read them, whatever follows.
pub fn members(mut directory: &[u8]) -> Vec<Member> {
    let mut members = Vec::new();
    while let Some((member, rest)) = member(directory) {
        members.push(member);
        directory = rest;
    }
    members
}

/// The first member, and what follows it.
fn member(directory: &[u8]) -> Option<(Member, &[u8])> {
    let header = directory
        .get(..ENTRY_SIZE)
        .filter(|header| header.starts_with(ENTRY))?;
    let lengths = [28, 30, 32].map(|at| usize::from(short(&header[at..at + 2])));
    let whole = ENTRY_SIZE + lengths.iter().sum::<usize>();
    let name = directory.get(ENTRY_SIZE..ENTRY_SIZE + lengths[0])?;
    let member = Member {
        name: String::from_utf8_lossy(name).into_owned(),
        encrypted: header[8] & 1 != 0,
    };
    Some((member, directory.get(whole..).unwrap_or_default()))
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
        let members = members(&archive[offset as usize..(offset + size) as usize]);
        (!members.is_empty()).then_some(members)
    }

    /// Names in all directories that are found.
    fn names(archive: &[u8]) -> Vec<String> {
        let directories = directories(archive, archive.len() as u32);
        let all = directories.iter().flat_map(|directory| {
            let start = directory.offset as usize;
            members(&archive[start..start + directory.size as usize])
        });
        all.map(|member| member.name).collect()
    }

    /// Sets the length of the archive's comment.
    fn with_comment(mut archive: Vec<u8>, comment: &[u8]) -> Vec<u8> {
        let at = archive.len() - 2;
        archive[at..].copy_from_slice(&(comment.len() as u16).to_le_bytes());
        [archive, comment.to_vec()].concat()
    }

    #[test]
    fn a_comment_full_of_marks_hides_nothing() {
        let marks = b"PK\x05\x06 and some octets more ".repeat(20);
        let archive = with_comment(archive(&["a.exe"], false), &marks);
        assert!(names(&archive).contains(&"a.exe".to_owned()));
    }

    #[test]
    fn a_length_that_leaves_out_the_first_names_hides_nothing() {
        let mut archive = archive(&["a.exe", "b.txt"], false);
        let length = archive.len() - 22 + 12;
        let only_the_last = (ENTRY_SIZE + 5) as u32;
        archive[length..length + 4].copy_from_slice(&only_the_last.to_le_bytes());
        assert!(names(&archive).contains(&"a.exe".to_owned()));
    }

    #[test]
    fn octets_after_the_last_name_hide_nothing() {
        let mut octets = archive(&["a.exe"], false);
        let end = octets.len() - 22;
        octets[end + 12] += 3;
        octets.splice(end..end, *b"bad");
        assert_eq!(names(&octets), ["a.exe"]);
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
