//! Each key of the documentation, written wrong, is answered with an example of how it is written right.

use std::path::Path;

use lazaret_mail::Policy;
use lazaret_proxy::Config;

const DOCUMENTATION: &str = include_str!("../../../../docs/configuration.md");
const CONFIGURATION: &str = include_str!("../../src/config/examples.toml");
const FILTER: &str = include_str!("../../../mail/src/policy/examples.toml");

/// A list in a list in a list is no right value anywhere.
const WRONG: &str = "[[[]]]";

/// The keys of the tables of the documentation, each with the heading it stands under.
fn documented() -> Vec<(&'static str, &'static str)> {
    let mut heading = "";
    let mut keys = Vec::new();
    for line in DOCUMENTATION.lines() {
        heading = line.strip_prefix("## ").unwrap_or(heading);
        let Some(row) = line.strip_prefix("| `") else {
            continue;
        };
        let cell = row.split(" |").next().unwrap();
        keys.extend(
            cell.split("`, `")
                .map(|key| (heading, key.trim_end_matches('`'))),
        );
    }
    keys
}

/// The examples with this key of this table written wrong, and the line it is in, counted from 1; None where no example has it.
fn written_wrong(examples: &str, header: &str, key: &str) -> Option<(String, usize)> {
    let mut lines: Vec<_> = examples.lines().map(str::to_owned).collect();
    let table = match header {
        "" => 0,
        header => lines.iter().position(|line| line == header)? + 1,
    };
    let is_key = |line: &String| line.starts_with(&format!("{key} = "));
    let is_header = |line: &String| line.starts_with('[');
    let rest = lines[table..].iter().take_while(|line| !is_header(line));
    let at = table + rest.into_iter().position(is_key)?;
    lines[at] = format!("{key} = {WRONG}");
    Some((lines.join("\n"), at + 1))
}

/// What is said of the wrong text cites the line and shows how it is done.
fn check(key: &str, line: usize, said: &str) {
    let told = said.strip_prefix(&format!("f.toml:{line}: "));
    let told = told.unwrap_or_else(|| panic!("`{key}`: not of line {line}: {said}"));
    let shown = [
        format!("write e.g. {key} = "),
        ", e.g. \"".into(),
        "write \"".into(),
    ];
    assert!(shown.iter().any(|it| told.contains(it)), "`{key}`: {said}");
    for rust in ["sequence", "map,", "usize", "u32", "struct", "PathBuf"] {
        assert!(!told.contains(rust), "`{key}`: {said}");
    }
}

#[test]
fn each_documented_key_written_wrong_is_answered_with_an_example() {
    let documented = documented();
    assert!(documented.len() > 80, "{documented:?}");
    for (heading, key) in documented {
        let file = Path::new("f.toml");
        let (examples, header) = match heading {
            "The filter directory" => (FILTER, ""),
            "Top level" => (CONFIGURATION, ""),
            header => (CONFIGURATION, header),
        };
        if examples
            .lines()
            .any(|it| it == key || it == format!("[[listener.{key}]]"))
        {
            continue;
        }
        let wrong = written_wrong(examples, header, key);
        let (text, line) = wrong.unwrap_or_else(|| panic!("no example of `{key}` in {heading}"));
        let said = match examples == FILTER {
            true => Policy::parse(file, &text).unwrap_err().to_string(),
            false => Config::parse(file, &text).unwrap_err().to_string(),
        };
        check(key, line, &said);
    }
}

#[test]
fn a_table_written_wrong_is_answered_with_its_header() {
    let good = "hostname = \"mx.example.org\"\n";
    for (text, cure) in [
        (
            "backend = 5",
            "write e.g. [backend] with address = [\"127.0.0.1:10025\"]",
        ),
        ("[listener]", "write [[listener]]"),
        ("listener = 5", "write e.g. [[listener]] with name = \"mx\""),
        (
            "limits = true",
            "write e.g. [limits] with message-size = \"50 MiB\"",
        ),
        ("[[listener]]", "add e.g. name = \"mx\""),
        (
            "[[listener]]\nname = \"mx\"",
            "add e.g. listen = [\"0.0.0.0:25\", \"[::]:25\"]",
        ),
        (
            "",
            "add e.g. [backend] with address = [\"127.0.0.1:10025\"]",
        ),
        ("[backend]", "add e.g. address = [\"127.0.0.1:10025\"]"),
    ] {
        let text = format!("{good}{text}\n");
        let error = Config::parse(Path::new("f.toml"), &text).unwrap_err();
        assert_eq!(error.cure.as_deref(), Some(cure), "{text}{error}");
    }
    for (text, cure) in [
        (
            "config = 5",
            "write e.g. [config] with domains = [\"example.org\"]",
        ),
        (
            "lists = 5",
            "write e.g. [lists] with blocked = { domains = \"blocked.txt\" }",
        ),
    ] {
        let error = Policy::parse(Path::new("f.toml"), text).unwrap_err();
        assert_eq!(error.cure.as_deref(), Some(cure), "{error}");
    }
}
