//! DKIM (RFC 6376, with RFC 8301 and RFC 8463): which domains answer for this message?

mod body;
mod fields;
mod key;
mod signature;

use sha2::{Digest, Sha256};

use crate::names::{Found, Kind, Names, is_within};
pub use body::BodyHash;
pub use fields::Field;
use key::{Key, Purpose};
pub use signature::{Canonical, Signature};

/// Signatures that are looked at; a message may hold thousands.
const MOST_SIGNATURES: usize = 5;
/// Octets of a signature field.
const LONGEST: usize = 16 << 10;

/// What comes of a signature, RFC 8601 section 2.7.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Pass,
    /// what was signed is not what came
    Fail(&'static str),
    /// the same, but whoever signed is only testing
    Neutral(&'static str),
    /// it holds, but in a way that nobody should rely on
    Policy(&'static str),
    /// it cannot be taken for one
    PermError(&'static str),
    TempError,
}

impl Outcome {
    /// As in Authentication-Results.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail(_) => "fail",
            Self::Neutral(_) => "neutral",
            Self::Policy(_) => "policy",
            Self::PermError(_) => "permerror",
            Self::TempError => "temperror",
        }
    }

    /// What is wrong, in words.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Fail(why) | Self::Neutral(why) | Self::Policy(why) | Self::PermError(why) => {
                Some(why)
            }
            Self::Pass | Self::TempError => None,
        }
    }
}

/// One signature of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    pub outcome: Outcome,
    /// `d=`, in lower case; empty where it has none
    pub domain: String,
    /// `s=`
    pub selector: String,
}

/// A signature that was read, and where its field stands.
struct Read {
    at: usize,
    signature: Result<Signature, &'static str>,
}

/// The signatures of a message and what of its body they need.
pub struct Signatures {
    fields: Vec<Field>,
    found: Vec<Read>,
}

impl Signatures {
    /// Reads those of these fields, from top to bottom.
    pub fn of(fields: Vec<Field>) -> Self {
        let signed = |(_, field): &(usize, &Field)| field.is_named("dkim-signature");
        let read = |(at, field): (usize, &Field)| Read {
            at,
            signature: match field.value.len() <= LONGEST {
                true => Signature::parse(&field.value),
                false => Err("it is too long"),
            },
        };
        let signed = fields.iter().enumerate().filter(signed);
        let found = signed.take(MOST_SIGNATURES).map(read).collect();
        Self { fields, found }
    }

    /// A hash of the body for each canonical form that is asked for.
    pub fn hashes(&self) -> Vec<BodyHash> {
        let wants = |form: Canonical| {
            let mut signatures = self
                .found
                .iter()
                .filter_map(|it| it.signature.as_ref().ok());
            signatures.any(|signature| signature.body == form)
        };
        let forms = [Canonical::Simple, Canonical::Relaxed];
        forms
            .into_iter()
            .filter(|form| wants(*form))
            .map(BodyHash::new)
            .collect()
    }

    /// Checks each; `now` is seconds since 1970.
    pub fn check(&self, names: &mut dyn Names, hashes: Vec<BodyHash>, now: u64) -> Vec<Checked> {
        let hashes: Vec<_> = hashes.into_iter().map(BodyHash::end).collect();
        let check = |it: &Read| match &it.signature {
            Err(why) => Checked {
                outcome: Outcome::PermError(why),
                domain: String::new(),
                selector: String::new(),
            },
            Ok(signature) => Checked {
                outcome: self.outcome(it.at, signature, names, &hashes, now),
                domain: signature.domain.clone(),
                selector: signature.selector.clone(),
            },
        };
        self.found.iter().map(check).collect()
    }

    fn outcome(
        &self,
        at: usize,
        signature: &Signature,
        names: &mut dyn Names,
        hashes: &[body::Hashed],
        now: u64,
    ) -> Outcome {
        let covers = match covers(signature, hashes, now) {
            Err(outcome @ (Outcome::PermError(_) | Outcome::Policy(_))) => return outcome,
            covers => covers,
        };
        // Of one that fails it is asked what the domain thinks of its signatures.
        let key = match published(signature, names) {
            Ok(key) => key,
            Err(outcome) => return covers.err().unwrap_or(outcome),
        };
        let verified = covers.and_then(|()| {
            let hash = self.hash(at, signature);
            key.verifies(signature.algorithm, &hash, &signature.signature)
        });
        match verified {
            Ok(()) => Outcome::Pass,
            Err(Outcome::Fail(_)) if key.purpose == Purpose::Testing => {
                Outcome::Neutral("it does not hold, and its domain is only testing")
            }
            Err(outcome) => outcome,
        }
    }

    /// Of the signed fields and the signature's own, section 3.7.
    fn hash(&self, at: usize, signature: &Signature) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut used = vec![false; self.fields.len()];
        for name in &signature.signed {
            let unused = |(n, field): &(usize, &Field)| !used[*n] && field.is_named(name);
            let last = self.fields.iter().enumerate().rfind(unused);
            if let Some((n, field)) = last {
                hash.update(field.canonical(signature.header));
                hash.update(b"\r\n");
                used[n] = true;
            }
        }
        hash.update(
            self.fields[at]
                .without_signature()
                .canonical(signature.header),
        );
        hash.finalize().into()
    }
}

/// Is it still valid, and is the body the one that it covers?
fn covers(signature: &Signature, hashes: &[body::Hashed], now: u64) -> Result<(), Outcome> {
    if signature.expires.is_some_and(|expires| expires < now) {
        return Err(Outcome::Fail("it has expired"));
    }
    let hashed = hashes.iter().find(|hashed| hashed.form == signature.body);
    let Some(hashed) = hashed else {
        return Err(Outcome::PermError("its body was not read"));
    };
    let covered = signature.length.unwrap_or(hashed.octets);
    if covered < hashed.octets {
        return Err(Outcome::Policy("it covers a part of the body only"));
    }
    match signature.body_hash == hashed.hash {
        true => Ok(()),
        false => Err(Outcome::Fail("the body was changed")),
    }
}

/// The key that a signature names, section 3.6.
fn published(signature: &Signature, names: &mut dyn Names) -> Result<Key, Outcome> {
    let name = format!("{}._domainkey.{}", signature.selector, signature.domain);
    let texts = match names.look_up(&name, Kind::Txt) {
        Found::Records(texts) => texts,
        Found::Void => return Err(Outcome::PermError("there is no key")),
        Found::Temporary => return Err(Outcome::TempError),
    };
    let [text] = texts.as_slice() else {
        return Err(Outcome::PermError("there is more than one key"));
    };
    let key = Key::parse(text).map_err(Outcome::PermError)?;
    if key.is_strict && signature.agent != signature.domain {
        return Err(Outcome::PermError("the key is not for subdomains"));
    }
    Ok(key)
}

/// Is `agent` the domain itself or below it (section 3.5, `i=`)?
fn may_sign_for(agent: &str, domain: &str) -> bool {
    is_within(agent, domain)
}

#[cfg(test)]
#[path = "../tests/checks/dkim.rs"]
pub mod checks;
#[cfg(test)]
pub use signature::checks as tag_checks;
#[cfg(test)]
mod peers;
#[cfg(test)]
mod tests;
