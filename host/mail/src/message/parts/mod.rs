//! The MIME tree of a message (RFC 2045, RFC 2046), parsed and decoded once for all filters.
//!
//! A message is hostile: depth, number of parts, size of a part's header, what is decoded and the total work are
//! bounded, and whatever passes a bound makes the whole tree a [`PartsFault`] instead of a guess. So does what mail
//! programs take for different parts or names. Boundaries count at the start of a line only, an outer one goes before an
//! inner one, base64 skips what is not of its alphabet as RFC 2045 says.

mod decode;
mod head;
mod parameters;
mod split;
mod walk;

use bytes::Bytes;

use super::field::Field;
use super::text::charset_text;

pub(super) use decode::base64;
pub(super) use head::mime_fields;
pub(super) use walk::DECODED_FACTOR;

/// Deepest nesting of parts.
pub const DEPTH_LIMIT: usize = 32;
/// Most parts of a message.
pub const PART_LIMIT: usize = 500;
/// Largest header section of a part, in octets.
pub const PART_HEADER_LIMIT: usize = 256 << 10;
/// Largest body that is parsed, in octets.
pub const PARSE_LIMIT: u64 = 64 << 20;

/// The parts of a message from the outside in, in the order of the octets.
#[derive(Debug)]
pub struct Parts {
    list: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    info: PartInfo,
    charset: Option<String>,
    data: Bytes,
}

/// What is known of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartInfo {
    /// from 0, the message itself
    pub index: u32,
    /// the part that holds this one
    pub parent: Option<u32>,
    /// lower case, e.g. "text/html"
    pub content_type: String,
    /// file name of Content-Disposition, else name of Content-Type, decoded, without controls; of several the first that
    /// has an extension, else that of a uuencoded body
    pub name: Option<String>,
    /// Content-Disposition says so
    pub attachment: bool,
    /// octets after transfer decoding; 0 for a multipart, whose octets are those of its parts, if it has any
    pub size: u32,
    /// lower case hex, of the decoded octets
    pub sha256: String,
}

/// The tree cannot be had: judge the message as unparsed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartsFault {
    /// nested deeper than [`DEPTH_LIMIT`]
    #[error("parts nested deeper than {DEPTH_LIMIT}")]
    TooDeep,
    /// more parts than [`PART_LIMIT`]
    #[error("more than {PART_LIMIT} parts")]
    TooMany,
    /// a header section of a part over [`PART_HEADER_LIMIT`], or a MIME field of it over 4 KiB
    #[error("header of a part too large")]
    Header,
    /// the body is over [`PARSE_LIMIT`]
    #[error("body larger than {PARSE_LIMIT} octets")]
    TooLarge,
    /// a MIME field twice, or one that programs read differently: other parts, a name of another extension; a line
    /// that is no field in the header of a part; a line of content that only begins with a boundary
    #[error("parts that programs see differently")]
    Ambiguous,
    /// a multipart that looks divided, but not by its boundary
    #[error("multipart without a line of its boundary")]
    Boundary,
    /// a transfer encoding that nobody knows, of something else than plain text
    #[error("unknown transfer encoding")]
    Encoding,
    /// built so that parsing takes many times the message's length, in time or in memory
    #[error("too much work")]
    Work,
    /// our own fault: the spool could not be read
    #[error("spool: {0}")]
    Spool(String),
}

/// Why a part's text cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// no part of that index
    #[error("no such part")]
    Unknown,
    /// not of type text/*
    #[error("not a text part")]
    NotText,
}

impl Parts {
    /// `fields` are those of the message, `body` all after its empty line.
    pub(super) fn parse(fields: &[Field], body: Bytes) -> Result<Self, PartsFault> {
        walk::walk(fields, body).map(|list| Self { list })
    }

    /// All parts, the message itself first.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &PartInfo> {
        self.list.iter().map(|part| &part.info)
    }

    /// At most `length` decoded octets of a part from `offset`; short at the end, empty past it; `None` if there is no
    /// such part.
    pub fn read(&self, part: u32, offset: u64, length: usize) -> Option<Bytes> {
        let data = &self.list.get(part as usize)?.data;
        let start = usize::try_from(offset).map_or(data.len(), |start| start.min(data.len()));
        let end = start.saturating_add(length).min(data.len());
        Some(data.slice(start..end))
    }

    /// A text part as UTF-8, by its charset; what cannot be read becomes U+FFFD.
    pub fn text(&self, part: u32) -> Result<String, PartError> {
        let part = self.list.get(part as usize).ok_or(PartError::Unknown)?;
        if !part.info.content_type.starts_with("text/") {
            return Err(PartError::NotText);
        }
        let charset = part.charset.as_deref().unwrap_or("utf-8");
        Ok(charset_text(charset.as_bytes(), &part.data).into_owned())
    }
}
