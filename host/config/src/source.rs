use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::{ConfigError, read_text};

/// Most octets of a configuration file.
pub const CONFIG_FILE_LIMIT: u64 = 1 << 20;

/// Reads and parses a configuration file. Relative paths in it are for the caller to resolve against its directory.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    Source::read(path)?.parse()
}

/// Parses text as if it stood in `path`.
pub fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    Source::new(path, text).parse()
}

/// The text of a configuration file, kept so that checks made after parsing can still cite a line: take the span of a
/// [`crate::Spanned`] value and ask for an [`error`](Source::error) there.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Text as if it stood in `path`.
    pub fn new(path: &Path, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Reads a regular UTF-8 file of at most [`CONFIG_FILE_LIMIT`] octets.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Ok(Self::new(path, &read_text(path, CONFIG_FILE_LIMIT)?))
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it holds.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The directory that relative paths in this file start from.
    pub fn directory(&self) -> &Path {
        match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        }
    }

    /// Parses the whole text; `T` says with `deny_unknown_fields` which keys there are.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.parse_like("")
    }

    /// The same; `examples` is a text in which each key has a right value, for who wrote a wrong one or none.
    pub fn parse_like<T: DeserializeOwned>(&self, examples: &str) -> Result<T, ConfigError> {
        toml::from_str(&self.text).map_err(|error| {
            let words = self.words::<T>(&error);
            let explained = self.explain(&error, words);
            let missing = missing(error.message());
            self.exemplified(explained, error.span(), missing, examples)
        })
    }

    /// The words that may stand where something stands that is none: what is said of one that nobody knows.
    fn words<T: DeserializeOwned>(&self, error: &toml::de::Error) -> Option<Vec<String>> {
        let span = error.span().filter(|_| error.message() == NO_WORD)?;
        let mut text = self.text.clone();
        text.replace_range(span, "\"?\"");
        let error = toml::from_str::<T>(&text).err()?;
        let (_, known) = unknown(error.message(), "unknown variant")?;
        Some(known.into_iter().map(str::to_owned).collect())
    }

    /// An error at the line where `span` (octets of the text) starts.
    pub fn error(&self, span: Range<usize>, problem: impl Into<String>) -> ConfigError {
        ConfigError::new(&self.path, problem).at(self.line(span.start))
    }

    /// Counted from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        let before = &self.text.as_bytes()[..offset.min(self.text.len())];
        before.iter().filter(|octet| **octet == b'\n').count() + 1
    }

    /// serde knows what is wrong only as a sentence; ours name keys, not fields, and the nearest right word.
    fn explain(&self, error: &toml::de::Error, words: Option<Vec<String>>) -> ConfigError {
        let message = error.message().replace('\n', " ");
        let at = |problem: String| match error.span() {
            Some(span) => self.error(span, problem),
            None => ConfigError::new(&self.path, problem),
        };
        let there = error.span().and_then(|span| self.text.get(span));
        let there = there.unwrap_or_default().trim();
        if let Some(words) = words {
            return at(format!("`{there}` is no word that is known here"))
                .cure(format!("write \"{}\"", words.join("\" or \"")));
        }
        if message == "duplicate key" {
            return at(format!("`{there}` stands here twice")).cure("remove one of them");
        }
        for (serde, ours) in [
            ("unknown field", "unknown key"),
            ("unknown variant", "unknown word"),
        ] {
            if let Some((word, known)) = unknown(&message, serde) {
                return at(format!("{ours} `{word}`")).instead_of(word, known);
            }
        }
        if let Some(field) = missing(&message) {
            return at(format!("the key `{field}` is missing"));
        }
        let unquoted = message.starts_with("string values must be quoted") && !there.is_empty();
        if unquoted && there.contains(['@', ':']) {
            // An address may hold a password.
            return at("a value is not in quotes".to_owned()).cure("put quotes around it");
        }
        if unquoted {
            return at(format!("`{there}` is not in quotes")).cure(format!("write \"{there}\""));
        }
        let error = at(in_our_words(&message));
        match error.problem.ends_with("expected a list") && there.starts_with('[') {
            true => error.cure(format!("write [{there}]")),
            false => error,
        }
    }
}

/// What is said of a number or a list where one of some words is wanted.
const NO_WORD: &str = "wanted string or table";

/// The key in "missing field `x`".
fn missing(message: &str) -> Option<&str> {
    let field = message.strip_prefix("missing field `")?;
    field.strip_suffix('`')
}

/// "expected usize" is for those who know Rust.
fn in_our_words(message: &str) -> String {
    const WORDS: [(&str, &str); 6] = [
        ("path string", "a path in quotes"),
        ("a sequence", "a list"),
        ("sequence", "a list"),
        ("a map", "a table"),
        ("map", "a table"),
        ("a boolean", "true or false"),
    ];
    const WHOLE: [&str; 5] = ["usize", "u64", "u32", "u16", "i64"];
    let (found, expected) = message.rsplit_once("expected ").unwrap_or((message, ""));
    let ours = WORDS.iter().find(|(theirs, _)| *theirs == expected);
    let expected = match ours {
        Some((_, ours)) => ours,
        None if WHOLE.contains(&expected) => "a whole number, 0 or more",
        None if expected.starts_with("struct ") => "a table",
        None => {
            return message
                .replace(": sequence,", ": a list,")
                .replace(": map,", ": a table,");
        }
    };
    let found = found
        .replace(": sequence,", ": a list,")
        .replace(": map,", ": a table,");
    format!("{found}expected {expected}")
}

