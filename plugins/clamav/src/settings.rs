//! The keys of `[config]`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

/// The `[config]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// where clamd listens
    address: SocketAddr,
    /// for all of a message
    time: String,
    /// octets that clamd takes
    most: String,
    /// what becomes of larger messages
    larger: Larger,
    /// what becomes of a message in which something was found
    on_found: Answer,
    /// the same by how the name of the signature begins
    signatures: BTreeMap<String, Answer>,
    /// what becomes of a message that nobody could look at
    when_unavailable: Unavailable,
    /// what the client hears: `{signature}`
    text: String,
}

/// Messages over `most`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Larger {
    /// pass unseen
    Skip,
    /// pass unseen, with a field that says so
    Tag,
    /// their first octets are looked at
    Head,
    /// 451
    Defer,
}

/// Messages that nobody could look at.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// 451
    Defer,
    /// pass, with a field that says so
    Tag,
    /// pass
    Continue,
}

/// `"reject"`, `"quarantine"`, `"tag"`, `"defer"`, `"ignore"`, or points for the score.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(
    untagged,
    expecting = "write \"reject\", \"quarantine\", \"tag\", \"defer\", \"ignore\" or points such as 8.0"
)]
pub enum Answer {
    /// an answer to the message
    Word(Word),
    /// add to its score
    Points(f64),
}

/// An answer in words.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// 550 5.7.1
    Reject,
    /// the operator must grant it
    Quarantine,
    /// pass, with a field that says so
    Tag,
    /// 451 4.7.1
    Defer,
    /// a line in the log
    Ignore,
}

/// Settings that make sense.
#[derive(Debug)]
pub struct Checked {
    pub address: SocketAddr,
    pub time: Duration,
    /// octets
    pub most: u32,
    pub larger: Larger,
    on_found: Answer,
    signatures: BTreeMap<String, Answer>,
    pub when_unavailable: Unavailable,
    pub text: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: (Ipv4Addr::LOCALHOST, 3310).into(),
            time: "20s".to_owned(),
            most: "25 MiB".to_owned(),
            larger: Larger::Head,
            on_found: Answer::Word(Word::Reject),
            signatures: BTreeMap::new(),
            when_unavailable: Unavailable::Defer,
            text: "we do not take this message: {signature} was found in it".to_owned(),
        }
    }
}

impl Settings {
    /// # Errors
    /// Names the key and what to write.
    pub fn check(self) -> Result<Checked, String> {
        if self.signatures.contains_key("") {
            return Err("signatures: \"\" is how all names begin; write on-found".to_owned());
        }
        Ok(Checked {
            address: self.address,
            time: time(&self.time)?,
            most: octets(&self.most)?,
            larger: self.larger,
            on_found: self.on_found,
            signatures: self.signatures,
            when_unavailable: self.when_unavailable,
            text: self.text,
        })
    }
}

impl Checked {
    /// By the longest beginning that is named.
    pub fn answer_to(&self, signature: &str) -> Answer {
        let named = self.signatures.iter();
        let named = named.filter(|(beginning, _)| signature.starts_with(beginning.as_str()));
        let longest = named.max_by_key(|(beginning, _)| beginning.len());
        longest.map_or(self.on_found, |(_, answer)| *answer)
    }

    /// Can a field of ours be in a message? Then nobody else's is left there.
    pub fn tags(&self) -> bool {
        let tag = Answer::Word(Word::Tag);
        self.larger == Larger::Tag
            || self.when_unavailable == Unavailable::Tag
            || self.on_found == tag
            || self.signatures.values().any(|answer| *answer == tag)
    }
}

/// `500ms` or `20s`, at most five minutes.
fn time(text: &str) -> Result<Duration, String> {
    let number = |unit: &str| text.strip_suffix(unit)?.parse::<u64>().ok();
    let read = match number("ms") {
        Some(number) => Some(number),
        None => number("s").and_then(|seconds| seconds.checked_mul(1000)),
    };
    match read {
        Some(number @ 1..=300_000) => Ok(Duration::from_millis(number)),
        _ => Err(format!(
            "time: `{text}` is no time up to 300s; write it as 20s or 500ms, less than `tcp-time`"
        )),
    }
}

const UNITS: [(&str, u32); 3] = [(" MiB", 1 << 20), (" KiB", 1 << 10), (" B", 1)];

/// `25 MiB`, at most 2 GiB.
fn octets(text: &str) -> Result<u32, String> {
    let read = UNITS.iter().find_map(|(word, unit)| {
        let number: u32 = text.strip_suffix(word)?.parse().ok()?;
        number.checked_mul(*unit)
    });
    match read {
        Some(octets @ 1..=0x8000_0000) => Ok(octets),
        _ => Err(format!(
            "most: `{text}` is no size up to 2048 MiB; write it as 25 MiB or 500 KiB"
        )),
    }
}
