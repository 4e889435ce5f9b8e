//! A generated C text taken apart: a filter links the stages that it has, and no others.

use std::collections::BTreeSet;

/// Where an item of the text belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// to every filter
    Common,
    /// to those with this stage, or with `configure`
    Stage(String),
    /// to none
    Nowhere,
}

/// Top-level items: what stands between empty lines outside of braces.
pub fn items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut depth = 0;
    for line in text.lines() {
        depth += line.matches('{').count();
        depth -= line.matches('}').count();
        match items.last_mut() {
            Some(item) if depth > 0 || !line.is_empty() => {
                item.push_str(line);
                item.push('\n');
            }
            _ => items.push(String::new()),
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

/// Without those that an earlier one has said already: names that were made one have several of some.
pub fn once(items: Vec<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut is_new = |item: &String| match subject(item) {
        Subject::Alias => false,
        Subject::Function(name) => seen.insert(name),
        Subject::Other => true,
    };
    items.into_iter().filter(|item| is_new(item)).collect()
}

enum Subject {
    /// `typedef x x;`
    Alias,
    Function(String),
    Other,
}

fn subject(item: &str) -> Subject {
    let words: Vec<&str> = item.split([' ', '\n', ';', '(']).collect();
    match words.as_slice() {
        ["typedef", of, name, ..] if of == name => Subject::Alias,
        ["void", name, ..] if item.contains('(') => Subject::Function((*name).to_owned()),
        _ => Subject::Other,
    }
}

/// Nothing is freed after a call: the sandbox goes with the transaction, and so a verdict may point to constant text.
pub fn place(item: &str) -> Place {
    let export = item
        .split_once("__export_name__(\"")
        .and_then(|(_, after)| after.split_once('"'))
        .map(|(name, _)| name);
    let only_comment = item.lines().all(|line| line.starts_with("//"));
    match export {
        Some(name) if name.starts_with("cabi_post_") => Place::Nowhere,
        Some("configure") => Place::Stage("configure".to_owned()),
        Some(name) => stage(name).map_or(Place::Common, Place::Stage),
        None if only_comment || item.contains("__component_type_object_force_link") => {
            Place::Nowhere
        }
        None => Place::Common,
    }
}

/// `on-mail` of `lazaret:filter/on-mail@0.1.0#mail`
fn stage(export: &str) -> Option<String> {
    let (_, interface) = export.split_once('/')?;
    let (interface, _) = interface.split_once('@')?;
    Some(interface.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPORT: &str = "__attribute__((__export_name__(\"lazaret:filter/on-mail@0.1.0#mail\")))\nint f(void) {\n\n}\n";

    #[test]
    fn items_end_at_an_empty_line_outside_of_braces() {
        assert_eq!(items(&format!("int x;\n\n\n{EXPORT}\nint y;\n")).len(), 3);
    }

    #[test]
    fn exports_belong_to_their_stage() {
        assert_eq!(place(EXPORT), Place::Stage("on-mail".to_owned()));
        assert_eq!(
            place("__export_name__(\"cabi_post_configure\")"),
            Place::Nowhere
        );
        assert_eq!(place("__export_name__(\"cabi_realloc\")"), Place::Common);
        assert_eq!(place("// Helper Functions\n"), Place::Nowhere);
    }

    #[test]
    fn what_became_the_same_is_said_once() {
        let text = ["typedef a a;\n", "void f(a *p);\n", "void f(a *p);\n"];
        assert_eq!(once(text.map(str::to_owned).to_vec()), ["void f(a *p);\n"]);
    }
}
