//! Edits of the header section.

use lazaret_filter::{Error, edit_headers, headers};
use serde::Deserialize;

/// `{ add = "X-Note", value = "text" }` and the like, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct EditTable {
    add: Option<String>,
    replace: Option<String>,
    prefix: Option<String>,
    remove: Option<String>,
    value: Option<String>,
}

/// One edit.
#[derive(Debug)]
pub enum Edit {
    /// a new field on top
    Add(String, String),
    /// a new value for the first field of that name
    Replace(String, String),
    /// text before the value of the first field of that name
    Prefix(String, String),
    /// every field of that name
    Remove(String),
}

impl Edit {
    /// # Errors
    /// What is wrong and the cure.
    pub fn new(table: EditTable) -> Result<Self, String> {
        let EditTable {
            add,
            replace,
            prefix,
            remove,
            value,
        } = table;
        let edit = match (add, replace, prefix, remove, value) {
            (Some(field), None, None, None, Some(value)) => Self::Add(field, value),
            (None, Some(field), None, None, Some(value)) => Self::Replace(field, value),
            (None, None, Some(field), None, Some(value)) => Self::Prefix(field, value),
            (None, None, None, Some(field), None) => Self::Remove(field),
            _ => {
                return Err(
                    "an edit is one of `add`, `replace`, `prefix` with a `value`, or `remove`: \
                    write e.g. { add = \"X-Note\", value = \"text\" }"
                        .into(),
                );
            }
        };
        let field = edit.field();
        if field.is_empty() || !field.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return Err(format!(
                "`{field}` is no field name; write e.g. \"X-Note\", without a colon"
            ));
        }
        Ok(edit)
    }

    /// The name of the field that is edited.
    pub fn field(&self) -> &str {
        match self {
            Self::Add(field, _)
            | Self::Replace(field, _)
            | Self::Prefix(field, _)
            | Self::Remove(field) => field,
        }
    }

    /// # Errors
    /// The host's, see [`edit_headers`].
    pub fn apply(&self) -> Result<(), Error> {
        match self {
            Self::Add(field, value) => edit_headers::add(field, value),
            Self::Replace(field, value) => set(field, value),
            Self::Prefix(field, value) => match headers::first(field) {
                Some(old) if old.starts_with(value.trim()) => Ok(()),
                Some(old) => edit_headers::replace(field, 0, &format!("{value}{old}")),
                None => edit_headers::add(field, value.trim_end()),
            },
            Self::Remove(field) => edit_headers::remove_all(field).map(|_| ()),
        }
    }
}

fn set(field: &str, value: &str) -> Result<(), Error> {
    match headers::first(field) {
        Some(_) => edit_headers::replace(field, 0, value),
        None => edit_headers::add(field, value),
    }
}
