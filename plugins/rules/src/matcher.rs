//! Tests of a text. Case never matters.

use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer};

/// Octets of a text that are looked at: a header value can be as long as its sender likes.
pub const MOST_TEXT: usize = 8 * 1024;

/// Octets of a compiled regular expression.
const MOST_REGEX: usize = 256 * 1024;

/// One word or a list of them; never empty.
#[derive(Clone, Debug)]
pub struct Words(pub Vec<String>);

/// What is tested, as written: a text alone means `contains`.
#[derive(Clone, Debug, Default)]
pub struct Test {
    contains: Option<Words>,
    equals: Option<Words>,
    starts: Option<Words>,
    ends: Option<Words>,
    like: Option<Words>,
    word: Option<Words>,
    within: Option<Words>,
    regex: Option<Words>,
}

/// Any test that fits will do.
#[derive(Debug)]
pub struct Matcher(Vec<Pattern>);

#[derive(Debug)]
enum Pattern {
    Contains(String),
    Equals(String),
    Starts(String),
    Ends(String),
    /// `*` any characters, `?` one
    Like(Vec<char>),
    /// whole words
    Word(String),
    /// an address in a domain or below it; `example.*` in any land's
    Within(String),
    Regex(Regex),
}

impl Matcher {
    /// # Errors
    /// What is wrong and the cure.
    pub fn new(test: Test) -> Result<Self, String> {
        let mut patterns = Vec::new();
        let mut each = |words: Option<Words>, pattern: fn(String) -> Pattern| {
            let words = words.into_iter().flat_map(|words| words.0);
            patterns.extend(words.map(|word| pattern(word.to_lowercase())));
        };
        each(test.contains, Pattern::Contains);
        each(test.equals, Pattern::Equals);
        each(test.starts, Pattern::Starts);
        each(test.ends, Pattern::Ends);
        each(test.like, |word| Pattern::Like(word.chars().collect()));
        each(test.word, Pattern::Word);
        each(test.within, Pattern::Within);
        for word in test.regex.into_iter().flat_map(|words| words.0) {
            patterns.push(Pattern::Regex(regex(&word)?));
        }
        if patterns.is_empty() {
            return Err("a text is not tested; say one of `contains`, `equals`, `starts`, `ends`, `like`, `word`, `within`, `regex`".into());
        }
        Ok(Self(patterns))
    }

    /// Does any test fit?
    pub fn fits(&self, text: &str) -> bool {
        let text = &text[..text.floor_char_boundary(MOST_TEXT)];
        let lower = text.to_lowercase();
        self.0.iter().any(|pattern| pattern.fits(text, &lower))
    }
}

impl Pattern {
    fn fits(&self, text: &str, lower: &str) -> bool {
        match self {
            Self::Contains(word) => lower.contains(word),
            Self::Equals(word) => lower == word,
            Self::Starts(word) => lower.starts_with(word),
            Self::Ends(word) => lower.ends_with(word),
            Self::Like(pattern) => is_like(pattern, lower),
            Self::Word(word) => has_word(lower, word),
            Self::Within(domain) => is_within(lower, domain),
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

/// Between characters that are no part of a word.
fn has_word(text: &str, word: &str) -> bool {
    let is_free = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    let mut found = text.match_indices(word);
    found.any(|(at, _)| {
        is_free(text[..at].chars().next_back()) && is_free(text[at + word.len()..].chars().next())
    })
}

fn is_within(address: &str, domain: &str) -> bool {
    let host = address.rsplit('@').next().unwrap_or_default();
    let (host, domain) = match domain.strip_suffix(".*") {
        Some(stem) => (without_land(host), stem),
        None => (host, domain),
    };
    let below = host.strip_suffix(domain);
    below.is_some_and(|below| below.is_empty() || below.ends_with('.'))
}

/// Without `.de`, `.com`, `.co.uk` or `.com.br`.
fn without_land(host: &str) -> &str {
    let Some((stem, top)) = host.rsplit_once('.').filter(|(_, top)| top.len() <= 4) else {
        return host;
    };
    match stem.rsplit_once('.') {
        Some((stem, "co" | "com")) if top.len() == 2 => stem,
        _ => stem,
    }
}

fn regex(word: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(word)
        .case_insensitive(true)
        .size_limit(MOST_REGEX)
        .build();
    built.map_err(|error| {
        format!(
            "regex '{word}': {error}; in TOML put it in single quotes, so that `\\` stays as it is"
        )
    })
}

/// Two pointers and the last star: no more than text times pattern steps.
fn is_like(pattern: &[char], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "write a text or an array of texts")]
        enum Written {
            One(String),
            Several(Vec<String>),
        }
        let words = match Written::deserialize(deserializer)? {
            Written::One(word) => vec![word],
            Written::Several(words) => words,
        };
        if words.is_empty() {
            return Err(serde::de::Error::custom(
                "an array of texts is empty; put one into it",
            ));
        }
        Ok(Self(words))
    }
}

