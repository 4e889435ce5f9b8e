//! Edits of the header section.

use std::collections::HashMap;

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
    /// text before the values of the fields of that name
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
}

/// Fields there may be once; where there are more, some reader shows the first and some the last.
const MOST_AT_AN_END: usize = 8;

/// The values of edited fields as they are now: the header section is shown without own edits.
#[derive(Debug, Default)]
pub struct Edits(HashMap<String, Vec<String>>);

impl Edits {
    /// # Errors
    /// The host's, see [`edit_headers`].
    pub fn apply(&mut self, edit: &Edit) -> Result<(), Error> {
        let field = edit.field();
        let values = self
            .0
            .entry(field.to_ascii_lowercase())
            .or_insert_with(|| headers::text(field));
        match edit {
            Edit::Add(_, value) => add(field, value, values),
            Edit::Replace(_, value) if !values.is_empty() => replace(field, 0, value, values),
            Edit::Prefix(_, value) if !values.is_empty() => prefix(field, value, values),
            Edit::Replace(_, value) => add(field, value, values),
            Edit::Prefix(_, value) => add(field, value.trim_end(), values),
            Edit::Remove(_) => {
                edit_headers::remove_all(field)?;
                values.clear();
                Ok(())
            }
        }
    }
}

fn add(field: &str, value: &str, values: &mut Vec<String>) -> Result<(), Error> {
    edit_headers::add(field, value)?;
    values.insert(0, value.to_owned());
    Ok(())
}

fn replace(field: &str, nth: usize, value: &str, values: &mut [String]) -> Result<(), Error> {
    let place = u32::try_from(nth).map_err(|_| Error::Limit)?;
    edit_headers::replace(field, place, value)?;
    value.clone_into(&mut values[nth]);
    Ok(())
}

/// Where it is not there already.
fn prefix(field: &str, prefix: &str, values: &mut [String]) -> Result<(), Error> {
    let count = values.len();
    let is_shown = |nth: usize| nth < MOST_AT_AN_END || nth + MOST_AT_AN_END >= count;
    for nth in (0..count).filter(|nth| is_shown(*nth)) {
        if !values[nth].starts_with(prefix.trim()) {
            let value = format!("{prefix}{}", values[nth]);
            replace(field, nth, &value, values)?;
        }
    }
    Ok(())
}
