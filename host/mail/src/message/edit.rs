use std::fmt;
use std::sync::Arc;

use super::field::{EditError, Field, is_name};
use super::{HEADER_LIMIT, Message};
use crate::Grant;

/// Most edits that one filter may make at one stage.
pub const EDIT_LIMIT: usize = 256;

/// Most octets that one filter may write at one stage.
pub const EDIT_OCTETS_LIMIT: usize = 128 << 10;

/// A checked change of the header section; positions count all fields from 0 on the view at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// on top
    Add(Field),
    /// the field at this position of the whole section
    Replace(usize, Field),
    /// the field at this position of the whole section
    Remove(usize),
    /// all fields of this name, in any case
    RemoveAll(String),
}

/// An edit names a field that is not there: the view it was made on is not this message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an edit does not fit this message")]
pub struct EditFault;

impl Edit {
    /// Octets it would write, or of the name it would remove.
    pub fn octets(&self) -> usize {
        match self {
            Edit::Add(field) | Edit::Replace(_, field) => field.raw().len(),
            Edit::Remove(_) => 0,
            Edit::RemoveAll(name) => name.len(),
        }
    }

    pub(super) fn apply_to(&self, fields: &mut Vec<Field>) -> Result<(), EditFault> {
        match self {
            Edit::Add(field) => add(fields, field.clone()),
            Edit::Replace(position, field) => {
                *fields.get_mut(*position).ok_or(EditFault)? = field.clone();
            }
            Edit::Remove(position) if *position < fields.len() => {
                fields.remove(*position);
            }
            Edit::Remove(_) => return Err(EditFault),
            Edit::RemoveAll(name) => fields.retain(|field| !field.is(name)),
        }
        Ok(())
    }
}

/// As in a log line: `add X-Spam-Flag: YES`, `remove 3`.
impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Edit::Add(field) => write!(f, "add {}: {}", field.name(), field.text()),
            Edit::Replace(position, field) => {
                write!(
                    f,
                    "replace {position} by {}: {}",
                    field.name(),
                    field.text()
                )
            }
            Edit::Remove(position) => write!(f, "remove {position}"),
            Edit::RemoveAll(name) => write!(f, "remove all {name}"),
        }
    }
}

/// Puts a field on top.
pub(super) fn add(fields: &mut Vec<Field>, field: Field) {
    fields.insert(top(fields).unwrap_or(0), field);
}

/// Where a new field goes. A first line that starts with a blank stays first: below a new field it would become that
/// field's last line, and the client would have written into it. So does the line that parts messages in a mailbox: programs
/// know it only there, and end the header before it elsewhere. `None` if it does not even end.
fn top(fields: &[Field]) -> Option<usize> {
    match fields.first() {
        Some(first) if first.starts_blank() || first.is_mailbox_line() => {
            first.raw().ends_with(b"\n").then_some(1)
        }
        _ => Some(0),
    }
}

/// Which fields a filter may write: the operator's `edit-headers` grants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EditScope {
    patterns: Arc<[String]>,
}

/// Fields that others rely on to tell where a message has been and who vouches for it. A pattern that was not written
/// for them does not open them.
const PROTECTED: [&str; 6] = [
    "Received",
    "Return-Path",
    "Delivered-To",
    "DKIM-Signature",
    "DomainKey-Signature",
    "Authentication-Results",
];
const PROTECTED_PREFIX: &str = "ARC-";

impl EditScope {
    /// Of the grants of a filter's TOML; without `edit-headers` among them, nothing may be written.
    pub fn of(grants: &[Grant]) -> Self {
        let patterns = grants.iter().filter_map(|grant| match grant {
            Grant::EditHeaders(patterns) if patterns.is_empty() => Some(vec!["*".to_owned()]),
            Grant::EditHeaders(patterns) => Some(patterns.clone()),
            _ => None,
        });
        Self {
            patterns: patterns.flatten().collect(),
        }
    }

    /// May a field of this name be added, replaced or removed?
    pub fn allows(&self, name: &str) -> bool {
        let matches = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => has_prefix(name, prefix) && opens(prefix, name),
            None => name.eq_ignore_ascii_case(pattern),
        };
        self.patterns.iter().any(matches)
    }
}

