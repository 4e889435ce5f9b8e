//! The list of names in a ZIP archive: its central directory (APPNOTE 4.3.12), read from the end. Nothing is unpacked.

#[cfg(test)]
#[path = "../tests/checks/zip.rs"]
mod checks;

/// Octets at the end in which the directory's own end is looked for: 22 and the longest comment, and before that what
/// tells where the directory of a ZIP64 archive is.
pub const TAIL: u32 = 22 + 0xffff + (LOCATOR_SIZE + END64_SIZE) as u32;

/// Octets of directory that are read.
const MOST_DIRECTORY: u64 = 1024 * 1024;

/// End records that are looked at, of those that end the archive and of the others.
const MOST_DIRECTORIES: usize = 4;

const END: &[u8; 4] = b"PK\x05\x06";
const ENTRY: &[u8; 4] = b"PK\x01\x02";
const ENTRY_SIZE: usize = 46;
const LOCATOR: &[u8; 4] = b"PK\x06\x07";
const LOCATOR_SIZE: usize = 20;
const END64: &[u8; 4] = b"PK\x06\x06";
const END64_SIZE: usize = 56;

/// Info-ZIP Unicode Path: the name once more, behind a version and a checksum (APPNOTE 4.6.9).
const UNICODE_PATH: u16 = 0x7075;
const UNICODE_PATH_START: usize = 5;

/// The directory's place before the end record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directory {
    /// octets from the start of the archive
    pub offset: u32,
    /// octets that are read
    pub size: u32,
    /// are there more?
    pub is_cut: bool,
}

/// One file of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub name: String,
    /// the name that some unpackers take in its place
    pub unicode_name: Option<String>,
    pub encrypted: bool,
}

impl Member {
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let also = self.unicode_name.as_deref();
        std::iter::once(&*self.name).chain(also)
    }
}

/// Which end records count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// those whose comment ends where the archive does
    Sound,
    /// all
    Any,
}

/// Finds directories in the last octets of an archive of `size` octets. There should be one; a comment may hold the mark
/// of another, and unpackers do not agree which counts, so several are looked at, first those whose comment ends where
/// the archive does: most unpackers know no others.
pub fn directories(tail: &[u8], size: u32, ends: Ends) -> Vec<Directory> {
    let marks = tail.windows(4).enumerate().rev();
    let marks = marks.filter(|(_, window)| window == END).map(|(at, _)| at);
    let (sound, odd): (Vec<_>, Vec<_>) = marks.partition(|at| ends_the_archive(tail, *at));
    let marks = sound
        .into_iter()
        .take(MOST_DIRECTORIES)
        .chain(odd.into_iter().take(match ends {
            Ends::Any => MOST_DIRECTORIES,
            Ends::Sound => 0,
        }));
    let mut directories = Vec::new();
    for directory in marks.flat_map(|at| directories_of(tail, at, size)) {
        if !directories.contains(&directory) {
            directories.push(directory);
        }
    }
    directories
}

fn ends_the_archive(tail: &[u8], at: usize) -> bool {
    let comment = tail.get(at + 20..at + 22).map(short);
    comment.is_some_and(|comment| at + 22 + usize::from(comment) == tail.len())
}

/// What an end record says of its directory.
#[derive(Clone, Copy)]
struct Said {
    length: u64,
    offset: u64,
    /// where the record itself is
    at: u64,
}

/// A directory ends where its end record begins. Where it begins, some unpackers take from the length that the record
/// says, which allows for octets before the archive, and some from the offset: both, where they differ. Some look for
/// the record of ZIP64 only where the other one does not say it: all that there are.
fn directories_of(tail: &[u8], at: usize, size: u32) -> Vec<Directory> {
    let size = u64::from(size);
    let start = size.saturating_sub(tail.len() as u64);
    let said = [said(tail, at, start)].into_iter().flatten();
    said.chain(said_in_zip64(tail, at, start))
        .flat_map(|said| [said.at.checked_sub(said.length), Some(said.offset)].map(|o| (o, said)))
        .filter_map(|(offset, said)| between(offset?, said.at, size))
        .collect()
}

