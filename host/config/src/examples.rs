//! What a right value looks like, for who wrote a wrong one: a configuration in which each key is written once.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{ConfigError, Source};

impl Source {
    /// The same error with the example for the key that it is about, if it has no cure of its own. `span` is where it was
    /// found: the wrong value, or the table that lacks the `missing` key.
    pub(crate) fn exemplified(
        &self,
        error: ConfigError,
        span: Option<Range<usize>>,
        missing: Option<&str>,
        examples: &str,
    ) -> ConfigError {
        if error.cure.is_some() || error.problem.contains("e.g. ") {
            return error;
        }
        let mut key = span.map_or_else(Vec::new, |span| key_at(self.text(), &span));
        key.extend(missing.map(str::to_owned));
        let verb = if missing.is_some() { "add" } else { "write" };
        match example(examples, &key) {
            Some(example) => error.cure(format!("{verb} e.g. {example}")),
            None => error,
        }
    }
}

/// The key whose value holds this span, with the tables it is in; empty for the whole text.
fn key_at(text: &str, span: &Range<usize>) -> Vec<String> {
    match DeTable::parse(text) {
        Ok(document) => key_in_table(document.get_ref(), span).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

fn key_in_table(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    table.iter().find_map(|(name, value)| {
        let mut key = vec![name.get_ref().to_string()];
        key.extend(key_in_value(value, span)?);
        Some(key)
    })
}

/// The rest of the key from this value on, which may be nothing. A table that has a header is wherever its keys are.
fn key_in_value(value: &Spanned<DeValue<'_>>, span: &Range<usize>) -> Option<Vec<String>> {
    let own = value.span();
    let is_here = own.start <= span.start && span.end <= own.end;
    let within = match value.get_ref() {
        DeValue::Table(table) => key_in_table(table, span),
        DeValue::Array(values) => values.iter().find_map(|value| key_in_value(value, span)),
        _ => None,
    };
    within.or_else(|| is_here.then(Vec::new))
}

/// The key as the examples write it: `key = value`, or the header of a table and its first key.
fn example(examples: &str, key: &[String]) -> Option<String> {
    let document = DeTable::parse(examples).ok()?;
    let (last, tables) = key.split_last()?;
    let table = tables.iter().try_fold(document.get_ref(), |table, name| {
        first_table(table.get(name.as_str())?.get_ref())
    })?;
    let value = table.get(last.as_str())?;
    let written = examples.get(value.span())?;
    let inner = first_table(value.get_ref()).filter(|_| !written.starts_with('{'));
    let Some(inner) = inner else {
        return Some(format!("{last} = {written}"));
    };
    let first = inner.iter().min_by_key(|(name, _)| name.span().start);
    Some(match first {
        Some((name, value)) => {
            let value = examples.get(value.span())?;
            format!("{written} with {} = {value}", name.get_ref())
        }
        None => written.to_owned(),
    })
}

/// The table that this is, or the first of a list of them.
fn first_table<'v, 't>(value: &'v DeValue<'t>) -> Option<&'v DeTable<'t>> {
    match value {
        DeValue::Table(table) => Some(table),
        DeValue::Array(values) => first_table(values.first()?.get_ref()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLES: &str = "name = \"mx\"\n[[door]]\nlisten = [\"[::]:25\"]\nfrom = { of = [1] }\n[[door.pairs]]\nkey = \"k\"\n[empty]\n";

    fn shown(key: &str) -> Option<String> {
        let key: Vec<_> = key.split('.').map(str::to_owned).collect();
        example(EXAMPLES, &key)
    }

    #[test]
    fn a_key_is_shown_as_the_examples_write_it() {
        for (key, text) in [
            ("name", "name = \"mx\""),
            ("door.listen", "listen = [\"[::]:25\"]"),
            ("door.from", "from = { of = [1] }"),
            ("door.from.of", "of = [1]"),
            ("door.pairs.key", "key = \"k\""),
            ("door.pairs", "[[door.pairs]] with key = \"k\""),
            ("door", "[[door]] with listen = [\"[::]:25\"]"),
            ("empty", "[empty]"),
        ] {
            assert_eq!(shown(key).as_deref(), Some(text), "{key}");
        }
        assert_eq!(shown("door.name"), None);
        assert_eq!(shown("name.name"), None);
    }

    #[test]
    fn the_key_of_a_place_is_found() {
        let text = "a = 5\n[[t]]\nl = [6, { x = 7 }]\n[t.u]\ny = 8\n";
        for (at, key) in [
            ("5", "a"),
            ("6", "t.l"),
            ("7", "t.l.x"),
            ("8", "t.u.y"),
            ("[[t]]", "t"),
            ("[t.u]", "t.u"),
        ] {
            let start = text.find(at).unwrap();
            let found = key_at(text, &(start..start + at.len()));
            assert_eq!(found.join("."), key, "{at}");
        }
        assert_eq!(key_at(text, &(0..text.len())), [""; 0]);
    }
}