/// Was this pattern written for the name, if that is a protected one?
fn opens(prefix: &str, name: &str) -> bool {
    if has_prefix(name, PROTECTED_PREFIX) {
        return has_prefix(prefix, PROTECTED_PREFIX);
    }
    !PROTECTED
        .iter()
        .any(|field| field.eq_ignore_ascii_case(name))
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    let head = name.as_bytes().get(..prefix.len());
    head.is_some_and(|head| head.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// A filter's working view of the header section: checks, applies and records its edits.
#[derive(Debug)]
pub struct HeaderEditor {
    before: Arc<[Field]>,
    /// from the first edit on
    after: Option<Vec<Field>>,
    scope: EditScope,
    edits: Vec<Edit>,
    written: usize,
    /// octets of the section, without those that went
    section: usize,
    /// octets that it may have: what a section of the default size may, or more by as much where it came larger
    most: usize,
}

impl HeaderEditor {
    /// An editor on the message as the filter sees it, with the filter's rights.
    pub fn new(message: &Message, scope: &EditScope) -> Self {
        Self {
            before: message.fields.clone(),
            after: None,
            scope: scope.clone(),
            edits: Vec::new(),
            written: 0,
            section: message.section.len(),
            most: (message.body_offset as usize).max(HEADER_LIMIT) + EDIT_OCTETS_LIMIT,
        }
    }

    /// A new field on top of the section.
    pub fn add(&mut self, name: &str, value: &str) -> Result<(), EditError> {
        let field = self.compose(name, value)?;
        top(self.fields()).ok_or(EditError::Invalid)?;
        self.record(Edit::Add(field))
    }

    /// The `nth` field of that name, from 0, gets a new value; `Invalid` if there is none.
    pub fn replace(&mut self, name: &str, nth: u32, value: &str) -> Result<(), EditError> {
        let field = self.compose(name, value)?;
        let position = self.position(name, nth).ok_or(EditError::Invalid)?;
        self.record(Edit::Replace(position, field))
    }

    /// The `nth` field of that name, from 0, or all of them; says how many went. None is not an error.
    pub fn remove(&mut self, name: &str, nth: Option<u32>) -> Result<u32, EditError> {
        self.permit(name)?;
        let found = self.fields().iter().filter(|field| field.is(name)).count() as u32;
        match nth {
            _ if found == 0 => Ok(0),
            None => self
                .record(Edit::RemoveAll(name.to_owned()))
                .map(|()| found),
            Some(nth) => match self.position(name, nth) {
                Some(position) => self.record(Edit::Remove(position)).map(|()| 1),
                None => Ok(0),
            },
        }
    }

    /// The section as now edited.
    pub fn fields(&self) -> &[Field] {
        self.after.as_deref().unwrap_or(&self.before)
    }

    /// What was done, in order.
    pub fn finish(self) -> Vec<Edit> {
        self.edits
    }

    fn permit(&self, name: &str) -> Result<(), EditError> {
        if !is_name(name.as_bytes()) {
            return Err(EditError::Invalid);
        }
        if !self.scope.allows(name) {
            return Err(EditError::NotGranted);
        }
        Ok(())
    }

    fn compose(&self, name: &str, value: &str) -> Result<Field, EditError> {
        self.permit(name)?;
        if value.len() > EDIT_OCTETS_LIMIT {
            return Err(EditError::Limit);
        }
        Field::compose(name, value)
    }

    fn position(&self, name: &str, nth: u32) -> Option<usize> {
        let named = self
            .fields()
            .iter()
            .enumerate()
            .filter(|(_, field)| field.is(name));
        named.map(|(position, _)| position).nth(nth as usize)
    }

    fn record(&mut self, edit: Edit) -> Result<(), EditError> {
        let octets = match &edit {
            Edit::Add(field) | Edit::Replace(_, field) => field.raw().len(),
            Edit::Remove(_) | Edit::RemoveAll(_) => 0,
        };
        let (written, section) = (self.written + octets, self.section + octets);
        if self.edits.len() == EDIT_LIMIT || written > EDIT_OCTETS_LIMIT || section > self.most {
            return Err(EditError::Limit);
        }
        let fields = self.after.get_or_insert_with(|| self.before.to_vec());
        edit.apply_to(fields)
            .map_err(|EditFault| EditError::Invalid)?;
        (self.written, self.section) = (written, section);
        self.edits.push(edit);
        Ok(())
    }
}
