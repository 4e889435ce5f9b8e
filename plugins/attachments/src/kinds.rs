//! What a file is by its first octets, whatever its name.

/// A kind of content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// runs, or shows a desktop what can be run; in words
    Program(&'static str),
    /// PK
    Zip,
    /// the compound file of old Office, of installers and of encrypted new Office
    Compound,
    /// names inside are compressed, sealed, or of a kind that is not read here
    OtherArchive,
    /// one file, compressed
    Packed,
    Image,
    Pdf,
    Html,
    Rtf,
    Unknown,
}

impl Kind {
    /// Looked at as what it holds, or as what it is, already.
    pub fn is_an_archive(self) -> bool {
        matches!(
            self,
            Kind::Zip | Kind::Packed | Kind::OtherArchive | Kind::Program(_)
        )
    }
}

/// Octets that tell a kind, but for the disk images that are looked at elsewhere.
pub const HEAD: u32 = 4096;

/// Where an ISO 9660 image says that it is one.
pub const ISO_MARK: (u32, &[u8]) = (0x8001, b"CD001");

const MAGIC: [(&[u8], Kind); 29] = [
    (b"\x7fELF", Kind::Program("a Linux program")),
    (b"\xfe\xed\xfa\xce", Kind::Program("a macOS program")),
    (b"\xfe\xed\xfa\xcf", Kind::Program("a macOS program")),
    (b"\xce\xfa\xed\xfe", Kind::Program("a macOS program")),
    (b"\xcf\xfa\xed\xfe", Kind::Program("a macOS program")),
    (
        b"\xca\xfe\xba\xbe",
        Kind::Program("a macOS or Java program"),
    ),
    (
        b"L\0\0\0\x01\x14\x02\0",
        Kind::Program("a Windows shortcut"),
    ),
    (b"ITSF\x03\0\0\0", Kind::Program("a Windows help file")),
    (b"conectix", Kind::Program("a disk image")),
    (b"vhdxfile", Kind::Program("a disk image")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind::Compound),
    (b"PK\x03\x04", Kind::Zip),
    (b"PK\x05\x06", Kind::Zip),
    (b"Rar!\x1a\x07", Kind::OtherArchive),
    (b"7z\xbc\xaf\x27\x1c", Kind::OtherArchive),
    (b"\x1f\x8b", Kind::Packed),
    (b"\x1f\x9d", Kind::Packed),
    (b"\x1f\xa0", Kind::Packed),
    (b"\xfd7zXZ\0", Kind::Packed),
    (b"\x28\xb5\x2f\xfd", Kind::Packed),
    (b"\x04\x22\x4d\x18", Kind::Packed),
    (b"LZIP\x01", Kind::Packed),
    (b"MSCF\0\0\0\0", Kind::OtherArchive),
    (b"\x89PNG\r\n\x1a\n", Kind::Image),
    (b"\xff\xd8\xff", Kind::Image),
    (b"GIF8", Kind::Image),
    (b"%PDF-", Kind::Pdf),
    (b"{\\rtf", Kind::Rtf),
    (b"BM\0\0\0\0", Kind::Image),
];

/// What stands behind the start tells these: LZH, ACE and tar.
const LATER: [(usize, &[u8], Kind); 3] = [
    (2, b"-lh", Kind::OtherArchive),
    (7, b"**ACE**", Kind::OtherArchive),
    (257, b"ustar", Kind::OtherArchive),
];

/// The kind of a file that begins with `head`.
pub fn kind(head: &[u8]) -> Kind {
    if is_windows_program(head) {
        return Kind::Program("a Windows program");
    }
    let known = MAGIC.iter().find(|(magic, _)| head.starts_with(magic));
    match known {
        Some((_, kind)) => *kind,
        None if is_bzip2(head) => Kind::Packed,
        None if is_html(head) => Kind::Html,
        None => by_later(head),
    }
}

fn by_later(head: &[u8]) -> Kind {
    let is = |at: usize, mark: &[u8]| head.get(at..at + mark.len()) == Some(mark);
    let known = LATER.iter().find(|(at, mark, _)| is(*at, mark));
    known.map_or(Kind::Unknown, |(_, _, kind)| *kind)
}

/// Three letters, a size, and the digits of pi before the first block.
fn is_bzip2(head: &[u8]) -> bool {
    head.starts_with(b"BZh") && head.get(4..10) == Some(b"1AY&SY")
}

