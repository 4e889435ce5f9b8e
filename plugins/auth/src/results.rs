//! Authentication-Results (RFC 8601): ours is written, and those that pretend to be ours are found.

use crate::names;

/// The field's name.
pub const NAME: &str = "Authentication-Results";

/// One method's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `spf`, `dkim` or `dmarc`
    pub method: &'static str,
    /// `pass` and the like
    pub result: &'static str,
    pub reason: Option<&'static str>,
    /// such as `header.d`, and its value
    pub properties: Vec<(&'static str, String)>,
}

/// The field's value.
pub fn value(host: &str, entries: &[Entry]) -> String {
    let mut value = host.to_owned();
    for entry in entries {
        value.push_str(&format!("; {}={}", entry.method, entry.result));
        if let Some(reason) = entry.reason {
            value.push_str(&format!(" reason=\"{reason}\""));
        }
        for (name, of) in &entry.properties {
            value.push_str(&format!(" {name}={}", safe(of)));
        }
    }
    if entries.is_empty() {
        value.push_str("; none");
    }
    value
}

/// As a value of section 2.2: what a stranger wrote cannot begin another result.
fn safe(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || ".-_@+=/".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => {
            let inside: String = text
                .chars()
                .filter(|c| !c.is_control() && !"\"\\".contains(*c))
                .collect();
            format!("\"{inside}\"")
        }
    }
}

/// Does a field say that this host wrote it? Comments go before and behind its name, which may be quoted; a version may
/// follow.
pub fn is_by(value: &str, host: &str) -> bool {
    let text = meant(value);
    let name = text.split(';').next().unwrap_or_default();
    let name = name.split_whitespace().next().unwrap_or_default();
    name.eq_ignore_ascii_case(host) || names::domain(name).is_some_and(|name| name == host)
}

/// Without comments and quotation marks, and each quoted pair as what it stands for.
fn meant(text: &str) -> String {
    let (mut out, mut depth, mut quoted) = (String::new(), 0_usize, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next().filter(|_| depth == 0)),
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if depth > 0 => {
                depth -= 1;
                out.push(' ');
            }
            _ if depth > 0 => {}
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
#[path = "../tests/checks/results.rs"]
pub mod checks;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_written_one_after_the_other() {
        let spf = Entry {
            method: "spf",
            result: "fail",
            reason: None,
            properties: vec![("smtp.mailfrom", "a b\"; dkim=pass@example.com".to_owned())],
        };
        let dkim = Entry {
            method: "dkim",
            result: "fail",
            reason: Some("the body was changed"),
            properties: vec![
                ("header.d", "example.com".to_owned()),
                ("header.s", "s1".to_owned()),
            ],
        };
        assert_eq!(
            value("mx.example.org", &[spf, dkim]),
            "mx.example.org; spf=fail smtp.mailfrom=\"a b; dkim=pass@example.com\"; \
             dkim=fail reason=\"the body was changed\" header.d=example.com header.s=s1"
        );
        assert_eq!(value("mx.example.org", &[]), "mx.example.org; none");
    }

    #[test]
    fn forged_ones_are_known_in_every_disguise() {
        for forged in [
            " mx.example.org; spf=pass",
            "MX.Example.ORG;dkim=pass",
            " mx.example.org 1; none",
            " (a (comment) here) mx.example.org (and\\) here); none",
            " \"mx.example.org\"; spf=pass",
            " \"mx\\.example\\.org\"; dmarc=pass",
            " \"\\m\\x.Example.org\"; dmarc=pass",
            " (\") \"mx.example.org\" (\\\"; spf=pass",
            " mx.example.org.; spf=pass",
            "\r\n\tmx.example.org;\r\n spf=pass",
            " mx.example.org",
        ] {
            assert!(is_by(forged, "mx.example.org"), "{forged:?}");
        }
        for other in [
            " mx.example.com; spf=pass",
            " mx.example.org.example.com; none",
            " x; mx.example.org",
            " \"x (\" mx.example.org (\"; none",
            "",
        ] {
            assert!(!is_by(other, "mx.example.org"), "{other:?}");
        }
    }
}
