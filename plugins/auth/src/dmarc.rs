//! DMARC: does anybody who answers for this message answer for the domain that its reader sees in From?
//!
//! Policies are looked for as the revised DMARC has it, by walking up the name tree; no list of public suffixes is needed.

mod from;

use crate::names::{Found, Kind, Names, is_within};
use from::{Form, FromFields};

/// Labels of the longest name that is asked for on the walk.
const MOST_LABELS: usize = 8;

/// What a domain asks to be done with mail that fails; the strictest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    None,
    Quarantine,
    Reject,
}

/// What comes of it, RFC 8601 section 2.7; the strictest last.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Pass,
    /// nobody asks for anything
    None,
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
            Self::TempError => "temperror",
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

/// How alike two domains must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alignment {
    Relaxed,
    Strict,
}

/// A published policy.
#[derive(Clone, Debug)]
struct Policy {
    /// for the domain itself
    own: Wish,
    /// for those below it
    below: Wish,
    dkim: Alignment,
    spf: Alignment,
    suffix: Suffix,
    mode: Mode,
}

/// `psd=`: is this a public suffix?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Suffix {
    Yes,
    No,
    Unknown,
}

/// `t=`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Enforced,
    /// one step milder
    Testing,
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
    /// the policies from it upwards; None where nobody could say
    found: Option<Vec<(String, Policy)>>,
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
            found: walk(names, &domain).ok(),
            domain,
        };
        Self {
            authors: from.domains.into_iter().map(author).collect(),
            form: from.form,
        }
    }

    /// Evaluates for each; the strictest first, and never empty.
    pub fn check(&self, authenticated: &Authenticated) -> Vec<Judged> {
        let of_author = |author: &Author| Judged {
            author: Some(author.domain.clone()),
            outcome: author.check(authenticated),
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
    fn check(&self, authenticated: &Authenticated) -> Outcome {
        let Some(found) = &self.found else {
            return Outcome::TempError;
        };
        let Some((policy, organisation)) = applicable(found, &self.domain) else {
            return Outcome::None;
        };
        let aligned = |who: &Identifiers| policy.aligns(who, &self.domain, organisation);
        if aligned(&authenticated.passed) {
            return Outcome::Pass;
        }
        // Whoever could not have answered for it changes nothing by being late.
        if aligned(&authenticated.late) {
            return Outcome::TempError;
        }
        Outcome::Fail(policy.wish(&self.domain, organisation))
    }
}

/// The policies from the domain upwards.
fn walk(names: &mut dyn Names, author: &str) -> Result<Vec<(String, Policy)>, ()> {
    let mut found = Vec::new();
    let mut name = author;
    let mut labels = name.split('.').count();
    loop {
        if let Some(policy) = published(names, name)? {
            let suffix = policy.suffix;
            found.push((name.to_owned(), policy));
            // The walk ends at an organisation that says so, and at a suffix above one.
            if suffix != Suffix::Unknown && (suffix == Suffix::No || name != author) {
                return Ok(found);
            }
        }
        // A long name is cut to its last seven labels at once.
        let drop = match labels >= MOST_LABELS {
            true => labels - (MOST_LABELS - 1),
            false => 1,
        };
        let Some(rest) = name.splitn(drop + 1, '.').nth(drop) else {
            return Ok(found);
        };
        name = rest;
        labels -= drop;
    }
}

/// The policy that holds for the domain, and its organisation's domain.
fn applicable<'p>(found: &'p [(String, Policy)], author: &'p str) -> Option<(&'p Policy, &'p str)> {
    let (top, last) = found.last()?;
    let organisation = match last.suffix {
        Suffix::Yes if top != author => below(author, top),
        _ => top.as_str(),
    };
    let own = found.iter().find(|(name, _)| name == author);
    let of_organisation = found.iter().find(|(name, _)| name == organisation);
    let (_, policy) = own.or(of_organisation).or(found.last())?;
    Some((policy, organisation))
}

/// The part of `name` with one label more than `suffix`.
fn below<'n>(name: &'n str, suffix: &str) -> &'n str {
    let rest = name.len().saturating_sub(suffix.len() + 1);
    let from = name[..rest].rfind('.').map_or(0, |at| at + 1);
    &name[from..]
}

fn published(names: &mut dyn Names, name: &str) -> Result<Option<Policy>, ()> {
    let texts = match names.look_up(&format!("_dmarc.{name}"), Kind::Txt) {
        Found::Records(texts) => texts,
        Found::Void => return Ok(None),
        Found::Temporary => return Err(()),
    };
    let mut policies = texts.iter().filter_map(|text| Policy::parse(text));
    // More than one is none.
    Ok(match (policies.next(), policies.next()) {
        (policy, None) => policy,
        _ => None,
    })
}

impl Policy {
    fn parse(text: &str) -> Option<Self> {
        let mut tags = text.split(';').filter_map(|tag| {
            let (name, value) = tag.split_once('=')?;
            Some((
                name.trim().to_ascii_lowercase(),
                value.trim().to_ascii_lowercase(),
            ))
        });
        if tags.next()? != ("v".to_owned(), "dmarc1".to_owned())
            || !text.trim_start().starts_with("v")
        {
            return None;
        }
        let tags: Vec<_> = tags.collect();
        let value = |wanted: &str| {
            let tag = tags.iter().find(|(name, _)| name == wanted);
            tag.map(|(_, value)| value.as_str())
        };
        let alignment = |tag| match value(tag) {
            Some("s") => Alignment::Strict,
            _ => Alignment::Relaxed,
        };
        let own = value("p").and_then(wish).unwrap_or(Wish::None);
        Some(Self {
            own,
            below: value("sp").and_then(wish).unwrap_or(own),
            dkim: alignment("adkim"),
            spf: alignment("aspf"),
            suffix: match value("psd") {
                Some("y") => Suffix::Yes,
                Some("n") => Suffix::No,
                _ => Suffix::Unknown,
            },
            mode: match (value("t"), value("pct")) {
                (Some("y"), _) | (None, Some("0")) => Mode::Testing,
                _ => Mode::Enforced,
            },
        })
    }

    /// Is one of these the author's domain, or near enough?
    fn aligns(&self, who: &Identifiers, author: &str, organisation: &str) -> bool {
        let near = |domain: &String, alignment| match alignment {
            Alignment::Strict => domain == author,
            Alignment::Relaxed => domain == author || is_within(domain, organisation),
        };
        let by_spf = who.spf.iter().any(|domain| near(domain, self.spf));
        by_spf || who.dkim.iter().any(|domain| near(domain, self.dkim))
    }

    fn wish(&self, author: &str, organisation: &str) -> Wish {
        let wish = match author == organisation {
            true => self.own,
            false => self.below,
        };
        match (self.mode, wish) {
            (Mode::Enforced, wish) => wish,
            (Mode::Testing, Wish::Reject) => Wish::Quarantine,
            (Mode::Testing, _) => Wish::None,
        }
    }
}

fn wish(text: &str) -> Option<Wish> {
    match text {
        "none" => Some(Wish::None),
        "quarantine" => Some(Wish::Quarantine),
        "reject" => Some(Wish::Reject),
        _ => None,
    }
}

#[cfg(test)]
#[path = "../tests/checks/dmarc.rs"]
pub mod checks;
#[cfg(test)]
mod tests;
