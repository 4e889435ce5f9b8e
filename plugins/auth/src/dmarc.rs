//! DMARC: does anybody who answers for this message answer for the domain that its reader sees in From?
//!
//! Policies are looked for as the revised DMARC has it, by walking up the name tree; no list of public suffixes is needed.

mod from;
mod policy;
mod tree;

use std::collections::BTreeSet;

use crate::names::{Found, Kind, Names, is_within};
use from::{Form, FromFields};
pub use policy::Wish;
use policy::{Alignment, Policy, Standing, Suffix};
use tree::{End, Related, Tree, belongs, comes_by};

/// What comes of it, RFC 8601 section 2.7; the strictest last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Pass,
    /// nobody asks for anything
    None,
    /// nobody could say, and whatever it were, nobody asks for anything
    Undecided,
    /// From does not say whose the message is
    PermError,
    TempError,
    /// and what the domain asks for then
    Fail(Wish),
}

impl Outcome {
    /// As in Authentication-Results.
    pub fn word(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::TempError | Self::Undecided => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// Domains that answer for the message, or could have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identifiers {
    /// by SPF
    pub spf: Option<String>,
    /// by DKIM
    pub dkim: Vec<String>,
}

/// What others have found.
#[derive(Clone, Debug, Default)]
pub struct Authenticated {
    /// they answer for it
    pub passed: Identifiers,
    /// whom the name system left without an answer
    pub late: Identifiers,
}

/// Everybody whom From names, and what their domains ask for.
#[derive(Clone, Debug)]
pub struct Authors {
    authors: Vec<Author>,
    form: Form,
}

/// One domain of From.
#[derive(Clone, Debug)]
struct Author {
    domain: String,
    tree: Tree,
}

/// What comes of one domain of From.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// None where it is about From as a whole
    pub author: Option<String>,
    pub outcome: Outcome,
}

impl Authors {
    /// Reads these From fields and asks for the policies. To be done before anything that others can make slow.
    pub fn look_up(names: &mut dyn Names, fields: &[&[u8]]) -> Self {
        let from = FromFields::read(fields);
        let author = |domain: String| Author {
            tree: Tree::above(names, &domain),
            domain,
        };
        Self {
            authors: from.domains.into_iter().map(author).collect(),
            form: from.form,
        }
    }

    /// Evaluates for each; the strictest first, and never empty. Asks on where the outcome depends on it.
    pub fn check(&self, names: &mut dyn Names, authenticated: &Authenticated) -> Vec<Judged> {
        let of_author = |author: &Author| Judged {
            author: Some(author.domain.clone()),
            outcome: author.check(names, authenticated),
        };
        let of_form = (self.form == Form::Malformed).then_some(Judged {
            author: None,
            outcome: Outcome::PermError,
        });
        let mut judged: Vec<_> = self.authors.iter().map(of_author).chain(of_form).collect();
        judged.sort_by(|one, other| other.outcome.cmp(&one.outcome));
        judged
    }
}

impl Author {
    fn check(&self, names: &mut dyn Names, authenticated: &Authenticated) -> Outcome {
        let Some(applicable) = Applicable::of(&self.tree, &self.domain) else {
            return match self.tree.end {
                End::Reached => Outcome::None,
                End::Open => Outcome::TempError,
            };
        };
        let passed = applicable.aligns(names, &authenticated.passed, &self.domain);
        if passed == Related::Yes {
            return Outcome::Pass;
        }
        // Whoever could not have answered for it changes nothing by being late.
        if passed.max(applicable.aligns(names, &authenticated.late, &self.domain)) != Related::No {
            return applicable.undecided(&self.domain);
        }
        match applicable.wish(names, &self.domain) {
            Some(wish) => Outcome::Fail(wish),
            None => Outcome::TempError,
        }
    }
}

/// The policy that holds for an author's domain.
struct Applicable<'p> {
    policy: &'p Policy,
    /// whose record it is
    at: &'p str,
    /// of an open tree the lowest that it can be
    organisation: &'p str,
    /// the highest name with a record, which says what the organisation is
    top: &'p str,
    end: End,
}

