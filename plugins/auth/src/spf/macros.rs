//! Macros in the names of SPF records, RFC 7208 section 7.

use std::fmt::Write;
use std::net::IpAddr;

use super::{Fault, Sender};

/// Octets of a name, section 7.3.
const LONGEST: usize = 253;
/// Octets of a name before it is cut: texts of a message may be long.
const MOST: usize = 4096;

/// What macros stand for.
pub struct Facts<'a> {
    pub sender: &'a Sender<'a>,
    /// the domain whose record is evaluated
    pub domain: &'a str,
    /// a name of the client that leads back to it
    pub validated: Option<&'a str>,
}

/// A piece of a macro-string.
enum Piece<'a> {
    Text(char),
    Macro(Macro<'a>),
}

/// `%{ir.-}` and the like.
struct Macro<'a> {
    letter: char,
    /// parts that are kept, from the right; 0 is all
    keep: usize,
    order: Order,
    delimiters: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    AsWritten,
    Reversed,
}

/// Is this a macro-string?
pub fn check(text: &str) -> Result<(), Fault> {
    pieces(text).map(drop)
}

/// Is this a domain-spec: a macro-string that ends in a macro or in a proper last label?
pub fn check_domain(text: &str) -> Result<(), Fault> {
    let pieces = pieces(text)?;
    if matches!(pieces.last(), Some(Piece::Macro(_))) {
        return Ok(());
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    let last = text.rsplit_once('.').map(|(_, last)| last);
    let proper = |label: &str| {
        let inside = label
            .bytes()
            .all(|o| o.is_ascii_alphanumeric() || o == b'-');
        let ends = !label.starts_with('-') && !label.ends_with('-');
        inside && ends && !label.is_empty() && label.bytes().any(|o| !o.is_ascii_digit())
    };
    last.is_some_and(proper)
        .then_some(())
        .ok_or(Fault::Permanent)
}

/// Does it hold `%{p}`?
pub fn asks_for_name(text: &str) -> bool {
    text.contains("%{p") || text.contains("%{P")
}

/// The name that it stands for; cut from the left to what a name may have.
pub fn expand(text: &str, facts: &Facts<'_>) -> Result<String, Fault> {
    let mut name = String::new();
    for piece in pieces(text)? {
        match piece {
            Piece::Text(character) => name.push(character),
            Piece::Macro(it) => name.push_str(&it.value(facts)?),
        }
        if name.len() > MOST {
            return Err(Fault::Permanent);
        }
    }
    let mut name = name.strip_suffix('.').unwrap_or(&name).to_lowercase();
    while name.len() > LONGEST {
        let (_, shorter) = name.split_once('.').ok_or(Fault::Permanent)?;
        name = shorter.to_owned();
    }
    Ok(name)
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Fault> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        let piece = match (character, rest.chars().next()) {
            ('%', Some('{')) => {
                let (inside, after) = rest[1..].split_once('}').ok_or(Fault::Permanent)?;
                rest = after;
                pieces.push(Piece::Macro(Macro::parse(inside)?));
                continue;
            }
            ('%', Some('%')) => "%",
            ('%', Some('_')) => " ",
            ('%', Some('-')) => "%20",
            ('!'..='~', _) if character != '%' => {
                pieces.push(Piece::Text(character));
                continue;
            }
            _ => return Err(Fault::Permanent),
        };
        rest = &rest[1..];
        pieces.extend(piece.chars().map(Piece::Text));
    }
    Ok(pieces)
}

impl<'a> Macro<'a> {
    fn parse(inside: &'a str) -> Result<Self, Fault> {
        let letter = inside.chars().next().ok_or(Fault::Permanent)?;
        if !"slodiphvcrt".contains(letter.to_ascii_lowercase()) || !letter.is_ascii() {
            return Err(Fault::Permanent);
        }
        let rest = &inside[1..];
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = rest.split_at(digits);
        let keep = match number {
            "" => 0,
            _ => number
                .parse()
                .ok()
                .filter(|keep| *keep > 0)
                .ok_or(Fault::Permanent)?,
        };
        let (order, delimiters) = match rest.strip_prefix(['r', 'R']) {
            Some(rest) => (Order::Reversed, rest),
            None => (Order::AsWritten, rest),
        };
        if !delimiters.chars().all(|c| ".-+,/_=".contains(c)) {
            return Err(Fault::Permanent);
        }
        Ok(Self {
            letter,
            keep,
            order,
            delimiters,
        })
    }

