//! A DKIM-Signature field, RFC 6376 section 3.5.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::may_sign_for;
use crate::names;

/// How white space is treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonical {
    Simple,
    Relaxed,
}

/// `a=`. Signatures with SHA-1 are none any more (RFC 8301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rsa,
    Ed25519,
}

/// What a signature says.
#[derive(Clone, Debug)]
pub struct Signature {
    pub algorithm: Algorithm,
    pub signature: Vec<u8>,
    pub body_hash: Vec<u8>,
    pub header: Canonical,
    pub body: Canonical,
    /// A-labels, lower case
    pub domain: String,
    pub selector: String,
    /// the domain of `i=`, likewise
    pub agent: String,
    /// names of the signed fields
    pub signed: Vec<String>,
    /// octets of the body that are signed, where not all are
    pub length: Option<u64>,
    /// seconds since 1970
    pub expires: Option<u64>,
}

/// Fields that one signature may name.
const MOST_FIELDS: usize = 200;

/// `name=value` pairs between semicolons; names are used once.
pub struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    /// Section 3.2.
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut tags: Vec<(&str, &str)> = Vec::new();
        let text = text.trim().strip_suffix(';').unwrap_or(text.trim());
        for tag in text.split(';') {
            let (name, value) = tag.split_once('=')?;
            let (name, value) = (name.trim(), value.trim());
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let known = tags.iter().any(|(other, _)| *other == name);
            if name.is_empty() || !name.chars().all(plain) || known {
                return None;
            }
            tags.push((name, value));
        }
        Some(Self(tags))
    }

    /// The value of a tag.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        let tag = self.0.iter().find(|(other, _)| *other == name);
        tag.map(|(_, value)| *value)
    }

    /// The name of the first.
    pub fn first(&self) -> Option<&'a str> {
        self.0.first().map(|(name, _)| *name)
    }

    fn required(&self, name: &str) -> Result<&'a str, &'static str> {
        self.value(name).ok_or("a tag is missing")
    }

    fn number(&self, name: &str) -> Result<Option<u64>, &'static str> {
        let Some(text) = self.value(name) else {
            return Ok(None);
        };
        let digits = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        // Up to 76 digits are allowed: what does not fit is as good as never.
        digits
            .then(|| Some(text.parse().unwrap_or(u64::MAX)))
            .ok_or("a number is none")
    }
}

/// Octets from base64, with white space in it.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).ok()
}

impl Signature {
    pub fn parse(value: &[u8]) -> Result<Self, &'static str> {
        let text = std::str::from_utf8(value).map_err(|_| "it is not text")?;
        let tags = Tags::parse(text).ok_or("it is no list of tags")?;
        if tags.required("v")? != "1" {
            return Err("it is of another version");
        }
        if tags
            .value("q")
            .is_some_and(|query| !query.split(':').any(|it| it.trim() == "dns/txt"))
        {
            return Err("its key is kept elsewhere");
        }
        let (header, body) = forms(tags.value("c").unwrap_or("simple/simple"))?;
        let domain = names::domain(tags.required("d")?).ok_or("its domain is none")?;
        let signed = signed(tags.required("h")?)?;
        let agent = match tags.value("i") {
            Some(agent) => {
                let (_, domain) = agent.rsplit_once('@').ok_or("its agent has no domain")?;
                names::domain(domain).ok_or("its agent has no domain")?
            }
            None => domain.clone(),
        };
        if !may_sign_for(&agent, &domain) {
            return Err("its agent is of another domain");
        }
        let (made, expires) = (tags.number("t")?, tags.number("x")?);
        if made
            .zip(expires)
            .is_some_and(|(made, expires)| expires <= made)
        {
            return Err("it expired before it was made");
        }
        Ok(Self {
            algorithm: algorithm(tags.required("a")?)?,
            signature: from_base64(tags.required("b")?).ok_or("it is not base64")?,
            body_hash: from_base64(tags.required("bh")?).ok_or("its hash is not base64")?,
            header,
            body,
            selector: selector(tags.required("s")?)?,
            domain,
            agent,
            signed,
            length: tags.number("l")?,
            expires,
        })
    }
}

