//! A policy as a domain publishes it (RFC 9989 section 4.7).

use crate::names::{Found, Kind, Names};

/// What a domain asks to be done with mail that fails; the strictest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    None,
    Quarantine,
    Reject,
}

/// How alike two domains must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alignment {
    Relaxed,
    Strict,
}

/// A published policy.
#[derive(Clone, Debug)]
pub struct Policy {
    own: Wish,
    below: Wish,
    missing: Wish,
    pub dkim: Alignment,
    pub spf: Alignment,
    pub suffix: Suffix,
    mode: Mode,
}

/// How an author's domain stands to the one whose record this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// it is the same: `p=`
    Itself,
    /// it is below it: `sp=`
    Below,
    /// it is below it, and there is no such domain: `np=`
    Missing,
}

/// `psd=`: is this a public suffix?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suffix {
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

impl Policy {
    /// The one that stands at the name itself, if there is one.
    ///
    /// # Errors
    /// Where nobody could say.
    pub fn published(names: &mut dyn Names, name: &str) -> Result<Option<Self>, ()> {
        let texts = match names.look_up(&format!("_dmarc.{name}"), Kind::Txt) {
            Found::Records(texts) => texts,
            Found::Void => return Ok(None),
            Found::Temporary => return Err(()),
        };
        let mut policies = texts.iter().filter_map(|text| Self::parse(text));
        // More than one is none.
        Ok(match (policies.next(), policies.next()) {
            (policy, None) => policy,
            _ => None,
        })
    }

    /// Of the text of a record; None where it is no policy.
    pub fn parse(text: &str) -> Option<Self> {
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
        let below = value("sp").and_then(wish).unwrap_or(own);
        Some(Self {
            own,
            below,
            missing: value("np").and_then(wish).unwrap_or(below),
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

    /// What is asked for mail of such a domain that fails.
    pub fn wish(&self, standing: Standing) -> Wish {
        let wish = match standing {
            Standing::Itself => self.own,
            Standing::Below => self.below,
            Standing::Missing => self.missing,
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