    fn value(&self, facts: &Facts<'_>) -> Result<String, Fault> {
        let value = meaning(self.letter.to_ascii_lowercase(), facts).ok_or(Fault::Permanent)?;
        let delimiters = match self.delimiters {
            "" => ".",
            delimiters => delimiters,
        };
        let mut parts: Vec<&str> = value.split(|c| delimiters.contains(c)).collect();
        if self.order == Order::Reversed {
            parts.reverse();
        }
        let from = match self.keep {
            0 => 0,
            keep => parts.len().saturating_sub(keep),
        };
        let value = parts[from..].join(".");
        Ok(match self.letter.is_ascii_uppercase() {
            true => escaped(&value),
            false => value,
        })
    }
}

/// None for the letters that explanations alone may have.
fn meaning(letter: char, facts: &Facts<'_>) -> Option<String> {
    let sender = facts.sender;
    let local_part = match sender.local_part {
        "" => "postmaster",
        local_part => local_part,
    };
    Some(match letter {
        's' => format!("{local_part}@{}", sender.domain),
        'l' => local_part.to_owned(),
        'o' => sender.domain.to_owned(),
        'd' => facts.domain.to_owned(),
        'i' => dotted(sender.address),
        'p' => facts.validated.unwrap_or("unknown").to_owned(),
        'v' => match sender.address {
            IpAddr::V4(_) => "in-addr".to_owned(),
            IpAddr::V6(_) => "ip6".to_owned(),
        },
        'h' => sender.hello.to_owned(),
        _ => return None,
    })
}

/// Section 7.4: of IPv6 every nibble is a part.
fn dotted(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => {
            let octets = address.octets();
            let nibbles = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
            let nibbles: Vec<_> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            nibbles.join(".")
        }
    }
}

/// Section 7.3: everything but unreserved characters of URIs.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for octet in text.bytes() {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(octet.into())
            }
            _ => {
                let _ = write!(out, "%{octet:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str, address: &str) -> Result<String, Fault> {
        let sender = Sender {
            address: address.parse().unwrap(),
            hello: "mail.example.net",
            local_part: "strong-bad",
            domain: "email.example.com",
        };
        let facts = Facts {
            sender: &sender,
            domain: "email.example.com",
            validated: None,
        };
        expand(text, &facts)
    }

    /// The table of RFC 7208 section 7.4.
    #[test]
    fn examples_of_the_standard() {
        for (text, name) in [
            ("%{s}", "strong-bad@email.example.com"),
            ("%{o}", "email.example.com"),
            ("%{d4}", "email.example.com"),
            ("%{d3}", "email.example.com"),
            ("%{d2}", "example.com"),
            ("%{d1}", "com"),
            ("%{dr}", "com.example.email"),
            ("%{d2r}", "example.email"),
            ("%{l}", "strong-bad"),
            ("%{l-}", "strong.bad"),
            ("%{lr}", "strong-bad"),
            ("%{lr-}", "bad.strong"),
            ("%{l1r-}", "strong"),
            (
                "%{ir}.%{v}._spf.%{d2}",
                "3.2.0.192.in-addr._spf.example.com",
            ),
            ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
            (
                "%{lr-}.lp.%{ir}.%{v}._spf.%{d2}",
                "bad.strong.lp.3.2.0.192.in-addr._spf.example.com",
            ),
            (
                "%{d2}.trusted-domains.example.net",
                "example.com.trusted-domains.example.net",
            ),
        ] {
            assert_eq!(expanded(text, "192.0.2.3").as_deref(), Ok(name), "{text}");
        }
        assert_eq!(
            expanded("%{ir}.%{v}._spf.%{d2}", "2001:db8::cb01").as_deref(),
            Ok(
                "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6._spf.example.com"
            )
        );
    }

    #[test]
    fn what_is_no_macro_is_an_error() {
        for text in [
            "%",
            "%a",
            "%{",
            "%{x}",
            "%{d0}",
            "%{d:}",
            "a b.org",
            "%{s2x}",
            "ä.org",
            "%{c}.example.org",
        ] {
            assert_eq!(expanded(text, "192.0.2.3"), Err(Fault::Permanent), "{text}");
        }
    }

    #[test]
    fn a_long_name_loses_labels_from_the_left() {
        let text = format!("{}.{}.%{{d}}", "a".repeat(200), "b".repeat(60));
        let name = expanded(&text, "192.0.2.3").unwrap();
        assert_eq!(name, format!("{}.email.example.com", "b".repeat(60)));
    }

    #[test]
    fn a_name_ends_in_a_macro_or_in_a_label() {
        for good in [
            "example.org",
            "example.org.",
            "%{d}",
            "a.%{d}",
            "x.xn--p1ai",
            "_spf.%{d2}",
        ] {
            assert_eq!(check_domain(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "org",
            "example.1",
            "example.-a",
            "example.org/24",
            "example..",
            "%{d}.1",
        ] {
            assert_eq!(check_domain(bad), Err(Fault::Permanent), "{bad}");
        }
    }
}
