//! A message as filters see it: header fields, body octets, MIME parts, and the edits made so far.
//!
//! Octets are exact: what no filter edited leaves as it came, be it a header section without an empty line, a body
//! without a header, or nothing at all. An edit replaces the octets of the fields it names and no others; the body is
//! shared, never copied.

mod content;
mod edit;
mod field;
mod fold;
mod parts;
mod room;
mod section;
mod text;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

pub use content::Content;
pub use edit::{EDIT_LIMIT, EDIT_OCTETS_LIMIT, Edit, EditFault, EditScope, HeaderEditor};
pub use field::{EditError, Field, NAME_LIMIT};
pub use parts::{
    DEPTH_LIMIT, PARSE_LIMIT, PART_HEADER_LIMIT, PART_LIMIT, PartError, PartInfo, Parts, PartsFault,
};
use room::Taken;
pub use room::{PARSE_ROOM, ParseRoom};
pub use section::{FIELD_LIMIT, header_end};

/// Default limit of a header section, in octets.
pub const HEADER_LIMIT: usize = 1 << 20;

/// What is read of a spooled message at a time while looking for the end of the header section.
const CHUNK: usize = 64 << 10;

/// A message: header fields as they now are, and the body as it was received. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Message {
    fields: Arc<[Field]>,
    /// the octets of all fields, and the empty line if there is one
    section: Bytes,
    /// where the empty line starts in `section`
    fields_end: usize,
    received: Content,
    body_offset: u64,
    parts: Arc<OnceLock<Result<Arc<Parts>, PartsFault>>>,
    /// memory for them
    room: Arc<OnceLock<Taken>>,
}

/// Why a header section is refused: the client's fault, to be answered 552 or 554.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderFault {
    /// no empty line within the limit (octets)
    #[error("header section larger than {0} octets")]
    TooLarge(usize),
    /// more fields than [`FIELD_LIMIT`]
    #[error("header section of more than {FIELD_LIMIT} fields")]
    TooManyFields,
    /// our own fault: the spool could not be read
    #[error("spool: {0}")]
    Spool(String),
}

/// A piece of a message on its way out.
#[derive(Clone, Debug)]
pub enum Segment {
    /// octets in memory
    Octets(Bytes),
    /// the rest of a spooled message, from this offset to its end
    Spooled(Content, u64),
}

impl Message {
    /// Splits the header section into raw fields; never touches the body. A section without an empty line runs to the
    /// end of the content. `limit` is in octets, see [`HEADER_LIMIT`].
    pub fn parse(content: Content, limit: usize) -> Result<Self, HeaderFault> {
        let section = header_section(&content, limit)?;
        Self::assemble(section, content)
    }

    /// For the stage headers: the header section alone, with an empty body. What follows the empty line is left out.
    pub fn header_only(section: Bytes, limit: usize) -> Result<Self, HeaderFault> {
        let section = header_section(&Content::Memory(section), limit)?;
        Self::assemble(section.clone(), Content::Memory(section))
    }

    fn assemble(section: Bytes, received: Content) -> Result<Self, HeaderFault> {
        let fields = section::split(&section).ok_or(HeaderFault::TooManyFields)?;
        Ok(Self {
            fields_end: fields.iter().map(|field| field.raw().len()).sum(),
            body_offset: section.len() as u64,
            fields: fields.into(),
            section,
            received,
            parts: Arc::default(),
            room: Arc::default(),
        })
    }

    /// The fields from top to bottom, as now edited.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Values of the fields of that name (any case) in order, unfolded, RFC 2047 decoded.
    pub fn text(&self, name: &str) -> Vec<String> {
        let named = self.fields.iter().filter(|field| field.is(name));
        named.map(Field::text).collect()
    }

    /// Octets of the header section as now edited, with the empty line.
    pub fn section_size(&self) -> usize {
        self.section.len()
    }

    /// Octets of the message as it was received.
    pub fn received_size(&self) -> u64 {
        self.received.len()
    }

    /// Octets of the message as now edited: header section, empty line, body.
    pub fn size(&self) -> u64 {
        self.section.len() as u64 + self.received.len() - self.body_offset
    }

    /// At most `length` octets of the message as now edited; short at the end, empty past it. May cost a file access.
    pub fn read(&self, offset: u64, length: usize) -> io::Result<Bytes> {
        let (section, body) = self.read_apart(offset, length)?;
        Ok(match (section.is_empty(), body.is_empty()) {
            (true, _) => body,
            (_, true) => section,
            _ => [section, body].concat().into(),
        })
    }