impl<'p> Applicable<'p> {
    /// RFC 9989 sections 4.10.1 and 4.10.2.
    fn of(tree: &'p Tree, author: &'p str) -> Option<Self> {
        let found = &tree.found;
        let (top, last) = found.last()?;
        let organisation = match last.suffix {
            Suffix::Yes if top != author => below(author, top),
            _ => top.as_str(),
        };
        let own = found.iter().find(|(name, _)| name == author);
        let of_organisation = found.iter().find(|(name, _)| name == organisation);
        let (at, policy) = own.or(of_organisation).or(found.last())?;
        Some(Self {
            policy,
            at,
            organisation,
            top,
            end: tree.end,
        })
    }

    /// Is one of these the author's domain, or near enough? Asks as long as that is open.
    fn aligns(&self, names: &mut dyn Names, who: &Identifiers, author: &str) -> Related {
        let of_spf = who.spf.iter().map(|domain| (domain, self.policy.spf));
        let of_dkim = who.dkim.iter().map(|domain| (domain, self.policy.dkim));
        let mut others = BTreeSet::new();
        for (domain, alignment) in of_spf.chain(of_dkim) {
            if domain == author {
                return Related::Yes;
            }
            if alignment == Alignment::Relaxed {
                others.insert(domain);
            }
        }
        // Whose record counts, and what it says of alignment, stands above.
        if self.end == End::Open && self.at != author {
            return Related::Perhaps;
        }
        let mut best = Related::No;
        for domain in others {
            best = best.max(self.relation(names, domain, author));
            if best == Related::Yes {
                break;
            }
        }
        best
    }

    /// Is a domain of the author's organisation? Nobody is of one with a suffix that writes mail itself.
    fn relation(&self, names: &mut dyn Names, domain: &str, author: &str) -> Related {
        if self.at == author && self.policy.suffix == Suffix::Yes {
            return Related::No;
        }
        if is_within(domain, self.organisation) && comes_by(domain, self.top) {
            return belongs(names, domain, self.organisation);
        }
        // A record above may make one organisation of both.
        let top = |name: &str| name.rsplit('.').next().map(str::to_owned);
        match self.end == End::Open && top(domain) == top(author) {
            true => Related::Perhaps,
            false => Related::No,
        }
    }

    /// Mail is not to wait for an answer that could only be that nothing is asked for.
    fn undecided(&self, author: &str) -> Outcome {
        let (own, below) = (Standing::Itself, [Standing::Below, Standing::Missing]);
        let is_mild = |standing| self.policy.wish(standing) == Wish::None;
        let is_mild = match (self.at == author, self.end) {
            (true, _) => is_mild(own),
            (false, End::Reached) => below.into_iter().all(is_mild),
            (false, End::Open) => false,
        };
        match is_mild {
            true => Outcome::Undecided,
            false => Outcome::TempError,
        }
    }

    /// What is asked for when nobody answers for the author; None where nobody could say whether there is such a domain.
    fn wish(&self, names: &mut dyn Names, author: &str) -> Option<Wish> {
        if self.at == author {
            return Some(self.policy.wish(Standing::Itself));
        }
        let (below, missing) = (
            self.policy.wish(Standing::Below),
            self.policy.wish(Standing::Missing),
        );
        if below == missing {
            return Some(below);
        }
        exists(names, author).map(|exists| if exists { below } else { missing })
    }
}

/// The part of `name` with one label more than `suffix`.
fn below<'n>(name: &'n str, suffix: &str) -> &'n str {
    let rest = name.len().saturating_sub(suffix.len() + 1);
    let from = name[..rest].rfind('.').map_or(0, |at| at + 1);
    &name[from..]
}

/// Is there such a domain, as DMARC has it: one with an address or a mail server? None where nobody could say.
fn exists(names: &mut dyn Names, domain: &str) -> Option<bool> {
    let mut exists = Some(false);
    for kind in [Kind::A, Kind::Mx, Kind::Aaaa] {
        match names.look_up(domain, kind) {
            Found::Records(_) => return Some(true),
            Found::Void => {}
            Found::Temporary => exists = None,
        }
    }
    exists
}

#[cfg(test)]
#[path = "../tests/checks/dmarc.rs"]
pub mod checks;
#[cfg(test)]
mod tests;
