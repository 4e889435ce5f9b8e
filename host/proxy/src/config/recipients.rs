//! Who may be written to through a listener. The backend trusts our address, so this is asked before the backend.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use idna::AsciiDenyList;
use lazaret_config::{ConfigError, LineList, Source, Spanned};
use lazaret_smtp::Address;
use serde::Deserialize;

/// Most octets of a file of domains: some five million of them.
const LIST_LIMIT: u64 = 128 << 20;

/// The recipients a listener serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// whatever the backend accepts: for listeners only authenticated or trusted hosts reach
    Any,
    /// the domains that match one of these; shared, for there may be many
    Domains(Arc<Domains>),
}

/// Domains as `recipients` writes them, found by their hash: whether there are two or a million, a recipient costs one look,
/// and with stars among them one more for each of its labels. In lower case, letters of other scripts as A-labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Domains {
    /// themselves only; address literals in their brackets
    exact: HashSet<Box<str>>,
    /// of `*.example.org` what is behind the star and its dot
    above: HashSet<Box<str>>,
}

/// A domain written in `recipients`; compared without case.
#[derive(Clone, Debug, PartialEq, Eq)]
enum DomainPattern {
    /// `example.org`: itself only, or an address literal `[192.0.2.1]` as written
    Exact(String),
    /// `*.example.org`: everything below, at any depth, not itself; holds `example.org`
    Below(String),
}

impl Recipients {
    /// Is this address ours? A bare `postmaster` is (RFC 5321 section 4.5.1): the backend decides.
    pub fn serves(&self, address: &Address) -> bool {
        match self {
            Recipients::Any => true,
            Recipients::Domains(_) if address.domain().is_empty() => true,
            Recipients::Domains(domains) => domains.hold(address.domain()),
        }
    }

    /// Are there domains to be kept to?
    pub fn are_named(&self) -> bool {
        matches!(self, Recipients::Domains(_))
    }
}

impl Domains {
    /// As they could be written, in order: `example.org`, then `*.example.org`.
    pub fn written(&self) -> Vec<String> {
        let (exact, above) = (self.exact.iter(), self.above.iter());
        let mut written: Vec<_> = exact.map(|domain| (domain, "")).collect();
        written.extend(above.map(|domain| (domain, "*.")));
        written.sort_unstable();
        let written = written.into_iter();
        written
            .map(|(domain, star)| format!("{star}{domain}"))
            .collect()
    }

    fn hold(&self, domain: &str) -> bool {
        self.hold_by(domain, |domains, name| domains.contains(name))
    }

    /// `is_in` is asked once for each set that a name may be in.
    fn hold_by(&self, domain: &str, is_in: impl Fn(&HashSet<Box<str>>, &str) -> bool) -> bool {
        let domain = normal(domain.strip_suffix('.').unwrap_or(domain));
        if is_in(&self.exact, &domain) {
            return true;
        }
        let mut parents = parents(&domain);
        !self.above.is_empty() && parents.any(|parent| is_in(&self.above, parent))
    }
}

impl FromIterator<DomainPattern> for Domains {
    fn from_iter<I: IntoIterator<Item = DomainPattern>>(patterns: I) -> Self {
        let mut domains = Self::default();
        for pattern in patterns {
            match pattern {
                DomainPattern::Exact(domain) => domains.exact.insert(domain.into()),
                DomainPattern::Below(parent) => domains.above.insert(parent.into()),
            };
        }
        domains
    }
}

/// Of `a.b.example` these: `b.example`, `example`. A literal is below nothing.
fn parents(domain: &str) -> impl Iterator<Item = &str> {
    let is_literal = domain.starts_with('[');
    let dots = domain.match_indices('.').filter(move |_| !is_literal);
    dots.map(|(dot, _)| &domain[dot + 1..])
}

/// In lower case, each label of letters of other scripts as its A-label (RFC 5890), so that both ways to write a domain are
/// one. A label that has none stays, and so does one that would come out in ASCII: the Kelvin sign is no k.
fn normal(domain: &str) -> Cow<'_, str> {
    if domain.is_ascii() {
        return match domain.bytes().any(|c| c.is_ascii_uppercase()) {
            true => domain.to_ascii_lowercase().into(),
            false => domain.into(),
        };
    }
    let label = |label: &str| a_label(label).unwrap_or_else(|| label.to_ascii_lowercase());
    let labels: Vec<_> = domain.split('.').map(label).collect();
    labels.join(".").into()
}

fn a_label(label: &str) -> Option<String> {
    if label.is_ascii() {
        return None;
    }
    let mapped = idna::domain_to_ascii_cow(label.as_bytes(), AsciiDenyList::EMPTY).ok()?;
    // Some characters are mapped to a dot.
    let is_one = mapped.starts_with("xn--") && !mapped.contains('.');
    is_one.then(|| mapped.into_owned())
}

