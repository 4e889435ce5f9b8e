//! Edits as a diff of the header section.

use lazaret_mail::{Edit, Field, Message};

use crate::output::printable;

/// What each edit takes away (`- `) and puts in (`+ `), and the message after all of them.
pub fn diff(before: &Message, edits: &[Edit]) -> (Vec<String>, Message) {
    let mut lines = Vec::new();
    let mut view = before.clone();
    for edit in edits {
        lines.extend(
            removed(&view, edit)
                .iter()
                .flat_map(|field| marked('-', field)),
        );
        if let Edit::Add(field) | Edit::Replace(_, field) = edit {
            lines.extend(marked('+', field));
        }
        match view.apply(std::slice::from_ref(edit)) {
            Ok(after) => view = after,
            Err(fault) => lines.push(format!("! {fault}")),
        }
    }
    (lines, view)
}

fn removed(view: &Message, edit: &Edit) -> Vec<Field> {
    let fields = view.fields();
    match edit {
        Edit::Add(_) => Vec::new(),
        Edit::Replace(position, _) | Edit::Remove(position) => {
            fields.get(*position).cloned().into_iter().collect()
        }
        Edit::RemoveAll(name) => fields.iter().filter(|f| f.is(name)).cloned().collect(),
    }
}

/// A folded field is several lines.
fn marked(mark: char, field: &Field) -> Vec<String> {
    let text = String::from_utf8_lossy(field.raw());
    let lines = text.trim_end_matches(['\r', '\n']).split("\r\n");
    lines
        .map(|line| format!("{mark} {}", printable(line)))
        .collect()
}