/// `start` is the offset of the tail in the archive.
fn said(tail: &[u8], at: usize, start: u64) -> Option<Said> {
    let said = |at: usize| tail.get(at..at + 4).map(number);
    Some(Said {
        length: u64::from(said(at + 12)?),
        offset: u64::from(said(at + 16)?),
        at: start + at as u64,
    })
}

/// The record of ZIP64 (APPNOTE 4.3.14) is where its locator before the end record says, or right before the locator.
fn said_in_zip64(tail: &[u8], at: usize, start: u64) -> impl Iterator<Item = Said> {
    let locator = at
        .checked_sub(LOCATOR_SIZE)
        .filter(|at| tail[*at..].starts_with(LOCATOR));
    let places = locator.map(|at| {
        let offset = long(&tail[at + 8..at + 16]);
        let told = offset
            .checked_sub(start)
            .and_then(|at| usize::try_from(at).ok());
        [told, at.checked_sub(END64_SIZE)]
    });
    places
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(move |at| {
            let record = tail.get(at..)?.get(..END64_SIZE)?;
            record.starts_with(END64).then(|| Said {
                length: long(&record[40..48]),
                offset: long(&record[48..56]),
                at: start + at as u64,
            })
        })
}

/// From `offset` to the end record at `end`; from behind it to the end of the archive.
fn between(offset: u64, end: u64, size: u64) -> Option<Directory> {
    let end = if offset < end { end } else { size };
    let length = end.checked_sub(offset).filter(|length| *length > 0)?;
    Some(Directory {
        offset: u32::try_from(offset).ok()?,
        size: length.min(MOST_DIRECTORY) as u32,
        is_cut: length > MOST_DIRECTORY,
    })
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
    let extra_start = ENTRY_SIZE + lengths[0];
    let extra = directory.get(extra_start..extra_start + lengths[1]);
    let member = Member {
        name: String::from_utf8_lossy(name).into_owned(),
        unicode_name: extra.and_then(unicode_path),
        encrypted: header[8] & 1 != 0,
    };
    Some((member, directory.get(whole..).unwrap_or_default()))
}

/// The extra fields of a member are each a kind, a length and so many octets.
fn unicode_path(mut extra: &[u8]) -> Option<String> {
    while let [a, b, c, d, rest @ ..] = extra {
        let (kind, length) = (short(&[*a, *b]), usize::from(short(&[*c, *d])));
        let (field, others) = rest.split_at_checked(length)?;
        if kind == UNICODE_PATH {
            let name = field.get(UNICODE_PATH_START..)?;
            return Some(String::from_utf8_lossy(name).into_owned());
        }
        extra = others;
    }
    None
}

fn short(octets: &[u8]) -> u16 {
    u16::from_le_bytes(octets.try_into().expect("two octets"))
}

fn number(octets: &[u8]) -> u32 {
    u32::from_le_bytes(octets.try_into().expect("four octets"))
}

