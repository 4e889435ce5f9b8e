//! Who may be written to through a listener. The backend trusts our address, so this is asked before the backend.

use std::path::{Path as FilePath, PathBuf};

use lazaret_config::{ConfigError, LineList, Source, Spanned};
use lazaret_smtp::Address;
use serde::Deserialize;

/// The recipients a listener serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// whatever the backend accepts: for listeners only authenticated or trusted hosts reach
    Any,
    /// the domains that match one of these
    Domains(Vec<DomainPattern>),
}

/// A domain written in `recipients`; compared without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DomainPattern {
    /// `example.org`: itself only, or an address literal `[192.0.2.1]` as written
    Exact(String),
    /// `*.example.org`: everything below, at any depth, not itself; holds `.example.org`
    Below(String),
}

impl Recipients {
    /// Is this address ours? A bare `postmaster` is (RFC 5321 section 4.5.1): the backend decides.
    pub fn serves(&self, address: &Address) -> bool {
        match self {
            Recipients::Any => true,
            Recipients::Domains(_) if address.domain().is_empty() => true,
            Recipients::Domains(patterns) => patterns.iter().any(|p| p.matches(address.domain())),
        }
    }

    /// Are there domains to be kept to?
    pub fn are_named(&self) -> bool {
        matches!(self, Recipients::Domains(_))
    }
}

impl DomainPattern {
    /// Parses `example.org`, `*.example.org` or a literal in brackets.
    pub fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        if lower.starts_with('[') && lower.ends_with(']') {
            return Some(Self::Exact(lower));
        }
        match lower.strip_prefix('*') {
            Some(rest) => {
                let below = rest.strip_prefix('.').filter(|domain| is_domain(domain));
                below.map(|domain| Self::Below(format!(".{domain}")))
            }
            None => is_domain(&lower).then_some(Self::Exact(lower)),
        }
    }

    fn matches(&self, domain: &str) -> bool {
        let domain = domain
            .strip_suffix('.')
            .unwrap_or(domain)
            .to_ascii_lowercase();
        match self {
            Self::Exact(own) => *own == domain,
            Self::Below(suffix) => domain.len() > suffix.len() && domain.ends_with(suffix.as_str()),
        }
    }
}

/// Letters, digits, hyphens in labels of 1 to 63, at most 255 octets. Non-ASCII letters are taken (RFC 6531).
pub(super) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .chars()
                .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    text.len() <= 255 && text.split('.').all(label)
}

/// `"any"`, a list, or `{ lines = "file" }`.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "expected a list of domains, { lines = \"file\" } or \"any\""
)]
pub(super) enum Written {
    Word(String),
    List(LineList),
}

pub(super) fn check(
    source: &Source,
    base: &FilePath,
    written: &Spanned<Written>,
) -> Result<Recipients, ConfigError> {
    let list = match written.get_ref() {
        Written::Word(word) if word == "any" => return Ok(Recipients::Any),
        Written::Word(word) => {
            return Err(source
                .error(
                    written.span(),
                    format!("`{}` is neither a list nor \"any\"", word.escape_debug()),
                )
                .cure(format!("write recipients = [\"{}\"]", word.escape_debug())));
        }
        Written::List(list) => list
            .load(base)
            .map_err(|error| source.naming_at(written.span(), error))?,
    };
    let parse = |text: &String| {
        DomainPattern::parse(text).ok_or_else(|| {
            let problem = format!("`{}` is not a domain", text.escape_debug());
            let error = match list_file(base, written.get_ref()) {
                Some(file) => in_file(&file, text, problem),
                None => source.error(written.span(), problem),
            };
            error.cure("write example.org, *.example.org (everything below it) or [192.0.2.1]")
        })
    };
    if list.is_empty() {
        return Err(source
            .error(
                written.span(),
                "`recipients` is empty: nobody could be written to",
            )
            .cure("name your domains, e.g. recipients = [\"example.org\"]"));
    }
    list.iter()
        .map(parse)
        .collect::<Result<_, _>>()
        .map(Recipients::Domains)
}

/// The file that holds the list, if one does.
fn list_file(base: &FilePath, written: &Written) -> Option<PathBuf> {
    match written {
        Written::List(LineList::File(file)) => Some(base.join(&file.lines)),
        _ => None,
    }
}

/// An entry is cited where it stands.
fn in_file(file: &FilePath, entry: &str, problem: String) -> ConfigError {
    let error = ConfigError::new(file, problem);
    let text = std::fs::read_to_string(file).unwrap_or_default();
    match text.lines().position(|line| line.trim() == entry) {
        Some(before) => error.at(before + 1),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serves(patterns: &[&str], address: &str) -> bool {
        let patterns = patterns
            .iter()
            .map(|p| DomainPattern::parse(p).unwrap())
            .collect();
        Recipients::Domains(patterns).serves(&Address::parse(address).unwrap())
    }

    #[test]
    fn a_domain_is_itself_and_a_star_is_what_is_below() {
        for (pattern, address, served) in [
            ("example.org", "a@example.org", true),
            ("example.org", "a@EXAMPLE.Org", true),
            ("example.org", "a@sub.example.org", false),
            ("example.org", "a@notexample.org", false),
            ("*.example.org", "a@x.y.example.org", true),
            ("*.example.org", "a@example.org", false),
            ("*.example.org", "a@badexample.org", false),
            ("example.org", "a@[192.0.2.1]", false),
            ("[192.0.2.1]", "a@[192.0.2.1]", true),
            ("example.org", "postmaster", true),
            // The Kelvin sign is no k.
            ("kk.example", "a@\u{212a}k.example", false),
        ] {
            assert_eq!(serves(&[pattern], address), served, "{pattern} {address}");
        }
    }

    #[test]
    fn what_is_no_domain_is_no_pattern() {
        for text in [
            "",
            "*",
            "*example.org",
            "a b",
            "a..b",
            "-a.org",
            "a@b",
            "*.*.org",
            "exa*.org",
        ] {
            assert_eq!(DomainPattern::parse(text), None, "{text}");
        }
    }
}
