use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

/// A size in octets, written with its unit: `"64 MiB"`, `"10 MB"`, `"512 KiB"`, `"100 B"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// A length of time, written with its unit: `"250ms"`, `"10s"`, `"5m"`, `"1h"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span(pub Duration);

const SIZES: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

/// Milliseconds.
const SPANS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl ByteSize {
    /// `n` times 1024 times 1024 octets.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }
}

impl FromStr for ByteSize {
    type Err = String;
    /// The error says what to write.
    fn from_str(text: &str) -> Result<Self, String> {
        measure(text, &SIZES).map(Self).ok_or_else(|| {
            format!("`{text}` is not a size: write a whole number and a unit, e.g. \"64 MiB\" (B, KB, KiB, MB, MiB, GB, GiB)")
        })
    }
}

impl FromStr for Span {
    type Err = String;
    /// The error says what to write.
    fn from_str(text: &str) -> Result<Self, String> {
        let span = measure(text, &SPANS).map(|ms| Self(Duration::from_millis(ms)));
        span.ok_or_else(|| {
            format!("`{text}` is not a length of time: write a whole number and a unit, e.g. \"10s\" (ms, s, m, h, d)")
        })
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, unit) = largest(self.0, &SIZES);
        write!(f, "{} {name}", self.0 / unit)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        let (name, unit) = largest(ms, &SPANS);
        write!(f, "{}{name}", ms / unit)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Measure("a size in quotes, with its unit, e.g. \"64 MiB\""))?
            .parse()
            .map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(Measure("a time in quotes, with its unit, e.g. \"10s\""))?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Takes a string only, so that a bare number is refused in words that name the unit.
struct Measure(&'static str);

impl de::Visitor<'_> for Measure {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
    fn visit_str<E: de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

fn measure(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = (&text[..digits], text[digits..].trim_start());
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// The largest unit that divides the amount without rest.
fn largest(amount: u64, units: &[(&'static str, u64)]) -> (&'static str, u64) {
    let fits = |unit: u64| amount != 0 && amount.is_multiple_of(unit);
    let mut by_size = units.to_vec();
    by_size.sort_by_key(|(_, unit)| std::cmp::Reverse(*unit));
    let fallback = *by_size.last().expect("unit tables are not empty");
    by_size
        .into_iter()
        .find(|(_, unit)| fits(*unit))
        .unwrap_or(fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_with_their_units() {
        for (text, octets) in [
            ("64 MiB", 64 << 20),
            ("10 MB", 10_000_000),
            ("512KiB", 512 << 10),
            ("1 GiB", 1 << 30),
            ("7 B", 7),
            ("0 B", 0),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(octets)), "{text}");
        }
        for (text, ms) in [
            ("250ms", 250),
            ("10s", 10_000),
            ("5m", 300_000),
            ("1 h", 3_600_000),
        ] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(ms))), "{text}");
        }
    }

    #[test]
    fn what_has_no_unit_or_no_number_is_refused() {
        for text in [
            "",
            "10",
            "MiB",
            "1.5 MiB",
            "-1 MiB",
            "10 mib",
            "99999999999999999999 B",
            "20000000000 GiB",
        ] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
        for text in ["", "10", "s", "1.5s", "-1s", "10 sec", "99999999999999999d"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_printed_reads_back() {
        for octets in [0, 1, 1000, 1024, 1536, 25 << 20, 10_000_000, u64::MAX] {
            assert_eq!(ByteSize(octets).to_string().parse(), Ok(ByteSize(octets)));
        }
        for ms in [0, 1, 250, 1000, 90_000, 3_600_000, 86_400_000] {
            let span = Span(Duration::from_millis(ms));
            assert_eq!(span.to_string().parse(), Ok(span));
        }
    }
}
