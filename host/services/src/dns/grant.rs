//! Which names a filter may ask for.

use std::fmt;
use std::time::Duration;

use super::DomainName;

/// `dns:..` and `dns-time` of one filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// none: every name
    pub patterns: Vec<Pattern>,
    /// real time that all queries of a call may take together
    pub time: Duration,
}

/// `dns.example`, or `*.zen.example` for everything below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// this name alone
    Name(DomainName),
    /// names below it
    Below(DomainName),
}

impl Pattern {
    /// None for what is neither.
    pub fn parse(text: &str) -> Option<Self> {
        match text.strip_prefix("*.") {
            Some(domain) => DomainName::parse(domain).map(Pattern::Below),
            None => DomainName::parse(text).map(Pattern::Name),
        }
        .filter(|pattern| !pattern.name().as_str().contains('*'))
    }

    fn name(&self) -> &DomainName {
        match self {
            Pattern::Name(name) | Pattern::Below(name) => name,
        }
    }

    fn holds(&self, name: &DomainName) -> bool {
        match self {
            Pattern::Name(own) => own == name,
            Pattern::Below(domain) => {
                let above = name.as_str().strip_suffix(domain.as_str());
                above.is_some_and(|labels| labels.len() > 1 && labels.ends_with('.'))
            }
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Name(name) => write!(f, "{name}"),
            Pattern::Below(domain) => write!(f, "*.{domain}"),
        }
    }
}

impl Default for Grant {
    fn default() -> Self {
        Self {
            patterns: Vec::new(),
            time: Duration::from_secs(5),
        }
    }
}

impl Grant {
    /// May this name be asked for?
    pub fn allows(&self, name: &DomainName) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| pattern.holds(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(patterns: &[&str], name: &str) -> bool {
        let patterns = patterns.iter().map(|text| Pattern::parse(text).unwrap());
        let grant = Grant {
            patterns: patterns.collect(),
            ..Grant::default()
        };
        grant.allows(&DomainName::parse(name).unwrap())
    }

    #[test]
    fn a_star_is_everything_below_and_a_name_is_itself() {
        let patterns = ["*.Zen.example", "dns.example."];
        assert!(allows(&patterns, "2.0.0.127.zen.example"));
        assert!(allows(&patterns, "DNS.example"));
        assert!(!allows(&patterns, "zen.example"));
        assert!(!allows(&patterns, "a.dns.example"));
        assert!(!allows(&patterns, "notzen.example"));
        assert!(allows(&[], "anything.example"));
    }

    #[test]
    fn stars_elsewhere_are_no_patterns() {
        for text in ["*", "*.", "", "a.*.example", "*zen.example", "*.*.example"] {
            assert_eq!(Pattern::parse(text), None, "{text}");
        }
    }
}