fn long(octets: &[u8]) -> u64 {
    u64::from_le_bytes(octets.try_into().expect("eight octets"))
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
    use proptest::prelude::*;

    use super::*;

    fn listed(archive: &[u8]) -> Option<Vec<Member>> {
        let Directory { offset, size, .. } =
            *directories(archive, archive.len() as u32, Ends::Any).first()?;
        let members = members(&archive[offset as usize..(offset + size) as usize]);
        (!members.is_empty()).then_some(members)
    }

    /// Names in all directories that are found.
    fn names(archive: &[u8]) -> Vec<String> {
        let directories = directories(archive, archive.len() as u32, Ends::Any);
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

    /// Sets what the end record says of length and offset.
    fn saying(mut archive: Vec<u8>, length: u32, offset: u32) -> Vec<u8> {
        let end = archive.len() - 22;
        archive[end + 12..end + 16].copy_from_slice(&length.to_le_bytes());
        archive[end + 16..end + 20].copy_from_slice(&offset.to_le_bytes());
        archive
    }

    #[test]
    fn two_directories_are_both_read() {
        let hidden = archive(&["a.exe"], false);
        let hidden = &hidden[..hidden.len() - 22];
        let files = b"PK\x03\x04\x14\0".len() + 24 + "a.exe".len();
        let both = [hidden, &archive(&["b.txt"], false)].concat();
        let length = (ENTRY_SIZE + 5) as u32;
        assert_eq!(
            names(&saying(both, length, files as u32)),
            ["b.txt", "a.exe"]
        );
        let behind = archive(&["b.txt"], false);
        let offset = behind.len() as u32;
        let behind = with_comment(saying(behind, length, offset), &hidden[files..]);
        assert_eq!(names(&behind), ["b.txt", "a.exe"]);
    }

    #[test]
    fn a_directory_of_zip64_is_read() {
        let plain = archive(&["a.exe"], false);
        let (files, end) = plain.split_at(plain.len() - 22);
        let length = (ENTRY_SIZE + 5) as u64;
        let offset = files.len() as u64 - length;
        for prefix in [0, 100] {
            let record = [
                END64,
                &[0; 36][..],
                &length.to_le_bytes(),
                &offset.to_le_bytes(),
            ];
            let at = files.len() as u64;
            let locator = [LOCATOR, &[0; 4][..], &at.to_le_bytes(), &[1, 0, 0, 0]];
            let end = saying(end.to_vec(), u32::MAX, u32::MAX);
            let start = vec![b'x'; prefix];
            let large = [
                start,
                files.to_vec(),
                record.concat(),
                locator.concat(),
                end,
            ];
            assert_eq!(names(&large.concat()), ["a.exe"], "{prefix}");
        }
    }

    #[test]
    fn the_first_names_of_a_long_directory_are_read() {
        let directory = Directory {
            offset: 7,
            size: 1024 * 1024,
            is_cut: true,
        };
        let long = 7 + MOST_DIRECTORY + 1;
        assert_eq!(between(7, long, long), Some(directory));
        let most = Directory {
            is_cut: false,
            ..directory
        };
        assert_eq!(between(7, long - 1, long), Some(most));
    }

    #[test]
    fn the_unicode_name_is_read_too() {
        let mut entry = archive(&["a.txt"], false).split_off(35);
        let extra = b"\x01\0\x02\0xx\x75\x70\x0a\0\x01crc_a.exe";
        entry.truncate(ENTRY_SIZE + 5);
        entry[30] = extra.len() as u8;
        entry.extend_from_slice(extra);
        let members = members(&entry);
        let names: Vec<_> = members.iter().flat_map(Member::names).collect();
        assert_eq!(names, ["a.txt", "a.exe"]);
    }

    #[test]
    fn lists_names() {
        let member = |name: &str, encrypted| Member {
            name: name.to_owned(),
            unicode_name: None,
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
    fn the_corpus_replays() {
        lazaret_corpus::replay("zip", checks::zip);
    }

    proptest! {
        #[test]
        fn what_is_written_is_listed(
            names in prop::collection::vec("[^\u{0}-\u{1f}]{0,12}", 1..8),
            is_encrypted: bool,
            before in prop::collection::vec(any::<u8>(), 0..20),
            comment in prop::collection::vec(0x80_u8.., 0..40),
        ) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let archive = [before, with_comment(archive(&names, is_encrypted), &comment)].concat();
            let found = listed(&archive).expect("it lists something");
            let read: Vec<_> = found.iter().map(|member| member.name.as_str()).collect();
            prop_assert_eq!(read, names);
            prop_assert!(found.iter().all(|member| member.encrypted == is_encrypted));
            checks::zip(&archive);
        }

        #[test]
        fn random_pieces(pieces in prop::collection::vec(piece(), 0..12)) {
            checks::zip(&pieces.concat());
        }
    }

    /// What an archive may hold, in any order.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let mark = |mark: &'static [u8]| {
            prop::collection::vec(any::<u8>(), 0..50).prop_map(move |rest| [mark, &rest].concat())
        };
        prop_oneof![
            prop::collection::vec(any::<u8>(), 0..30),
            prop::collection::vec(Just(0), 0..60),
            prop_oneof![mark(END), mark(ENTRY), mark(LOCATOR), mark(END64)],
            Just(archive(&["a.txt", "b/c.exe"], false)),
        ]
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
