use std::fmt::Write;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::head::{Head, mime_fields};
use super::split::{Divided, dashed_lines, delimiter, half_divides, is_blank, split};
use super::{DEPTH_LIMIT, Field, PART_HEADER_LIMIT, PART_LIMIT, Part, PartInfo, PartsFault};
use crate::message::section;

/// Octets looked at may be this many times the octets of the body.
const WORK_FACTOR: u64 = 16;
const WORK_BASE: u64 = 1 << 20;

/// Octets that decoding makes may be this many times the octets of the body: memory is taken for so many.
pub(in crate::message) const DECODED_FACTOR: u64 = 2;
const DECODED_BASE: u64 = 64 << 10;

pub(super) fn walk(fields: &[Field], body: Bytes) -> Result<Vec<Part>, PartsFault> {
    let mut walk = Walk {
        parts: Vec::new(),
        delimiters: Vec::new(),
        work_left: WORK_BASE + WORK_FACTOR * body.len() as u64,
        decoded_left: DECODED_BASE + DECODED_FACTOR * body.len() as u64,
    };
    let head = Head::of(fields, "text/plain")?;
    let fields_below = &fields[mailbox_lines(fields)..];
    let body = match fields_below.iter().position(is_no_field) {
        None => body,
        Some(_) if mime_fields(fields).next().is_some() => return Err(PartsFault::Ambiguous),
        Some(at) => {
            let shown = &fields_below[at..];
            let octets = shown.iter().map(|field| field.raw().len()).sum::<usize>() + body.len();
            take(&mut walk.decoded_left, octets)?;
            shown_from(shown, &body)
        }
    };
    walk.entity(
        Place {
            parent: None,
            depth: 0,
            outermost: 0,
        },
        head,
        body,
    )?;
    Ok(walk.parts)
}

struct Walk {
    parts: Vec<Part>,
    /// of all multiparts around
    delimiters: Vec<Vec<u8>>,
    work_left: u64,
    decoded_left: u64,
}

#[derive(Clone, Copy)]
struct Place {
    parent: Option<u32>,
    depth: usize,
    /// the first of [`Walk::delimiters`] that is in force
    outermost: usize,
}

impl Walk {
    /// Recursion is bounded by [`DEPTH_LIMIT`].
    fn entity(&mut self, place: Place, head: Head, body: Bytes) -> Result<(), PartsFault> {
        if place.depth > DEPTH_LIMIT {
            return Err(PartsFault::TooDeep);
        }
        self.spend(body.len())?;
        let around = self.delimiters.len();
        let own = head.boundaries.iter().map(|own| delimiter(own));
        self.delimiters.extend(own);
        match self.divided(&head, &body)? {
            Some(divided) => self.multipart(place, head, divided)?,
            None => self.leaf(place, head, body)?,
        }
        self.delimiters.truncate(around);
        Ok(())
    }

    fn multipart(&mut self, place: Place, head: Head, divided: Divided) -> Result<(), PartsFault> {
        if divided.reopened {
            return Err(PartsFault::Ambiguous);
        }
        self.undivided(place, &divided.preamble)?;
        self.undivided(place, &divided.epilogue)?;
        let inside = head.default_inside();
        let here = self.push(place, head, Bytes::new())?;
        let mut bodies = divided.bodies.into_iter();
        bodies.try_for_each(|body| self.inner(here, inside, body))
    }

    fn leaf(&mut self, place: Place, mut head: Head, body: Bytes) -> Result<(), PartsFault> {
        let message = head.is_message();
        let encoded = head.encoding.is_one();
        if !message || encoded {
            self.undivided(place, &body)?;
        }
        head.name_from(&body);
        if head.encoding.is_read_differently(&body) {
            return Err(PartsFault::Ambiguous);
        }
        // RFC 2046 section 5.2.1: a message is not encoded, and to some programs it never is.
        if head.encoding.hides_all() && head.is_any_message() && has_mime_header(&body) {
            return Err(PartsFault::Ambiguous);
        }
        take(&mut self.decoded_left, head.encoding.most(&body))?;
        let data = head.encoding.decode(body);
        if head.is_multipart() && looks_divided(&data) {
            return Err(PartsFault::Boundary);
        }
        if head.may_be_message() && has_mime_header(&data) {
            return Err(PartsFault::Ambiguous);
        }
        let mut here = self.push(place, head, data.clone())?;
        if encoded {
            here.outermost = self.delimiters.len();
        }
        if message {
            self.inner(here, "text/plain", below_mailbox_line(data))?;
        }
        Ok(())
    }

    /// Content may have no line that only begins with a boundary in force: to RFC 2046 section 5.1.1 it divides, to most
    /// programs not.
    fn undivided(&mut self, place: Place, content: &[u8]) -> Result<(), PartsFault> {
        let in_force = self.delimiters.len() - place.outermost;
        if in_force == 0 {
            return Ok(());
        }
        self.spend(content.len())?;
        for line in dashed_lines(content) {
            self.spend(line.len() * in_force)?;
            let mut delimiters = self.delimiters[place.outermost..].iter();
            if delimiters.any(|delimiter| half_divides(line, delimiter)) {
                return Err(PartsFault::Ambiguous);
            }
        }
        Ok(())
    }

