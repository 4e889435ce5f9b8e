//! What is asked of the name system, and how often.

use lazaret_filter::names::a_labels;

/// Kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    A,
    Aaaa,
    Mx,
    Txt,
    /// the name is an address
    Ptr,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// at least one, as text; those of MX with their preference before the name
    Records(Vec<String>),
    /// no such name, or none of that kind
    Void,
    /// nobody could say
    Temporary,
}

/// Answers questions.
pub trait Names {
    /// Asks for the records of a name.
    fn look_up(&mut self, name: &str, kind: Kind) -> Found;
}

/// Lets so many questions through; to any more nobody can say.
pub struct Budget<N> {
    names: N,
    left: u32,
}

impl<N: Names> Budget<N> {
    /// With so many questions for one message.
    pub fn new(names: N, questions: u32) -> Self {
        Self {
            names,
            left: questions,
        }
    }
}

impl<N: Names> Names for Budget<N> {
    fn look_up(&mut self, name: &str, kind: Kind) -> Found {
        if self.left == 0 {
            return Found::Temporary;
        }
        self.left -= 1;
        self.names.look_up(name, kind)
    }
}

/// Does `name` lie below `domain`, or is it the same? Both in lower case.
pub fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// In A-labels (RFC 5890), lower case and without a last dot; None for what can be no host's domain: one label, an address
/// literal, empty or long labels.
pub fn domain(text: &str) -> Option<String> {
    let text = a_labels(text)?;
    let text = text.strip_suffix('.').unwrap_or(&text);
    let label = |label: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(plain)
    };
    let fits = text.len() <= 253 && text.contains('.') && text.split('.').all(label);
    fits.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nobody;

    impl Names for Nobody {
        fn look_up(&mut self, _: &str, _: Kind) -> Found {
            Found::Void
        }
    }

    #[test]
    fn questions_are_counted() {
        let mut names = Budget::new(Nobody, 2);
        let answers = [(); 3].map(|()| names.look_up("example.org", Kind::Txt));
        assert_eq!(answers, [Found::Void, Found::Void, Found::Temporary]);
    }

    #[test]
    fn letters_of_any_script_become_a_labels() {
        for (text, name) in [
            ("Bücher.example", Some("xn--bcher-kva.example")),
            ("bu\u{308}cher.example", Some("xn--bcher-kva.example")),
            ("XN--BCHER-KVA.example", Some("xn--bcher-kva.example")),
            ("例え.テスト", Some("xn--r8jz45g.xn--zckzah")),
            ("\u{ff45}xample\u{3002}com\u{3002}", Some("example.com")),
            ("\u{fffd}.example", None),
            ("büch er.example", None),
        ] {
            assert_eq!(domain(text).as_deref(), name, "{text}");
        }
        assert_eq!(domain(&"ü.".repeat(1000)), None);
    }

    #[test]
    fn a_domain_has_two_labels_or_more() {
        assert_eq!(domain("Example.ORG.").as_deref(), Some("example.org"));
        let long = format!("{}.org", "a".repeat(64));
        for text in [
            "",
            "localhost",
            "[192.0.2.1]",
            "a..b",
            ".example.org",
            &long,
            "a b.org",
        ] {
            assert_eq!(domain(text), None, "{text}");
        }
        assert!(is_within("a.example.org", "example.org") && is_within("a.org", "a.org"));
        assert!(!is_within("badexample.org", "example.org"));
    }
}
