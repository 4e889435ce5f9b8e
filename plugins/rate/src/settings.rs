//! The keys of `[config]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde::Deserialize;

use crate::bucket::Bucket;
use crate::exemptions::Exemptions;

/// The `[config]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// the limits
    bucket: Vec<BucketSettings>,
    /// who is not counted
    exempt: Exemptions,
    /// bits of an IPv4 address that make a network
    ipv4_network: u8,
    /// the same of IPv6
    ipv6_network: u8,
    /// while nobody can count
    when_unavailable: Unavailable,
    /// what the client hears: `{what}`, `{wait}`
    text: Option<String>,
}

/// One `[[config.bucket]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct BucketSettings {
    by: Subject,
    /// `600/1h`
    rate: String,
    /// at once
    burst: u32,
    #[serde(default)]
    each: Option<Each>,
    #[serde(default)]
    answer: Answer,
    /// at most, for the answer `hold`
    #[serde(default)]
    hold: Option<String>,
}

/// Whose mail is counted.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// the client's network
    Network,
    /// who logged in
    User,
    /// the domain of the sender
    SenderDomain,
    /// each recipient
    Recipient,
}

/// What costs a token.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Each {
    /// MAIL
    Message,
    /// RCPT
    Recipient,
}

/// What is answered when no token is left.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// 451 4.7.1
    #[default]
    Defer,
    /// 550 5.7.1
    Refuse,
    /// the usual, later; 451 where that would be too late
    Hold,
}

/// Without `state`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Unavailable {
    /// nobody is limited
    Continue,
    /// everybody waits
    Defer,
}

/// Settings that make sense.
#[derive(Debug)]
pub struct Checked {
    pub buckets: Vec<Bucket>,
    pub exempt: Exemptions,
    ipv4_network: u8,
    ipv6_network: u8,
    pub when_unavailable: Unavailable,
    pub text: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bucket: Vec::new(),
            exempt: Exemptions::default(),
            ipv4_network: 24,
            ipv6_network: 64,
            when_unavailable: Unavailable::Continue,
            text: None,
        }
    }
}

impl Settings {
    /// # Errors
    /// Names the key and what to write.
    pub fn check(self) -> Result<Checked, String> {
        if self.ipv4_network > 32 || self.ipv6_network > 128 {
            return Err("ipv4-network is 0 to 32 bits, ipv6-network 0 to 128".to_owned());
        }
        if self.bucket.is_empty() {
            return Err("no limits: write one as [[config.bucket]]".to_owned());
        }
        let most = MOST_BUCKETS;
        if self.bucket.len() > most {
            return Err(format!(
                "more than {most} buckets: each is asked of the store"
            ));
        }
        let buckets = self.bucket.into_iter().map(BucketSettings::check);
        Ok(Checked {
            buckets: buckets.collect::<Result<_, _>>()?,
            exempt: self.exempt.check()?,
            ipv4_network: self.ipv4_network,
            ipv6_network: self.ipv6_network,
            when_unavailable: self.when_unavailable,
            text: self.text,
        })
    }
}

impl Checked {
    /// The network that this client is counted in, e.g. `192.0.2.0/24`.
    pub fn network(&self, client: IpAddr) -> String {
        match client {
            IpAddr::V4(v4) => {
                let bits = self.ipv4_network;
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                format!("{}/{bits}", Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let bits = self.ipv6_network;
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                format!("{}/{bits}", Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        }
    }
}

/// Four steps in the store each, and a thousand are allowed at a time.
const MOST_BUCKETS: usize = 16;

/// What `state` keeps a key for, at most; some days are left for replies that are held.
const LONGEST: u64 = 399 * 86_400 * 1_000_000;

/// What the host holds a reply for, at most.
const LONGEST_HOLD: u64 = 30 * 1_000_000;

impl BucketSettings {
    fn check(self) -> Result<Bucket, String> {
        let each = match (self.by, self.each) {
            (Subject::Recipient, Some(Each::Message)) => {
                return Err("by = \"recipient\" counts recipients; leave `each` out".to_owned());
            }
            (Subject::Recipient, _) => Each::Recipient,
            (_, each) => each.unwrap_or(Each::Message),
        };
        let interval = interval(&self.rate)?;
        let burst = u64::from(self.burst);
        if burst == 0 || interval.saturating_mul(burst) > LONGEST {
            return Err(format!(
                "burst: {burst} is not from 1 to what comes back within 399 days at {}",
                self.rate
            ));
        }
        Ok(Bucket {
            name: format!("{:?}/{each:?} {}", self.by, self.rate),
            by: self.by,
            each,
            answer: self.answer,
            interval,
            burst,
            hold: hold(self.answer, self.hold.as_deref())?,
        })
    }
}

/// `600/1h`: microseconds from one to the next.
fn interval(rate: &str) -> Result<u64, String> {
    let read = rate.split_once('/').and_then(|(count, time)| {
        let count: u64 = count.parse().ok().filter(|count| *count > 0)?;
        Some(microseconds(time)? / count)
    });
    match read {
        Some(interval) if interval > 0 => Ok(interval),
        _ => Err(format!(
            "rate: `{rate}` is no rate; write it as 600/1h, 10/1m or 1000/1d"
        )),
    }
}

/// Nothing for other answers.
fn hold(answer: Answer, most: Option<&str>) -> Result<u64, String> {
    match (answer, most) {
        (Answer::Hold, most) => microseconds(most.unwrap_or("10s"))
            .filter(|time| (1..=LONGEST_HOLD).contains(time))
            .ok_or_else(|| "hold: write a time from 1s to 30s".to_owned()),
        (_, None) => Ok(0),
        (_, Some(_)) => Err("hold: only for answer = \"hold\"; leave it out".to_owned()),
    }
}

const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)];

fn microseconds(time: &str) -> Option<u64> {
    let seconds = UNITS.iter().find_map(|(letter, unit)| {
        let number: u64 = time.strip_suffix(letter)?.parse().ok()?;
        number.checked_mul(*unit)
    });
    seconds
        .filter(|it| *it <= 366 * 86_400)?
        .checked_mul(1_000_000)
}

/// In the largest unit that does not make it much longer, rounded up: `36 seconds`.
pub fn words(wait: Duration) -> String {
    let seconds = wait.as_secs() + u64::from(wait.subsec_micros() > 0);
    let names = [
        ("day", 86_400),
        ("hour", 3600),
        ("minute", 60),
        ("second", 1),
    ];
    let fits = names.iter().find(|(_, unit)| seconds >= 2 * unit);
    let (name, unit) = fits.copied().unwrap_or(("second", 1));
    let number = seconds.div_ceil(unit).max(1);
    format!("{number} {name}{}", if number == 1 { "" } else { "s" })
}

impl Subject {
    /// After "too much mail".
    pub fn words(self) -> &'static str {
        match self {
            Self::Network => "from your network",
            Self::User => "from you",
            Self::SenderDomain => "from this domain",
            Self::Recipient => "to this recipient",
        }
    }
}
