//! What must hold for any Authentication-Results, written by us or by others.

use super::{Entry, is_by, value};

const HOST: &str = "mx.example.org";

/// A method, and properties whose values strangers write, a line each: what we write says of these methods what it says,
/// and nothing of others. The same as a field of others: no disguise hides our name, and none makes it up.
pub fn results(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    is_written(&text);
    is_known(&text);
}

fn is_written(text: &str) {
    let entry = |line: &str| Entry {
        method: "dkim",
        result: "fail",
        reason: line.contains('r').then_some("a reason"),
        properties: vec![("header.d", line.to_owned()), ("header.s", "s1".to_owned())],
    };
    let entries: Vec<_> = text.split('\n').map(entry).collect();
    let value = value(HOST, &entries);
    assert!(is_by(&value, HOST), "{value}");
    assert!(!value.contains(char::is_control), "{value:?}");
    let mut results = outside_quotes(&value, ';').into_iter();
    assert_eq!(results.next(), Some(HOST));
    for entry in &entries {
        let result = results.next().expect("as many results");
        let words = outside_quotes(result.trim_start(), ' ');
        let (property, rest) = words.split_last().expect("words");
        assert_eq!((words[0], *property), ("dkim=fail", "header.s=s1"));
        assert_eq!(rest.len(), 2 + usize::from(entry.reason.is_some()));
        assert!(rest[rest.len() - 1].starts_with("header.d="), "{value}");
    }
    assert_eq!(results.next(), None, "{value}");
}

/// The pieces between such characters that stand in no quoted string; ours have no quoted pairs and no comments.
fn outside_quotes(text: &str, between: char) -> Vec<&str> {
    let (mut pieces, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        quoted ^= c == '"';
        assert!(quoted || !"()\\".contains(c), "{text}");
        if c == between && !quoted {
            pieces.push(&text[start..at]);
            start = at + 1;
        }
    }
    pieces.push(&text[start..]);
    pieces
}

fn is_known(text: &str) {
    let escape = |c: char| match "\\\"()".contains(c) {
        true => format!("\\{c}"),
        false => c.to_string(),
    };
    let comment: String = text.chars().map(escape).collect();
    let quoted: String = HOST.chars().flat_map(|c| ['\\', c]).collect();
    for ours in [
        format!(" {HOST}; {text}"),
        format!("({comment}){HOST}; {text}"),
        format!("\r\n\t({comment})\r\n ({comment}) MX.Example.ORG ({comment}); {text}"),
        format!(" \"{quoted}\" 1; {text}"),
        format!(" {HOST}.({comment}) 1; {text}"),
    ] {
        assert!(is_by(&ours, HOST), "{ours:?}");
    }
    for other in [
        format!(" mx.example.com; {text}"),
        format!("({comment}) mx.example.com ({comment}); {text}"),
        format!(" {HOST}.example.com; {text}"),
    ] {
        assert!(!is_by(&other, HOST), "{other:?}");
    }
    assert_eq!(is_by(text, HOST), is_by(&text.to_ascii_uppercase(), HOST));
    assert_eq!(
        is_by(text, HOST),
        is_by(&format!("({comment}){text}"), HOST)
    );
}
