//! The walk up the tree of names (RFC 9989 section 4.10): which policies stand there, and where one organisation ends.

use super::policy::{Policy, Suffix};
use crate::names::{Names, is_within};

/// Labels of the longest name above the first that is asked about.
const MOST_LABELS: usize = 7;

/// Do two domains belong to one organisation? The surest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Related {
    No,
    /// nobody could say
    Perhaps,
    Yes,
}

/// The names that are asked about, at most eight: the domain, and all above it that have seven labels or fewer.
fn upwards(domain: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(domain), |name| {
        let labels = name.split('.').count();
        let drop = labels.saturating_sub(MOST_LABELS).max(1);
        name.splitn(drop + 1, '.').nth(drop)
    })
}

/// Does a walk from the domain ask about that name? It passes over some above a domain of more than eight labels.
pub fn comes_by(domain: &str, name: &str) -> bool {
    upwards(domain).any(|asked| asked == name)
}

/// What a walk from a domain has found.
#[derive(Clone, Debug)]
pub struct Tree {
    /// the policies from it upwards, each with its name
    pub found: Vec<(String, Policy)>,
    pub end: End,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Reached,
    /// at a name of which nobody could say
    Open,
}

impl Tree {
    /// Asks from the domain upwards.
    pub fn above(names: &mut dyn Names, domain: &str) -> Self {
        let mut found = Vec::new();
        for name in upwards(domain) {
            match Policy::published(names, name) {
                Ok(None) => {}
                Ok(Some(policy)) => {
                    let suffix = policy.suffix;
                    found.push((name.to_owned(), policy));
                    // It ends at an organisation that says so, and at a suffix.
                    if suffix != Suffix::Unknown {
                        break;
                    }
                }
                Err(()) => {
                    let end = End::Open;
                    return Self { found, end };
                }
            }
        }
        let end = End::Reached;
        Self { found, end }
    }
}

/// Is the domain, which lies below that organisation's, of the same one? Not if a suffix lies between, or an organisation of
/// its own (section 4.10.2).
pub fn belongs(names: &mut dyn Names, domain: &str, organisation: &str) -> Related {
    let between = |name: &&str| is_within(name, organisation) && *name != organisation;
    let mut related = Related::Yes;
    for name in upwards(domain).take_while(between) {
        match Policy::published(names, name) {
            Ok(Some(policy)) if policy.suffix != Suffix::Unknown => return Related::No,
            Ok(_) => {}
            Err(()) => related = Related::Perhaps,
        }
    }
    related
}