    /// A multipart, if there is a line of its boundary. Two readings of the boundary may not both divide it.
    fn divided(&mut self, head: &Head, body: &Bytes) -> Result<Option<Divided>, PartsFault> {
        let mut found = None;
        for (earlier, boundary) in head.boundaries.iter().enumerate() {
            // The first search is paid for with the entity.
            self.spend(body.len() * earlier.min(1))?;
            let divided = split(body, boundary);
            if divided.is_some() && found.is_some() {
                return Err(PartsFault::Ambiguous);
            }
            found = found.or(divided);
        }
        Ok(found)
    }

    /// A header section and a body inside a multipart or a message/rfc822.
    fn inner(&mut self, place: Place, default: &str, octets: Bytes) -> Result<(), PartsFault> {
        self.spend(octets.len())?;
        let end = section::header_end(&octets);
        let head_octets = octets.slice(..end.unwrap_or(octets.len()));
        if head_octets.len() > PART_HEADER_LIMIT && end.is_some() {
            return Err(PartsFault::Header);
        }
        let fields = section::split(&head_octets).ok_or(PartsFault::Header)?;
        let headless = end.is_none() && fields.iter().all(|field| field.name().is_empty());
        if !headless && fields.iter().any(is_no_field) {
            return Err(PartsFault::Ambiguous);
        }
        let body = if headless {
            octets
        } else {
            self.undivided(place, &head_octets)?;
            octets.slice(head_octets.len()..)
        };
        self.entity(place, Head::of(&fields, default)?, body)
    }

    fn push(&mut self, place: Place, head: Head, data: Bytes) -> Result<Place, PartsFault> {
        if self.parts.len() == PART_LIMIT {
            return Err(PartsFault::TooMany);
        }
        self.spend(data.len())?;
        let index = self.parts.len() as u32;
        let info = PartInfo {
            index,
            parent: place.parent,
            content_type: head.content_type,
            name: head.name,
            attachment: head.attachment,
            size: u32::try_from(data.len()).map_err(|_| PartsFault::TooLarge)?,
            sha256: sha256(&data),
        };
        self.parts.push(Part {
            info,
            charset: head.charset,
            data,
        });
        Ok(Place {
            parent: Some(index),
            depth: place.depth + 1,
            outermost: place.outermost,
        })
    }

    fn spend(&mut self, octets: usize) -> Result<(), PartsFault> {
        take(&mut self.work_left, octets)
    }
}

fn take(left: &mut u64, octets: usize) -> Result<(), PartsFault> {
    *left = left.checked_sub(octets as u64).ok_or(PartsFault::Work)?;
    Ok(())
}

/// Many programs end the header before such a line (RFC 5322 section 2.2) and show what follows.
fn is_no_field(field: &Field) -> bool {
    field.name().is_empty() && !is_blank(field.raw())
}

/// The line that parts messages in a mailbox may stand first, by itself.
fn mailbox_lines(fields: &[Field]) -> usize {
    let is_one_line = |field: &&Field| memchr::memchr_iter(b'\n', field.raw()).count() == 1;
    let first = fields.first().filter(|field| field.is_mailbox_line());
    usize::from(first.is_some_and(|first| is_one_line(&first)))
}

/// Of a message without MIME whose header has lines that are no fields, what programs show at most: many end the header there.
fn shown_from(fields: &[Field], body: &[u8]) -> Bytes {
    let mut shown: Vec<u8> = Vec::new();
    for field in fields {
        shown.extend_from_slice(field.raw());
    }
    shown.extend_from_slice(b"\r\n");
    shown.extend_from_slice(body);
    shown.into()
}

/// Does it begin with a header section that says what is in it, or with one too large to tell?
fn has_mime_header(octets: &Bytes) -> bool {
    let end = section::header_end(octets).unwrap_or(octets.len());
    let head = octets.slice(..end.min(PART_HEADER_LIMIT));
    let fields = section::split(&head);
    let says = fields.is_none_or(|fields| mime_fields(&fields).next().is_some());
    says || end > PART_HEADER_LIMIT && end < octets.len()
}

/// Without the line that parts messages in a mailbox (RFC 4155), which stands over some that were forwarded from there:
/// programs skip it.
fn below_mailbox_line(message: Bytes) -> Bytes {
    let line = message.strip_prefix(b">").unwrap_or(&message);
    let end = memchr::memchr(b'\n', &message).filter(|_| line.starts_with(b"From "));
    message.slice(end.map_or(0, |lf| lf + 1)..)
}

/// Has it a line that might be a delimiter, and one that might be of a part's header?
fn looks_divided(data: &[u8]) -> bool {
    let starts = |line: &[u8], word: &[u8]| {
        let start = line.get(..word.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let has = |word: &[u8]| {
        let rest = memchr::memchr_iter(b'\n', data).map(|lf| &data[lf + 1..]);
        std::iter::once(data)
            .chain(rest)
            .any(|line| starts(line, word))
    };
    has(b"--") && has(b"content-")
}

/// Lower case hex.
fn sha256(octets: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for octet in Sha256::digest(octets) {
        write!(hex, "{octet:02x}").expect("a String takes all that is written");
    }
    hex
}