impl DomainPattern {
    /// Parses `example.org`, `*.example.org` or a literal in brackets.
    fn parse(text: &str) -> Option<Self> {
        let lower = text.trim().to_ascii_lowercase();
        if lower.starts_with('[') && lower.ends_with(']') {
            return Some(Self::Exact(lower));
        }
        let domain = |text: &str| is_domain(text).then(|| normal(text).into_owned());
        match lower.strip_prefix('*') {
            Some(rest) => rest.strip_prefix('.').and_then(domain).map(Self::Below),
            None => domain(&lower).map(Self::Exact),
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
            .load(base, LIST_LIMIT)
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
        .collect::<Result<Domains, _>>()
        .map(|domains| Recipients::Domains(Arc::new(domains)))
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

    fn domains<'t>(patterns: impl IntoIterator<Item = &'t str>) -> Domains {
        let patterns = patterns.into_iter();
        patterns.map(|p| DomainPattern::parse(p).unwrap()).collect()
    }

    fn serves(patterns: &[&str], address: &str) -> bool {
        let domains = domains(patterns.iter().copied());
        Recipients::Domains(Arc::new(domains)).serves(&Address::parse(address).unwrap())
    }

    #[test]
    fn a_domain_is_itself_and_a_star_is_what_is_below() {
        for (pattern, address, served) in [
            ("example.org", "a@example.org", true),
            ("example.org", "a@EXAMPLE.Org", true),
            ("EXAMPLE.org", "a@example.org", true),
            ("example.org", "a@sub.example.org", false),
            ("example.org", "a@notexample.org", false),
            ("*.example.org", "a@x.y.example.org", true),
            ("*.example.org", "a@example.org", false),
            ("*.example.org", "a@badexample.org", false),
            ("*.org", "a@x.y.example.org", true),
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
    fn a_domain_in_utf_8_and_its_a_labels_are_one() {
        for (pattern, address, served) in [
            ("xn--bcher-kva.example", "a@b\u{fc}cher.example", true),
            ("xn--bcher-kva.example", "a@B\u{dc}CHER.Example", true),
            ("b\u{fc}cher.example", "a@XN--bcher-kva.example", true),
            ("B\u{dc}cher.example", "a@b\u{fc}cher.example", true),
            ("*.xn--bcher-kva.example", "a@www.b\u{fc}cher.example", true),
            (
                "*.b\u{fc}cher.example",
                "a@\u{e4}.xn--bcher-kva.example",
                true,
            ),
            ("*.b\u{fc}cher.example", "a@b\u{fc}cher.example", false),
            ("bucher.example", "a@b\u{fc}cher.example", false),
            // In decomposed letters, too.
            ("xn--bcher-kva.example", "a@bu\u{308}cher.example", true),
            // No label: as it is written.
            ("xn--\u{fc}.example", "a@XN--\u{fc}.example", true),
        ] {
            assert_eq!(serves(&[pattern], address), served, "{pattern} {address}");
        }
    }

    /// A stranger chooses whom he asks for, and each thread has other sessions.
    #[test]
    fn what_a_recipient_costs_does_not_depend_on_how_many_are_listed() {
        let list: Vec<_> = (0..250_000)
            .flat_map(|n| [format!("{n}.example.org"), format!("*.{n}.example.net")])
            .collect();
        let many = domains(list.iter().map(String::as_str));
        assert_eq!(many.exact.len() + many.above.len(), 500_000);
        let looks = |domain: &str| {
            let looks = std::cell::Cell::new(0);
            let held = many.hold_by(domain, |domains, name| {
                looks.set(looks.get() + 1);
                domains.contains(name)
            });
            (held, looks.get())
        };
        assert_eq!(looks("249999.example.org"), (true, 1));
        assert_eq!(looks("x.0.example.net"), (true, 2));
        assert_eq!(looks("a.b.c.example.com"), (false, 5));
        assert_eq!(looks("[192.0.2.1]"), (false, 1));
    }

    /// What was meant before there were hashes.
    fn matches(pattern: &str, domain: &str) -> bool {
        let domain = domain.to_ascii_lowercase();
        let pattern = pattern.to_ascii_lowercase();
        match pattern.strip_prefix('*') {
            Some(suffix) => domain.len() > suffix.len() && domain.ends_with(suffix),
            None => pattern == domain,
        }
    }

    #[test]
    fn found_is_what_one_of_the_patterns_matches() {
        let mut state = 7u32;
        let mut below = |limit: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % limit
        };
        let mut name = || {
            let labels = (0..=below(4)).map(|_| ["a", "B", "ab", "b-a"][below(4)]);
            labels.collect::<Vec<_>>().join(".")
        };
        for _ in 0..2_000 {
            let listed: Vec<_> = (0..4)
                .flat_map(|_| [name(), format!("*.{}", name())])
                .collect();
            let found = domains(listed.iter().map(String::as_str));
            for domain in [name(), name(), name(), "[192.0.2.1]".to_owned()] {
                let one = listed.iter().any(|pattern| matches(pattern, &domain));
                assert_eq!(found.hold(&domain), one, "{domain} in {listed:?}");
            }
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