impl<'de> Deserialize<'de> for Test {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            contains: Option<Words>,
            equals: Option<Words>,
            starts: Option<Words>,
            ends: Option<Words>,
            like: Option<Words>,
            word: Option<Words>,
            within: Option<Words>,
            regex: Option<Words>,
        }
        let value = serde_json::Value::deserialize(deserializer)?;
        if !value.is_object() {
            let contains = serde_json::from_value(value).map_err(serde::de::Error::custom)?;
            return Ok(Self {
                contains: Some(contains),
                ..Self::default()
            });
        }
        let table: Table = serde_json::from_value(value).map_err(serde::de::Error::custom)?;
        let Table {
            contains,
            equals,
            starts,
            ends,
            like,
            word,
            within,
            regex,
        } = table;
        Ok(Self {
            contains,
            equals,
            starts,
            ends,
            like,
            word,
            within,
            regex,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(test: &str, text: &str) -> bool {
        let test: Test = serde_json::from_str(test).unwrap();
        Matcher::new(test).unwrap().fits(text)
    }

    #[test]
    fn every_test_in_any_case() {
        for (test, text, expected) in [
            (r#""offer""#, "An OFFER for you", true),
            (r#"["pills", "offer"]"#, "An offer", true),
            (r#"{"equals": "re:"}"#, "RE:", true),
            (r#"{"equals": "re:"}"#, "Re: x", false),
            (r#"{"starts": "re:"}"#, "RE: x", true),
            (r#"{"ends": ".example"}"#, "a@shop.Example", true),
            (r#"{"like": "*@*.example"}"#, "a@b.example", true),
            (r#"{"like": "*@*.example"}"#, "a@b.example.org", false),
            (r#"{"like": "??"}"#, "abc", false),
            (r#"{"like": "a*b*c"}"#, "aXXbYYbc", true),
            (r#"{"like": "*"}"#, "", true),
            (r#"{"word": "pay pal"}"#, "PAY PAL!", true),
            (r#"{"word": "dhl"}"#, "Dhlamini, DHL", true),
            (r#"{"word": "dhl"}"#, "Dhlamini", false),
            (r#"{"within": "bank.example"}"#, "a@Mail.Bank.example", true),
            (r#"{"within": "bank.example"}"#, "a@mybank.example", false),
            (r#"{"within": "bank.*"}"#, "a@bank.co.uk", true),
            (r#"{"within": "bank.*"}"#, "a@mail.bank.de", true),
            (r#"{"within": "bank.*"}"#, "a@bank.de.evil.example", false),
            (r#"{"within": "bank.*"}"#, "a@bank-login.de", false),
            (r#"{"regex": "^win \\d+"}"#, "WIN 100", true),
            (r#"{"regex": "^win \\d+"}"#, "you win 100", false),
        ] {
            assert_eq!(fits(test, text), expected, "{test} {text}");
        }
    }

    #[test]
    fn long_texts_cost_little() {
        let text = "a".repeat(1_000_000);
        assert!(!fits(r#"{"like": "*a*a*a*a*a*a*b"}"#, &text));
        assert!(!fits(r#"{"regex": "(a|aa)+$b"}"#, &text));
    }
}
