//! Splits a header section into fields without losing an octet.

use bytes::Bytes;
use memchr::memchr;

use super::field::{Field, is_name};

/// Most fields of a header section; more is a fault of the client.
pub const FIELD_LIMIT: usize = 10_000;

/// Where the octets of one field stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// octets of the name, 0 if it has none
    pub(super) name: usize,
    /// offset of the value
    pub(super) value: usize,
    /// offset of the last line end
    pub(super) end: usize,
}

impl Shape {
    pub(super) fn of(raw: &[u8]) -> Self {
        let end = without_line_end(raw).len();
        // RFC 5322 section 4.5: blanks may stand before the colon.
        let named = memchr(b':', &raw[..end]).and_then(|colon| {
            let name = raw[..colon].trim_ascii_end();
            is_name(name).then_some((name.len(), colon + 1))
        });
        let (name, value) = named.unwrap_or((0, 0));
        Self { name, value, end }
    }
}

/// The offset after the empty line that ends a header section, if it has come. Only whole lines count.
pub fn header_end(octets: &[u8]) -> Option<usize> {
    let mut start = 0;
    while let Some(end) = line_end(octets, start) {
        if without_line_end(&octets[start..end]).is_empty() {
            return Some(end);
        }
        start = end;
    }
    None
}

/// Splits a section, its empty line included if it has one, into fields; continuation lines stay with their field.
/// `None` when there are more than [`FIELD_LIMIT`].
pub(super) fn split(section: &Bytes) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    let mut start = 0;
    while start < section.len() {
        let end = field_end(section, start);
        let raw = section.slice(start..end);
        if without_line_end(&raw).is_empty() {
            break;
        }
        if fields.len() == FIELD_LIMIT {
            return None;
        }
        let shape = Shape::of(&raw);
        fields.push(Field::new(raw, shape));
        start = end;
    }
    Some(fields)
}

/// After the last continuation line of the field that starts at `start`.
fn field_end(octets: &[u8], start: usize) -> usize {
    let mut end = start;
    loop {
        match line_end(octets, end) {
            Some(next) => end = next,
            None => return octets.len(),
        }
        if !matches!(octets.get(end), Some(b' ' | b'\t')) {
            return end;
        }
    }
}

fn line_end(octets: &[u8], start: usize) -> Option<usize> {
    memchr(b'\n', &octets[start..]).map(|lf| start + lf + 1)
}

pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    match line {
        [rest @ .., b'\r', b'\n'] | [rest @ .., b'\n'] => rest,
        _ => line,
    }
}
