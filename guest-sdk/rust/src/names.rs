//! Feature `names`: one spelling for domain names that are written in letters of any script.

use std::borrow::Cow;

use idna::AsciiDenyList;

/// Octets of a name that is worth turning into A-labels: four for each of the longest.
const LONGEST: usize = 4 * 253;

/// In A-labels (RFC 5890) and lower case, mapped as UTS 46 has it: two ways to write a name are one name, and that is the
/// one the name system is asked for. Empty labels and a last dot stay. None for what is no name in any spelling.
pub fn a_labels(name: &str) -> Option<String> {
    match name.is_ascii() {
        true => Some(name.to_ascii_lowercase()),
        false if name.len() > LONGEST => None,
        false => {
            let mapped = idna::domain_to_ascii_cow(name.as_bytes(), AsciiDenyList::EMPTY);
            mapped.ok().map(Cow::into_owned)
        }
    }
}

/// What stands between labels (RFC 3490 section 3.1).
const DOTS: [char; 4] = ['.', '\u{3002}', '\u{ff0e}', '\u{ff61}'];

/// As [`a_labels`], but every label that has no such spelling stays, in lower case: to compare what a client says, who could
/// put such a label before any name.
pub fn normal(name: &str) -> String {
    a_labels(name).unwrap_or_else(|| {
        let label = |label: &str| a_labels(label).unwrap_or_else(|| label.to_lowercase());
        let labels: Vec<_> = name.split(DOTS).map(label).collect();
        labels.join(".")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_spellings_are_one_name() {
        for (written, name) in [
            ("Example.ORG.", Some("example.org.")),
            ("Bücher.example", Some("xn--bcher-kva.example")),
            ("bu\u{308}cher.example", Some("xn--bcher-kva.example")),
            ("XN--BCHER-KVA.example", Some("xn--bcher-kva.example")),
            ("\u{ff42}ulk\u{3002}example", Some("bulk.example")),
            (".bücher.example", Some(".xn--bcher-kva.example")),
            ("[192.0.2.1]", Some("[192.0.2.1]")),
            ("", Some("")),
            ("\u{fffd}.example", None),
        ] {
            assert_eq!(a_labels(written).as_deref(), name, "{written}");
        }
        assert_eq!(a_labels(&"ü.".repeat(1000)), None);
    }

    #[test]
    fn a_label_that_is_none_hides_no_other() {
        for (written, name) in [
            (
                "\u{fffd}A.\u{ff42}ulk\u{ff0e}example",
                "\u{fffd}a.bulk.example",
            ),
            (
                "\u{fffd}.BÜCHER.example.",
                "\u{fffd}.xn--bcher-kva.example.",
            ),
            ("Bücher.example", "xn--bcher-kva.example"),
        ] {
            assert_eq!(normal(written), name, "{written}");
        }
        assert_eq!(normal(&"ü.".repeat(1000)).len(), 1000 * "xn--tda.".len());
    }
}
