//! Where something stands in a configuration file, for mistakes that show after it was read.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::{ConfigError, Source};

impl Source {
    /// An error at this key, e.g. `["breaker", "open"]`; about the file as a whole where it is not written.
    pub fn error_at(&self, key: &[&str], problem: impl Into<String>) -> ConfigError {
        self.placed(self.line_of_key(key), problem.into())
    }

    /// An error about a file that this one names by `name`. Where it has no line of its own, because there is nothing to be
    /// read, the place that names it is told.
    pub fn naming(&self, name: &str, error: ConfigError) -> ConfigError {
        self.citing(self.line_where(|text| text == name), error)
    }

    /// The same where it is known where it is named.
    pub fn naming_at(&self, span: Range<usize>, error: ConfigError) -> ConfigError {
        self.citing(Some(self.line(span.start)), error)
    }

    fn citing(&self, line: Option<usize>, error: ConfigError) -> ConfigError {
        if error.line.is_some() {
            return error;
        }
        let problem = format!("{} {}", error.file.display(), error.problem);
        let cure = error.cure;
        let cure = cure.unwrap_or_else(|| "name a file that can be read".to_owned());
        self.placed(line, problem).cure(cure)
    }

    /// The text of a key in a table, e.g. `control` in `admin`, whatever is wrong with the rest.
    pub fn text_in_table(&self, table: &str, key: &str) -> Option<String> {
        let text_of = |table: &DeTable<'_>| Some(table.get(key)?.get_ref().as_str()?.to_owned());
        if let Ok(document) = DeTable::parse(self.text()) {
            return text_of(document.get_ref().get(table)?.get_ref().as_table()?);
        }
        let (header, mut is_inside) = (format!("[{table}]"), false);
        self.text().lines().find_map(|line| {
            if line.trim_start().starts_with('[') {
                is_inside = line.split('#').next().map(str::trim) == Some(&header);
            }
            let line = DeTable::parse(line).ok().filter(|_| is_inside);
            text_of(line?.get_ref())
        })
    }

    /// The line of a key, counted from 1.
    pub fn line_of_key(&self, key: &[&str]) -> Option<usize> {
        let document = DeTable::parse(self.text()).ok()?;
        let span = key_in(document.get_ref(), key)?;
        Some(self.line(span.start))
    }

    /// The line of the first text for which this is true, counted from 1.
    pub fn line_where(&self, is_meant: impl Fn(&str) -> bool) -> Option<usize> {
        let document = DeTable::parse(self.text()).ok()?;
        let values = document.get_ref().values();
        let starts = values.filter_map(|value| text_in(value, &is_meant));
        Some(self.line(starts.min()?))
    }

    fn placed(&self, line: Option<usize>, problem: String) -> ConfigError {
        let error = ConfigError::new(self.path(), problem);
        match line {
            Some(line) => error.at(line),
            None => error,
        }
    }
}

fn key_in(table: &DeTable<'_>, key: &[&str]) -> Option<Range<usize>> {
    let (first, rest) = key.split_first()?;
    let (name, value) = table.iter().find(|(name, _)| name.get_ref() == first)?;
    match rest.is_empty() {
        true => Some(name.span()),
        false => key_in(value.get_ref().as_table()?, rest),
    }
}

/// Where the first such text starts in this value.
fn text_in(value: &Spanned<DeValue<'_>>, is_meant: &impl Fn(&str) -> bool) -> Option<usize> {
    match value.get_ref() {
        DeValue::String(text) => is_meant(text).then(|| value.span().start),
        DeValue::Array(values) => values.iter().find_map(|value| text_in(value, is_meant)),
        DeValue::Table(table) => {
            let starts = table.values().filter_map(|value| text_in(value, is_meant));
            starts.min()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const TEXT: &str = "a = 1\n[b]\nc = { lines = \"x\" }\nd = [\n  \"y\",\n]\n[[e]]\nf = \"y\"\n";

    fn source() -> Source {
        Source::new(Path::new("f"), TEXT)
    }

    #[test]
    fn a_text_is_found_whatever_is_wrong_with_the_rest() {
        let good = "a = \"x\"\n[admin]\ncontrol = \"c.sock\" # here\n";
        for before in ["", "b = \"open\n", "a = 1\n", "[[x]\n", "b =\n"] {
            for after in [
                "",
                "[admin]\n",
                "c = \"open\n",
                "[z\n",
                "control = \"other\"\n",
            ] {
                let text = format!("{before}{good}{after}");
                let found = Source::new(Path::new("f"), &text).text_in_table("admin", "control");
                assert_eq!(found.as_deref(), Some("c.sock"), "{text}");
            }
        }
        let other = Source::new(Path::new("f"), "admin = 1").text_in_table("admin", "control");
        assert_eq!(other, None);
    }

    #[test]
    fn keys_are_found() {
        let line = |key: &[&str]| source().line_of_key(key);
        assert_eq!(line(&["a"]), Some(1));
        assert_eq!(line(&["b", "c"]), Some(3));
        assert_eq!(line(&["b", "c", "lines"]), Some(3));
        assert_eq!(line(&["b", "x"]), None);
        let error = source().error_at(&["b", "d"], "no");
        assert_eq!(error.to_string(), "f:4: no");
        assert_eq!(source().error_at(&["x"], "no").to_string(), "f: no");
    }

    #[test]
    fn a_file_that_is_named_is_told_with_its_place() {
        let error = ConfigError::new(Path::new("/d/x"), "is empty");
        let told = source().naming("x", error.clone()).to_string();
        assert_eq!(told, "f:3: /d/x is empty, name a file that can be read");
        let told = source().naming("x", error.at(7)).to_string();
        assert_eq!(told, "/d/x:7: is empty");
    }

    #[test]
    fn the_first_such_text_is_found() {
        let line = |text: &str| source().line_where(|it| it == text);
        assert_eq!(line("x"), Some(3));
        assert_eq!(line("y"), Some(5));
        assert_eq!(line("z"), None);
        assert_eq!(Source::new(Path::new("f"), "=").line_where(|_| true), None);
    }
}
