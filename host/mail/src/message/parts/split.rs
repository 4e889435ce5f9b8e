use bytes::Bytes;
use memchr::{memchr, memmem};

use super::PART_LIMIT;

/// The bodies between the delimiter lines (RFC 2046 section 5.1.1), one more than [`PART_LIMIT`] at most; `None` if there
/// is no delimiter line at all. A missing last delimiter ends at the end.
pub(super) fn split(body: &Bytes, boundary: &[u8]) -> Option<Vec<Bytes>> {
    let delimiter = [b"--", boundary].concat();
    let mut bodies = Vec::new();
    let mut open: Option<usize> = None;
    for at in memmem::find_iter(body, &delimiter) {
        let Some(line) = Line::at(body, at, delimiter.len()) else {
            continue;
        };
        if let Some(start) = open {
            bodies.push(body.slice(start..before_line_end(body, start, at)));
        }
        open = Some(line.end);
        if line.last || bodies.len() > PART_LIMIT {
            return Some(bodies);
        }
    }
    bodies.push(body.slice(open?..));
    Some(bodies)
}

/// A delimiter line: at the start of a line, nothing after it but blanks.
struct Line {
    end: usize,
    last: bool,
}

impl Line {
    fn at(body: &[u8], start: usize, length: usize) -> Option<Self> {
        if start != 0 && body[start - 1] != b'\n' {
            return None;
        }
        let rest = &body[start + length..];
        let end = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
        let tail = rest[..end].trim_ascii();
        matches!(tail, b"" | b"--").then_some(Self {
            end: start + length + end,
            last: tail == b"--",
        })
    }
}

/// The line end before a delimiter belongs to it.
fn before_line_end(body: &[u8], start: usize, delimiter: usize) -> usize {
    let part = &body[start..delimiter.max(start)];
    let content = crate::message::section::without_line_end(part);
    start + content.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(body: &'static [u8], parts: Option<&[&[u8]]>) {
        let found = split(&Bytes::from_static(body), b"b");
        let expected = parts.map(|parts| parts.iter().map(|p| Bytes::copy_from_slice(p)).collect());
        assert_eq!(found, expected);
    }

    #[test]
    fn delimiters_are_whole_lines() {
        check(
            b"pre\r\n--b\r\none\r\n--b \t\r\ntwo\r\n--b--\r\npost",
            Some(&[b"one", b"two"]),
        );
        check(b"--b\r\n--b\r\n\r\n--b--", Some(&[b"", b""]));
        check(
            b"--b\r\nopen to the end\r\n",
            Some(&[b"open to the end\r\n"]),
        );
        check(b"x--b\r\n--bb\r\n--b- \r\n", None);
        check(b"--b--", Some(&[]));
        check(b"--b", Some(&[b""]));
        check(b"", None);
    }
}