    /// The same for who keeps them: copied once, wherever they lie.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub fn copy(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let (section, body) = self.read_apart(offset, length)?;
        let mut octets = Vec::with_capacity(section.len() + body.len());
        octets.extend_from_slice(&section);
        octets.extend_from_slice(&body);
        Ok(octets)
    }

    /// What of them is in the header section, and what in the body.
    fn read_apart(&self, offset: u64, length: usize) -> io::Result<(Bytes, Bytes)> {
        let header = self.section.len() as u64;
        if offset >= header {
            let body = (offset - header).saturating_add(self.body_offset);
            return Ok((Bytes::new(), self.received.read_at(body, length)?));
        }
        let start = offset as usize;
        let end = start.saturating_add(length).min(self.section.len());
        let left = length - (end - start);
        let body = match left {
            0 => Bytes::new(),
            left => self.received.read_at(self.body_offset, left)?,
        };
        Ok((self.section.slice(start..end), body))
    }

    /// The message as now edited, piece by piece, to be sent on.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + use<> {
        let header = Some(self.section.clone()).filter(|octets| !octets.is_empty());
        let body = match &self.received {
            Content::Memory(octets) => Segment::Octets(octets.slice(self.body_offset as usize..)),
            file @ Content::File(..) => Segment::Spooled(file.clone(), self.body_offset),
        };
        let body = Some(body).filter(|_| self.body_offset < self.received.len());
        header.map(Segment::Octets).into_iter().chain(body)
    }

    /// Waits for the memory that the MIME tree needs, at most so long; false if there is none. It is taken once for a
    /// message and given back with its last clone. To be called before [`parts`](Self::parts).
    pub async fn make_room(&self, room: &Arc<ParseRoom>, patience: Duration) -> bool {
        /// The body, and what is decoded of it.
        const TIMES: u64 = 1 + parts::DECODED_FACTOR;
        if self.room.get().is_some() {
            return true;
        }
        let octets = self.size().min(PARSE_LIMIT) * TIMES;
        match room.take(octets, patience).await {
            Some(taken) => {
                // Where two ask at once, what the second one took is given back.
                let _ = self.room.set(taken);
                true
            }
            None => false,
        }
    }

    /// The MIME tree, parsed and decoded once, at the first call, and shared by all clones. Takes time by size: call it
    /// where blocking is allowed.
    pub fn parts(&self) -> Result<Arc<Parts>, PartsFault> {
        let parsed = self.parts.get_or_init(|| {
            let body_len = self.received.len() - self.body_offset;
            if body_len > PARSE_LIMIT {
                return Err(PartsFault::TooLarge);
            }
            let body = self.received.read_at(self.body_offset, body_len as usize);
            let body = body.map_err(|e| PartsFault::Spool(e.to_string()))?;
            Parts::parse(&self.fields, body).map(Arc::new)
        });
        parsed.clone()
    }

    /// The message with these edits, each valid on the view that the earlier ones leave. If one is not, none is
    /// applied.
    pub fn apply(&self, edits: &[Edit]) -> Result<Self, EditFault> {
        if edits.is_empty() {
            return Ok(self.clone());
        }
        let mut fields = self.fields.to_vec();
        for edit in edits {
            edit.apply_to(&mut fields)?;
        }
        Ok(self.with_fields(fields))
    }

    /// The message with one more field on top, e.g. Received.
    #[must_use]
    pub fn prepend(&self, field: Field) -> Self {
        let mut fields = self.fields.to_vec();
        edit::add(&mut fields, field);
        self.with_fields(fields)
    }

    /// Is the header section, octet for octet, the same?
    pub(crate) fn same_header(&self, other: &Self) -> bool {
        self.section[..self.fields_end] == other.section[..other.fields_end]
    }

    fn with_fields(&self, fields: Vec<Field>) -> Self {
        let empty_line = &self.section[self.fields_end..];
        let fields_end = fields.iter().map(|field| field.raw().len()).sum();
        let mut section = Vec::with_capacity(fields_end + empty_line.len());
        fields
            .iter()
            .for_each(|field| section.extend_from_slice(field.raw()));
        section.extend_from_slice(empty_line);
        // What is a part's content may begin at a line that is no field, and then be among what was edited.
        let whole = fields.iter().all(|field| !field.name().is_empty());
        let same_mime = whole && parts::mime_fields(&fields).eq(parts::mime_fields(&self.fields));
        Self {
            fields: fields.into(),
            section: section.into(),
            fields_end,
            received: self.received.clone(),
            body_offset: self.body_offset,
            parts: if same_mime {
                self.parts.clone()
            } else {
                Arc::default()
            },
            room: self.room.clone(),
        }
    }
}

/// The octets up to the empty line, that included, or all there are.
fn header_section(content: &Content, limit: usize) -> Result<Bytes, HeaderFault> {
    let read = |length: usize| {
        let octets = content.read_at(0, length);
        octets.map_err(|e| HeaderFault::Spool(e.to_string()))
    };
    // Twice as much at each try, so that a long header section is not searched over and over.
    let mut length = CHUNK;
    loop {
        let octets = read(length.min(limit.saturating_add(1)))?;
        let end = match header_end(&octets) {
            Some(end) => end,
            None if octets.len() as u64 == content.len() => octets.len(),
            None if octets.len() > limit => return Err(HeaderFault::TooLarge(limit)),
            None => {
                length *= 2;
                continue;
            }
        };
        if end > limit {
            return Err(HeaderFault::TooLarge(limit));
        }
        return Ok(octets.slice(..end));
    }
}
