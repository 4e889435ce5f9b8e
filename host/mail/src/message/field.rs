use bytes::Bytes;

use super::fold;
use super::section::Shape;
use super::text;

/// Longest field name that we write, in octets.
pub const NAME_LIMIT: usize = 76;

/// One header field, exactly as received or as a filter wrote it (folded, encoded), final CRLF included.
///
/// Lines that are not a field (no colon, no proper name, or a first line that starts with a blank) are kept as fields
/// with an empty name: nothing a client sends is hidden from a filter, and nothing is repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    raw: Bytes,
    shape: Shape,
}

impl Field {
    pub(super) fn new(raw: Bytes, shape: Shape) -> Self {
        Self { raw, shape }
    }

    /// Writes a field: folds it at blanks (78 octets where possible, 998 always), encodes what is not ASCII
    /// (RFC 2047). Controls, CR and LF among them, and names outside RFC 5322 section 3.6.8 are refused.
    pub fn compose(name: &str, value: &str) -> Result<Self, EditError> {
        let named = is_name(name.as_bytes()) && name.len() <= NAME_LIMIT;
        if !named || has_controls(value) {
            return Err(EditError::Invalid);
        }
        let raw = fold::fold(name, value);
        let shape = Shape::of(&raw);
        Ok(Self::new(raw.into(), shape))
    }

    /// The line that parts messages in a mailbox (RFC 4155)? Some that were kept there still have it.
    pub(super) fn is_mailbox_line(&self) -> bool {
        let line = self.raw.strip_prefix(b">").unwrap_or(&self.raw);
        self.shape.name == 0 && line.starts_with(b"From ")
    }

    /// Do blanks stand before its colon (RFC 5322 section 4.5)? To some programs it is no field then.
    pub(super) fn is_spaced(&self) -> bool {
        self.shape.name > 0 && self.shape.value != self.shape.name + 1
    }

    /// As received; empty for a line that is not a field.
    pub fn name(&self) -> &str {
        let name = &self.raw[..self.shape.name];
        std::str::from_utf8(name).expect("field names are ASCII")
    }

    /// Is this its name, in any case?
    pub fn is(&self, name: &str) -> bool {
        !name.is_empty() && self.raw[..self.shape.name].eq_ignore_ascii_case(name.as_bytes())
    }

    /// Everything after the colon, folding included, without the last CRLF; for a line that is not a field, all of it.
    pub fn value(&self) -> &[u8] {
        &self.raw[self.shape.value..self.shape.end]
    }

    /// Unfolded, RFC 2047 decoded, without blanks around it.
    pub fn text(&self) -> String {
        text::decode(self.value())
    }

    /// The octets, final CRLF included.
    pub fn raw(&self) -> &Bytes {
        &self.raw
    }

    /// Would it run into the field above it?
    pub(super) fn starts_blank(&self) -> bool {
        matches!(self.raw.first(), Some(b' ' | b'\t'))
    }
}

/// Why an edit was refused; nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// the filter may not edit fields of that name
    #[error("editing this field is not granted")]
    NotGranted,
    /// the name is not a field name, the value holds controls, or there is no such field
    #[error("not a header field, or no such field")]
    Invalid,
    /// too many or too large edits
    #[error("too many or too large edits")]
    Limit,
}

/// Tabs are none. Without a branch for each octet: it is asked of each value that is written.
fn has_controls(value: &str) -> bool {
    let is_control = |octet: u8| octet.is_ascii_control() & (octet != b'\t');
    value
        .bytes()
        .fold(false, |any, octet| any | is_control(octet))
        || !value.is_ascii() && value.chars().any(|c| c.is_control() && c != '\t')
}

/// RFC 5322 section 3.6.8: printable ASCII without the colon, at least one octet.
pub(super) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|c| (33..=126).contains(c) && *c != b':')
}
