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
    let (mut rest, mut offset) = (Vec::new(), 0);
    while offset < part.size.min(MOST_TEXT) {
        let chunk = parts::read(part.index, offset, CHUNK).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        offset += chunk.len() as u32;
        rest.extend_from_slice(&chunk);
        let whole = rest
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(0, |lf| lf + 1);
        begun(&rest[..whole], extensions, findings);
        rest.drain(..whole);
        rest.truncate(LONGEST_LINE);
    }
    begun(&rest, extensions, findings);
    if part.size > MOST_TEXT {
        findings.add(Finding::Unlisted, "a text in it is too long to be read");
    }
}

/// The files that begin in these lines.
fn begun(lines: &[u8], extensions: &Extensions, findings: &mut Findings) {
    for name in lines.split(|&b| b == b'\n').filter_map(file_name) {
        let name = String::from_utf8_lossy(name);
        let name = name.trim();
        findings.name(extensions.judge(name), &names::shown(name));
    }
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
