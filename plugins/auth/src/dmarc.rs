//! DMARC: does anybody who answers for this message answer for the domain that its reader sees in From?
//!
//! Policies are looked for as the revised DMARC has it, by walking up the name tree; no list of public suffixes is needed.

use crate::names::{self, Found, Kind, Names, is_within};

/// Labels of the longest name that is asked for on the walk.
const MOST_LABELS: usize = 8;

/// What a domain asks to be done with mail that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    None,
    Quarantine,
    Reject,
}

/// What comes of it, RFC 8601 section 2.7.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// nobody asks for anything
    None,
    Pass,
    /// and what the domain asks for then
    Fail(Wish),
    TempError,
    /// From names no single domain
    PermError,
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

/// Domains that others have found to answer for the message.
#[derive(Clone, Debug, Default)]
pub struct Authenticated {
    /// by SPF
    pub spf: Option<String>,
    /// by DKIM
    pub dkim: Vec<String>,
    /// did the name system fail somebody on the way?
    pub incomplete: bool,
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

/// Evaluates for the domain of From.
pub fn check(names: &mut dyn Names, author: &str, authenticated: &Authenticated) -> Outcome {
    let Ok(found) = walk(names, author) else {
        return Outcome::TempError;
    };
    let Some((policy, organisation)) = applicable(&found, author) else {
        return Outcome::None;
    };
    let aligned = |domain: &str, alignment| match alignment {
        Alignment::Strict => domain == author,
        Alignment::Relaxed => domain == author || is_within(domain, organisation),
    };
    let by_spf = authenticated
        .spf
        .iter()
        .any(|domain| aligned(domain, policy.spf));
    let by_dkim = authenticated
        .dkim
        .iter()
        .any(|domain| aligned(domain, policy.dkim));
    if by_spf || by_dkim {
        return Outcome::Pass;
    }
    if authenticated.incomplete {
        return Outcome::TempError;
    }
    Outcome::Fail(policy.wish(author, organisation))
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

/// The one domain of the authors in these From fields; None where there is none or more than one.
pub fn author(fields: &[&[u8]]) -> Option<String> {
    let [field] = fields else {
        return None;
    };
    let text = String::from_utf8_lossy(field);
    let mut domains: Vec<String> = mailboxes(&text)
        .iter()
        .map(|mailbox| {
            mailbox
                .rsplit_once('@')
                .and_then(|(_, domain)| names::domain(domain.trim()))
        })
        .collect::<Option<_>>()?;
    domains.dedup();
    match domains.len() {
        1 => domains.pop(),
        _ => None,
    }
}

/// The addresses of a list, RFC 5322 section 3.4: comments and quoted texts are passed over, what is in angle brackets
/// counts, or else all of the entry.
fn mailboxes(text: &str) -> Vec<String> {
    let mut scan = Scan::default();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if scan.comment > 0 || scan.quote == Quote::Open => drop(characters.next()),
            _ => scan.take(character),
        }
    }
    scan.ends();
    scan.found
}

#[derive(Default)]
struct Scan {
    found: Vec<String>,
    plain: String,
    angle: Option<String>,
    comment: usize,
    quote: Quote,
    place: Place,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Quote {
    Open,
    #[default]
    Closed,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    Inside,
    #[default]
    Outside,
}

impl Scan {
    fn take(&mut self, character: char) {
        match (character, self.quote, self.comment) {
            ('"', Quote::Open, _) => self.quote = Quote::Closed,
            (_, Quote::Open, _) => {}
            ('(', _, _) => self.comment += 1,
            (')', _, 1..) => self.comment -= 1,
            (_, _, 1..) => {}
            ('"', _, _) => self.quote = Quote::Open,
            ('<', _, _) => {
                self.place = Place::Inside;
                self.angle = Some(String::new());
            }
            ('>', _, _) => self.place = Place::Outside,
            // A group's name ends in a colon, and the group in a semicolon.
            (':', _, _) if self.place == Place::Outside => self.plain.clear(),
            (',' | ';', _, _) if self.place == Place::Outside => self.ends(),
            _ => match (self.place, &mut self.angle) {
                (Place::Inside, Some(angle)) => angle.push(character),
                _ => self.plain.push(character),
            },
        }
    }

    fn ends(&mut self) {
        let plain = std::mem::take(&mut self.plain);
        let found = self.angle.take().unwrap_or(plain);
        if !found.trim().is_empty() {
            self.found.push(found.trim().to_owned());
        }
    }
}

#[cfg(test)]
mod tests;
