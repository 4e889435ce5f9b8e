use bytes::Bytes;
use memchr::{memchr, memchr_iter, memmem};

use super::PART_LIMIT;

/// A multipart taken apart at its delimiter lines (RFC 2046 section 5.1.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Divided {
    /// one more than [`PART_LIMIT`] at most
    pub(super) bodies: Vec<Bytes>,
    pub(super) preamble: Bytes,
    pub(super) epilogue: Bytes,
    /// the epilogue has a delimiter line, behind which some go on
    pub(super) reopened: bool,
}

/// What begins a line that divides.
pub(super) fn delimiter(boundary: &[u8]) -> Vec<u8> {
    [b"--", boundary].concat()
}

/// `None` if there is no delimiter line at all. A missing last delimiter ends at the end.
pub(super) fn split(body: &Bytes, boundary: &[u8]) -> Option<Divided> {
    let delimiter = delimiter(boundary);
    let mut lines = memmem::find_iter(body, &delimiter)
        .filter_map(|at| Some((at, Line::at(body, at, delimiter.len())?)));
    let (first, mut open) = lines.next()?;
    let mut bodies = Vec::new();
    while !open.last && bodies.len() <= PART_LIMIT {
        let start = open.end;
        let Some((at, next)) = lines.next() else {
            bodies.push(body.slice(start..));
            open.end = body.len();
            break;
        };
        bodies.push(body.slice(start..before_line_end(body, start, at)));
        open = next;
    }
    Some(Divided {
        reopened: open.last && lines.any(|(_, line)| !line.last),
        bodies,
        preamble: body.slice(..first),
        epilogue: body.slice(open.end..),
    })
}

/// The lines that might divide.
pub(super) fn dashed_lines(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    let starts = std::iter::once(0).chain(memchr_iter(b'\n', octets).map(|lf| lf + 1));
    let dashed = starts
        .map(|at| &octets[at..])
        .filter(|rest| rest.starts_with(b"--"));
    dashed.map(|rest| &rest[..memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1)])
}

/// Begins it as the delimiter does, and goes on in another way?
pub(super) fn half_divides(line: &[u8], delimiter: &[u8]) -> bool {
    line.starts_with(delimiter) && Line::at(line, 0, delimiter.len()).is_none()
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
        let behind = &rest[..end];
        let tail = behind.strip_prefix(b"--").unwrap_or(behind);
        is_blank(tail).then_some(Self {
            end: start + length + end,
            last: tail.len() < behind.len(),
        })
    }
}

/// Nothing but blanks and line ends (RFC 2046 section 5.1.1, transport-padding).
pub(super) fn is_blank(octets: &[u8]) -> bool {
    let blank = |octet: &u8| matches!(octet, b' ' | b'\t' | b'\r' | b'\n');
    octets.iter().all(blank)
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
        let found = split(&Bytes::from_static(body), b"b").map(|divided| divided.bodies);
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
    #[test]
    fn around_the_bodies_are_preamble_and_epilogue() {
        for (body, preamble, epilogue) in [
            (
                &b"pre\r\n--b\r\n\r\n--b--\r\npost\r\n--b"[..],
                &b"pre\r\n"[..],
                &b"post\r\n--b"[..],
            ),
            (b"--b\r\nopen", b"", b""),
            (b"--b--", b"", b""),
        ] {
            let divided = split(&Bytes::from_static(body), b"b").unwrap();
            assert_eq!(
                (&divided.preamble[..], &divided.epilogue[..]),
                (preamble, epilogue)
            );
        }
    }

    #[test]
    fn half_a_delimiter_has_another_tail() {
        let text = b"--b\r\n--b x\r\n--b--\n x--bx\r\n--\r\n\n--b-";
        let half = dashed_lines(text).filter(|line| half_divides(line, b"--b"));
        assert_eq!(half.collect::<Vec<_>>(), [&b"--b x\r\n"[..], b"--b-"]);
        assert_eq!(dashed_lines(b"").count(), 0);
    }
}