/// Takes "unknown field `x`, expected one of `a`, `b`" apart.
fn unknown<'m>(message: &'m str, what: &str) -> Option<(&'m str, Vec<&'m str>)> {
    let rest = message.strip_prefix(what)?.strip_prefix(" `")?;
    let (word, rest) = rest.split_once("`, ")?;
    Some((word, rest.split('`').skip(1).step_by(2).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ByteSize, LineList, Span};
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Sample {
        hostname: String,
        #[serde(default)]
        max_size: Option<ByteSize>,
        #[serde(default)]
        hold: Option<Span>,
        #[serde(default)]
        recipients: Option<LineList>,
        #[serde(default)]
        tls: Option<Tls>,
        #[serde(default)]
        listener: Vec<Listener>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Tls {
        Off,
        Starttls,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Listener {
        listen: Vec<String>,
    }

    fn complaint(text: &str) -> String {
        parse::<Sample>(Path::new("lazaret.toml"), text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_good_file_is_read() {
        let text = "hostname = \"mx.example.org\"\nmax-size = \"10 MB\"\nhold = \"20s\"\nrecipients = [\"example.org\"]\ntls = \"starttls\"\n[[listener]]\nlisten = [\"[::]:25\"]\n";
        let sample: Sample = parse(Path::new("lazaret.toml"), text).unwrap();
        assert_eq!(sample.hostname, "mx.example.org");
        assert_eq!(sample.max_size, Some(ByteSize(10_000_000)));
        assert_eq!(sample.hold.map(|s| s.0.as_secs()), Some(20));
        assert_eq!(
            sample.recipients,
            Some(LineList::Inline(vec!["example.org".into()]))
        );
        assert!(matches!(sample.tls, Some(Tls::Starttls)));
        assert_eq!(sample.listener[0].listen, ["[::]:25"]);
    }

    /// No word of Rust's or serde's reaches the operator.
    #[test]
    fn types_are_named_as_operators_know_them() {
        #[derive(Debug, Deserialize)]
        #[allow(dead_code)]
        struct Types {
            list: Option<Vec<String>>,
            count: Option<usize>,
            switch: Option<bool>,
            table: Option<Listener>,
        }
        for (text, said) in [
            (
                "list = 5",
                "f:1: invalid type: integer `5`, expected a list",
            ),
            (
                "count = \"5\"",
                "f:1: invalid type: string \"5\", expected a whole number, 0 or more",
            ),
            (
                "count = -1",
                "f:1: invalid value: integer `-1`, expected a whole number, 0 or more",
            ),
            (
                "count = []",
                "f:1: invalid type: a list, expected a whole number, 0 or more",
            ),
            (
                "switch = {}",
                "f:1: invalid type: a table, expected true or false",
            ),
            (
                "table = 1",
                "f:1: invalid type: integer `1`, expected a table",
            ),
        ] {
            let error = parse::<Types>(Path::new("f"), text).unwrap_err();
            assert_eq!(error.to_string(), said, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_line_and_cure() {
        for (text, said) in [
            (
                "hostname = \"a\"\n\n[[listener]]\nlistn = []\n",
                "lazaret.toml:4: unknown key `listn`, did you mean `listen`?",
            ),
            (
                "hostname = \"a\"\nqqq = 1\n",
                "lazaret.toml:2: unknown key `qqq`, known here: `hostname`, `max-size`, `hold`, `recipients`, `tls`, `listener`",
            ),
            (
                "hostname = \"a\"\ntls = \"startls\"\n",
                "lazaret.toml:2: unknown word `startls`, did you mean `starttls`?",
            ),
            (
                "tls = \"off\"\n",
                "lazaret.toml:1: the key `hostname` is missing",
            ),
            (
                "# c\nhostname = 5\n",
                "lazaret.toml:2: invalid type: integer `5`, expected a string",
            ),
            (
                "hostname = \"a\"\nmax-size = 1000\n",
                "lazaret.toml:2: invalid type: integer `1000`, expected a size in quotes, with its unit, e.g. \"64 MiB\"",
            ),
            (
                "hostname = \"a\"\nhold = \"20\"\n",
                "lazaret.toml:2: `20` is not a length of time: write a whole number and a unit, e.g. \"10s\" (ms, s, m, h, d)",
            ),
            (
                "hostname = \"a\"\nrecipients = { line = \"f\" }\n",
                "lazaret.toml:2: expected a list of strings, or { lines = \"file\" }",
            ),
            (
                "hostname = \"a\"\nhostname = \"b\"\n",
                "lazaret.toml:2: `hostname` stands here twice, remove one of them",
            ),
            (
                "hostname = \"a\"\n[tls]\n[tls]\n",
                "lazaret.toml:3: `tls` stands here twice, remove one of them",
            ),
            (
                "hostname = \"a\"\ntls = true\n",
                "lazaret.toml:2: `true` is no word that is known here, write \"off\" or \"starttls\"",
            ),
            (
                "hostname = \"a\"\n[listener]\nlisten = []\n",
                "lazaret.toml:2: invalid type: a table, expected a list, write [[listener]]",
            ),
        ] {
            assert_eq!(complaint(text), said);
        }
        assert!(complaint("hostname = \"a\"\ntls = \n").starts_with("lazaret.toml:2: "));
    }

    #[test]
    fn what_may_hold_a_password_is_not_repeated() {
        let told = complaint("listen = redis://u:secret@h:1/0");
        assert!(
            told.contains("a value is not in quotes, put quotes around it"),
            "{told}"
        );
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read::<Sample>(Path::new("/nowhere/lazaret.toml")).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("/nowhere/lazaret.toml: cannot be read: ")
        );
    }

    #[test]
    fn relative_paths_start_from_the_file() {
        assert_eq!(
            Source::new(Path::new("/etc/l.toml"), "").directory(),
            Path::new("/etc")
        );
        assert_eq!(
            Source::new(Path::new("l.toml"), "").directory(),
            Path::new(".")
        );
    }
}
