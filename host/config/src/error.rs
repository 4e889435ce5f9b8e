use std::fmt;
use std::path::{Path, PathBuf};

/// What is wrong in a configuration file, where, and what would be right.
///
/// Prints as `lazaret.toml:12: unknown key `listn`, did you mean `listen`?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// the file at fault
    pub file: PathBuf,
    /// counted from 1; None where the file as a whole is at fault
    pub line: Option<usize>,
    /// what is wrong
    pub problem: String,
    /// what the operator does about it
    pub cure: Option<String>,
}

impl ConfigError {
    /// An error about a file as a whole.
    pub fn new(file: &Path, problem: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            problem: problem.into(),
            cure: None,
        }
    }

    /// The same error at a line, counted from 1.
    #[must_use]
    pub fn at(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    /// The same error with advice.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Self {
        self.cure = Some(cure.into());
        self
    }

    /// The same error, advising the nearest of the words that would have been right; if none is near, lists them.
    #[must_use]
    pub fn instead_of<'w>(self, word: &str, words: impl IntoIterator<Item = &'w str>) -> Self {
        let words: Vec<&str> = words.into_iter().collect();
        match nearest(word, words.iter().copied()) {
            Some(near) => self.cure(format!("did you mean `{near}`?")),
            None if words.is_empty() => self,
            None => self.cure(format!("known here: `{}`", words.join("`, `"))),
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        write!(f, " {}", Shown(&self.problem))?;
        match &self.cure {
            Some(cure) => write!(f, ", {}", Shown(cure)),
            None => Ok(()),
        }
    }
}

/// A file may hold anything, a filter's from a stranger too: no control of it reaches a terminal or a log.
struct Shown<'t>(&'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_fit = |c: char| c == '\n' || !c.is_control();
        self.0.chars().try_for_each(|c| match is_fit(c) {
            true => write!(f, "{c}"),
            false => write!(f, "{}", c.escape_debug()),
        })
    }
}

/// The word most like `word`, if any is like it at all.
pub fn nearest<'w>(word: &str, words: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    const LIKE: f64 = 0.8;
    words
        .into_iter()
        .map(|known| (strsim::jaro_winkler(word, known), known))
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_is_shown_and_not_said() {
        let error =
            ConfigError::new(Path::new("f.toml"), "`5\0\u{1b}[2J` is no time").cure("a\nb\u{9b}");
        assert_eq!(
            error.to_string(),
            "f.toml: `5\\0\\u{1b}[2J` is no time, a\nb\\u{9b}"
        );
    }

    #[test]
    fn prints_file_line_problem_and_cure() {
        let error = ConfigError::new(Path::new("lazaret.toml"), "unknown key `listn`")
            .at(12)
            .instead_of("listn", ["hostname", "listen"]);
        assert_eq!(
            error.to_string(),
            "lazaret.toml:12: unknown key `listn`, did you mean `listen`?"
        );
    }

    #[test]
    fn lists_the_words_when_none_is_near() {
        let error =
            ConfigError::new(Path::new("f"), "unknown key `zzz`").instead_of("zzz", ["a", "b"]);
        assert_eq!(error.cure.as_deref(), Some("known here: `a`, `b`"));
    }
}