fn algorithm(text: &str) -> Result<Algorithm, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "rsa-sha256" => Ok(Algorithm::Rsa),
        "ed25519-sha256" => Ok(Algorithm::Ed25519),
        "rsa-sha1" => Err("it is made with SHA-1"),
        _ => Err("its algorithm is not known"),
    }
}

fn forms(text: &str) -> Result<(Canonical, Canonical), &'static str> {
    let form = |text: &str| match text.to_ascii_lowercase().as_str() {
        "simple" => Ok(Canonical::Simple),
        "relaxed" => Ok(Canonical::Relaxed),
        _ => Err("its canonical form is not known"),
    };
    let (header, body) = text.split_once('/').unwrap_or((text, "simple"));
    Ok((form(header)?, form(body)?))
}

/// Labels between dots, for a name is made of it.
fn selector(text: &str) -> Result<String, &'static str> {
    let label = |label: &str| {
        let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len()) && label.chars().all(plain)
    };
    let good = text.len() <= 200 && text.split('.').all(label);
    good.then(|| text.to_owned()).ok_or("its selector is none")
}

/// From is always among them, section 5.4.
fn signed(text: &str) -> Result<Vec<String>, &'static str> {
    let names: Vec<String> = text
        .split(':')
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    if !names.iter().any(|name| name == "from") {
        return Err("it does not cover From");
    }
    (names.len() <= MOST_FIELDS)
        .then_some(names)
        .ok_or("it names too many fields")
}

#[cfg(test)]
#[path = "../../tests/checks/tags.rs"]
pub mod checks;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What is read as tags is written as it is read: each name once, nothing around a value.
        #[test]
        fn tags_are_read_as_they_were_written(text in "([a-z_]{1,3}|=|;|[ \t]|\r\n |[A-Za-z0-9+/:.@-]{1,6}|ü){0,30}") {
            let Some(tags) = Tags::parse(&text) else {
                return Ok(());
            };
            let written: String = tags.0.iter().map(|(name, value)| format!("{name}={value};")).collect();
            let again = Tags::parse(&written).expect("they were tags before");
            prop_assert_eq!(&again.0, &tags.0);
            for (name, value) in &tags.0 {
                prop_assert_eq!(tags.value(name), Some(*value));
            }
        }

        /// A signature covers From, names no more fields than allowed, and its agent is of its domain.
        #[test]
        fn signatures_are_bounded(
            tags in prop::collection::vec("[bh]{1,2}=[A-Za-z0-9+/]{4}|x=[0-9]{1,80}|l=[0-9]{1,80}|i=[a-z.]{0,4}@[a-z.]{1,12}|t=[0-9]{1,20}|q=[a-z/:]{1,12}|c=[a-z/]{1,15}", 0..6),
            names in prop::collection::vec("[Ff]rom|To| subject ", 0..210),
            selector in "[a-zA-Z0-9ü_.-]{1,12}",
            domain in "[a-z0-9ü.-]{1,20}",
        ) {
            let (tags, names) = (tags.join(";"), names.join(":"));
            let text = format!("v=1;a=rsa-sha256;d={domain};s={selector};h={names};b=;bh=;{tags}");
            let Ok(it) = Signature::parse(text.as_bytes()) else {
                return Ok(());
            };
            prop_assert!(it.signed.len() <= MOST_FIELDS && it.signed.contains(&"from".to_owned()));
            prop_assert!(may_sign_for(&it.agent, &it.domain), "{} for {}", it.agent, it.domain);
            prop_assert!(names::domain(&it.domain).as_deref() == Some(&it.domain));
            prop_assert!(it.selector.len() <= 200 && !it.selector.contains(".."));
        }
    }
}
