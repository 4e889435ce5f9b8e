//! A message as filters see it: header fields, body octets, MIME parts, and the edits made so far.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

/// Octets of a received message, in memory or in an unlinked file. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Content {
    /// up to the spool's memory limit
    Memory(Bytes),
    /// an unlinked file; length in octets
    File(Arc<File>, u64),
}

impl Content {
    /// Octets.
    pub fn len(&self) -> u64 {
        match self {
            Content::Memory(bytes) => bytes.len() as u64,
            Content::File(_, len) => *len,
        }
    }
    /// Nothing in it?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// At most `length` octets from `offset`; short at the end, empty past it.
    pub fn read_at(&self, _offset: u64, _length: usize) -> io::Result<Bytes> {
        todo!()
    }
}

/// One header field, exactly as received or as a filter wrote it (folded, encoded), final CRLF included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    raw: Bytes,
}

/// A message: header fields as they now are, and the body as it was received.
#[derive(Clone, Debug)]
pub struct Message {
    #[allow(dead_code)]
    fields: Vec<Field>,
}

/// A checked change of the header section; indices count fields of that name on the view at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// on top
    Add(Field),
    /// the field at this position of the whole section
    Replace(usize, Field),
    /// the field at this position of the whole section
    Remove(usize),
}

/// A filter's working view of the header section: validates, applies, records.
#[derive(Debug)]
pub struct HeaderEditor;
