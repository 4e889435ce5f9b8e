//! Looks at texts: files that are written into them, and pages that make files.

use lazaret_filter::body::CHUNK;
use lazaret_filter::parts::{self, Part};

use crate::findings::{Finding, Findings};
use crate::html;
use crate::names::{self, Extensions};

/// Octets of a text in which uuencoded files are looked for.
const MOST_TEXT: u32 = 16 * 1024 * 1024;

/// Octets of a line that are kept; a name is shorter.
const LONGEST_LINE: usize = 1024;

/// Some readers show `begin 644 name` in a text as an attachment (POSIX uuencode).
pub fn uuencoded(part: &Part, extensions: &Extensions, findings: &mut Findings) {
    let (mut lines, mut offset) = (Lines::default(), 0);
    let mut judge = |name: &[u8]| {
        let name = String::from_utf8_lossy(name);
        let name = name.trim();
        findings.name(extensions.judge_packed(name), &names::shown(name));
    };
    while offset < part.size.min(MOST_TEXT) {
        let chunk = parts::read(part.index, offset, CHUNK).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        offset += chunk.len() as u32;
        lines.read(&chunk, &mut judge);
    }
    lines.end(judge);
    if part.size > MOST_TEXT {
        findings.add(Finding::Unlisted, "a text in it is too long to be read");
    }
}

/// A text that comes in pieces: the start of its last line.
#[derive(Debug, Default)]
pub struct Lines(Vec<u8>);

impl Lines {
    /// The names of files that begin in lines that end with this piece.
    pub fn read(&mut self, piece: &[u8], begun: impl FnMut(&[u8])) {
        self.0.extend_from_slice(piece);
        let end = self.0.iter().rposition(|b| *b == b'\n');
        let whole = end.map_or(0, |lf| lf + 1);
        each(&self.0[..whole], begun);
        self.0.drain(..whole);
        self.0.truncate(LONGEST_LINE);
    }

    /// And of one that begins in the last line.
    pub fn end(self, begun: impl FnMut(&[u8])) {
        each(&self.0, begun);
    }
}

fn each(lines: &[u8], begun: impl FnMut(&[u8])) {
    lines
        .split(|&b| b == b'\n')
        .filter_map(file_name)
        .for_each(begun);
}

/// Of `begin 644 name`; the mode may have a fourth digit.
fn file_name(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"begin ")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let name = rest[digits..].strip_prefix(b" ")?;
    (3..=4).contains(&digits).then_some(name)
}

/// By what it is called: a page need not begin like one.
pub fn is_page(part: &Part, extension: &str) -> bool {
    matches!(
        extension,
        "htm" | "html" | "shtml" | "xhtml" | "xht" | "svg" | "xml"
    ) || matches!(
        part.content_type.as_str(),
        "text/html" | "application/xhtml+xml" | "image/svg+xml"
    )
}

/// Pages that are attached, not the text of the message.
pub fn page(part: &Part, shown: &str, findings: &mut Findings) {
    if part.name.is_none() && !part.attachment {
        return;
    }
    let text = html::words(ends(part));
    if html::smuggles(&text) {
        findings.add(
            Finding::Smuggling,
            format!("{shown} makes a file out of itself"),
        );
    } else if html::is_active_picture(&text) {
        findings.add(
            Finding::Smuggling,
            format!("{shown} is a picture with a script"),
        );
    }
}

/// All of a page, of a long one its start and its end.
fn ends(part: &Part) -> Vec<u8> {
    let start = part.size.min(html::MOST_AT_EACH_END);
    let end = (part.size - start).min(html::MOST_AT_EACH_END);
    let read = |offset, length| parts::read_all(part.index, offset, length).unwrap_or_default();
    [read(0, start), read(part.size - end, end)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_a_file() {
        for (line, name) in [
            (&b"begin 644 a.exe"[..], Some(&b"a.exe"[..])),
            (b"begin 0644 a b.exe\r", Some(b"a b.exe\r")),
            (b"begin 64 a.exe", None),
            (b"begin 00644 a.exe", None),
            (b"begin 644", None),
            (b" begin 644 a.exe", None),
            (b"begin the 644 days", None),
        ] {
            assert_eq!(file_name(line), name);
        }
    }
}