/// Two letters are not enough: text may begin with them. A program's header points to its real header.
fn is_windows_program(head: &[u8]) -> bool {
    let Some(pointer) = head.get(0x3c..0x40).filter(|_| head.starts_with(b"MZ")) else {
        return false;
    };
    let start = u32::from_le_bytes(pointer.try_into().expect("four octets")) as usize;
    match head.get(start..start.saturating_add(2)) {
        Some(mark) => [b"PE", b"NE", b"LE", b"LX"]
            .iter()
            .any(|known| *known == mark),
        None => !head
            .iter()
            .take(0x40)
            .all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()),
    }
}

fn is_html(head: &[u8]) -> bool {
    let marks = [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"];
    let mark = marks.iter().find(|mark| head.starts_with(mark));
    // Without NULs UTF-16 reads like ASCII.
    let text = head.iter().skip(mark.map_or(0, |mark| mark.len()));
    let text: Vec<u8> = text.copied().filter(|b| *b != 0).collect();
    let text = text.trim_ascii_start();
    let starts = |word: &[u8]| {
        text.get(..word.len())
            .is_some_and(|t| t.eq_ignore_ascii_case(word))
    };
    starts(b"<!doctype html") || starts(b"<html") || starts(b"<script") || starts(b"<body")
}

/// Is a file of this extension expected to be of other kinds? Images of one kind are often named as another, and much
/// is called `.doc`, so those are not judged.
pub fn contradicts(extension: &str, kind: Kind) -> bool {
    let expected: &[Kind] = match extension {
        "pdf" => &[Kind::Pdf],
        "png" | "jpg" | "jpeg" | "gif" | "webp" | "bmp" => &[Kind::Image],
        "docx" | "xlsx" | "pptx" => &[Kind::Zip, Kind::Compound],
        "zip" => &[Kind::Zip, Kind::OtherArchive, Kind::Packed],
        "txt" | "csv" => &[Kind::Html],
        _ => return false,
    };
    kind != Kind::Unknown && !matches!(kind, Kind::Program(_)) && !expected.contains(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(mark: &[u8]) -> Vec<u8> {
        let mut head = b"MZ".to_vec();
        head.resize(0x3c, 0);
        head.extend_from_slice(&0x80u32.to_le_bytes());
        head.resize(0x80, 0);
        head.extend_from_slice(mark);
        head
    }

    #[test]
    fn knows_programs() {
        assert_eq!(
            kind(&windows(b"PE\0\0")),
            Kind::Program("a Windows program")
        );
        assert_eq!(kind(b"\x7fELF\x02\x01"), Kind::Program("a Linux program"));
        assert_eq!(
            kind(b"L\0\0\0\x01\x14\x02\0\0"),
            Kind::Program("a Windows shortcut")
        );
    }

    #[test]
    fn knows_archives() {
        let tar = [&[0; 257][..], b"ustar\0"].concat();
        for (head, known) in [
            (&tar[..], Kind::OtherArchive),
            (b"\x20\x30-lh5-", Kind::OtherArchive),
            (b"\x1f\x8b\x08\0", Kind::Packed),
            (b"\xfd7zXZ\0", Kind::Packed),
            (b"BZh91AY&SY", Kind::Packed),
            (b"BZh is how it begins", Kind::Unknown),
        ] {
            assert_eq!(kind(head), known, "{head:?}");
        }
    }

    #[test]
    fn text_that_begins_like_a_program_is_text() {
        let text =
            b"MZ is how each program of DOS begins, after Mark Zbikowski, who wrote ....".repeat(3);
        assert_eq!(kind(&text), Kind::Unknown);
        assert_eq!(kind(b"MZ"), Kind::Unknown);
        assert_eq!(kind(b""), Kind::Unknown);
    }

    #[test]
    fn knows_pages_in_utf_16() {
        let page: Vec<u8> = "\u{feff}\n<HTML>"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        assert_eq!(kind(&page), Kind::Html);
    }

    #[test]
    fn contradictions() {
        assert!(contradicts("pdf", kind(b"<!DOCTYPE html><html>")));
        assert!(contradicts("jpg", kind(b"PK\x03\x04....")));
        assert!(!contradicts("jpg", kind(b"\x89PNG\r\n\x1a\n")));
        assert!(!contradicts("pdf", kind(b"garbage before %PDF-")));
        assert!(!contradicts("doc", kind(b"{\\rtf1")));
    }
}
