//! Mailboxes in a header value (RFC 5322 section 3.4), read as people's programs show them.
//!
//! Where an address begins and ends is told by the value as it was received: what an encoded word says is never structure.
//! What is shown as a name is told by the decoded value.

#[cfg(test)]
#[path = "../tests/checks/mailbox.rs"]
mod checks;

use std::ops::Range;

use crate::mask::masked;
use crate::matcher::MOST_TEXT;

/// Octets of an address, from its end; real ones have at most 254.
const MOST_OF_AN_ADDRESS: usize = 1024;

/// What an address is not made of, but where it is quoted.
const BETWEEN: &str = "<>()[]\"\\,;:@";

/// A display name and an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mailbox {
    /// without quotes; may be empty
    pub name: String,
    /// e.g. `anna@example.org`
    pub address: String,
}

impl Mailbox {
    /// Of a value without an address, or too long to be read.
    pub fn unread(decoded: &str) -> Self {
        Self {
            name: decoded[..decoded.floor_char_boundary(MOST_TEXT)].to_owned(),
            address: String::new(),
        }
    }
}

/// An address that stands in a value.
struct Found<'v> {
    /// which of the entries that commas divide
    entry: usize,
    written: &'v str,
    /// the same without comments
    address: String,
}

/// The mailboxes of a value such as `Anna <anna@example.org>, eva@example.org`, unfolded and also decoded.
///
/// What is quoted or a comment is no address. Two addresses in one entry are two: some reader takes the one, some the other.
pub fn mailboxes(unfolded: &str, decoded: &str) -> Vec<Mailbox> {
    let mask = masked(unfolded);
    let found = addresses(unfolded, &mask);
    if !found.is_empty() {
        return named(found, decoded);
    }
    // Some programs encode the address along with the name.
    let mask = masked(decoded);
    named(addresses(decoded, &mask), decoded)
}

fn addresses<'v>(value: &'v str, mask: &str) -> Vec<Found<'v>> {
    let mut found = Vec::new();
    for (entry, range) in entries(mask).into_iter().enumerate() {
        for place in places(mask, range) {
            let bounds = Bounds::of(&mask[..place.start]);
            let (value, mask) = (&value[place.clone()], &mask[place]);
            found.extend(written(mask, bounds).map(|range| Found {
                entry,
                written: &value[range.clone()],
                address: plain(&value[range.clone()], &mask[range]),
            }));
        }
    }
    found
}

/// At commas and semicolons outside of angle brackets; a piece without `@` belongs to the name in the next one, as in
/// `Doe, Jo <jo@example.org>`.
fn entries(mask: &str) -> Vec<Range<usize>> {
    let (mut entries, mut start) = (Vec::new(), 0);
    let (mut inside, mut addressed) = (false, false);
    for (at, c) in mask.char_indices() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            '@' => addressed = true,
            ',' | ';' if addressed && !inside => {
                entries.push(start..at);
                (start, addressed) = (at + 1, false);
            }
            _ => {}
        }
    }
    entries.push(start..mask.len());
    entries
}

/// Where an entry has addresses: in angle brackets, else anywhere.
fn places(mask: &str, entry: Range<usize>) -> Vec<Range<usize>> {
    let text = &mask[entry.clone()];
    let angles = text.match_indices('<').map(|(at, _)| {
        let start = at + 1;
        let length = text[start..].find(['<', '>']);
        let end = length.map_or(text.len(), |length| start + length);
        entry.start + start..entry.start + end
    });
    let angles: Vec<_> = angles.collect();
    match angles.is_empty() {
        true => vec![entry],
        false => angles,
    }
}

/// Where the words around an `@` end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bounds {
    /// at a blank: other words may stand there
    Blank,
    /// not at blanks beside a dot (RFC 5322 section 4.4): an address stands alone
    Angles,
}

impl Bounds {
    fn of(before: &str) -> Self {
        match before.ends_with('<') {
            true => Self::Angles,
            false => Self::Blank,
        }
    }

    /// Octets of the word that `text` begins with.
    fn first(self, text: &str) -> usize {
        let mut end = text.find(is_between).unwrap_or(text.len());
        loop {
            let rest = text[end..].trim_start();
            let start = text.len() - rest.len();
            let beside_a_dot = rest.starts_with('.') || text[..end].ends_with('.');
            let joined = self == Self::Angles && start > end && beside_a_dot;
            let more = rest.find(is_between).unwrap_or(rest.len());
            if !joined || more == 0 {
                break;
            }
            end = start + more;
        }
        end
    }

    /// Where the word begins that `text` ends with.
    fn last(self, text: &str) -> usize {
        let begin = |text: &str| text.rfind(is_between).map_or(0, |at| at + width(text, at));
        let mut start = begin(text);
        loop {
            let rest = text[..start].trim_end();
            let beside_a_dot = rest.ends_with('.') || text[start..].starts_with('.');
            let joined = self == Self::Angles && rest.len() < start && beside_a_dot;
            if !joined || begin(rest) == rest.len() {
                break;
            }
            start = begin(rest);
        }
        start
    }
}

fn is_between(c: char) -> bool {
    c.is_whitespace() || BETWEEN.contains(c)
}

/// Octets of the character there.
fn width(text: &str, at: usize) -> usize {
    text[at..].chars().next().map_or(0, char::len_utf8)
}

/// The words around each `@`.
fn written(mask: &str, bounds: Bounds) -> impl Iterator<Item = Range<usize>> {
    mask.match_indices('@').filter_map(move |(at, _)| {
        let local = mask[..at].trim_end();
        let start = match bounds.last(local) {
            nothing if nothing == local.len() => at,
            start => start,
        };
        let domain = mask[at + 1..].trim_start();
        let literal = usize::from(domain.starts_with('['));
        let end = literal + bounds.first(&domain[literal..]);
        // A literal is closed by its bracket, whatever else ends it.
        let end = end + usize::from(literal > 0 && domain[end..].starts_with(']'));
        (end > 0).then(|| start..mask.len() - domain.len() + end)
    })
}

/// In lower case, without comments and blanks.
fn plain(written: &str, mask: &str) -> String {
    let shown = written
        .char_indices()
        .filter(|(at, _)| !mask[*at..].starts_with(char::is_whitespace));
    let address: String = shown.map(|(_, c)| c).collect();
    // Some letters take more octets in lower case.
    let address = address.to_lowercase();
    let start = address.len().saturating_sub(MOST_OF_AN_ADDRESS);
    address[address.ceil_char_boundary(start)..].to_owned()
}

/// With the names that are shown before them. Of several addresses in one entry, the last has all that is shown before.
fn named(found: Vec<Found<'_>>, decoded: &str) -> Vec<Mailbox> {
    let spans = spans(&found, decoded);
    let entry_of = |nth: usize| found.get(nth).map(|this| this.entry);
    let (mut entry, mut before) = (0, 0);
    let mut mailboxes = Vec::with_capacity(found.len());
    for (nth, (this, span)) in found.iter().zip(&spans).enumerate() {
        let is_last = entry_of(nth + 1) != Some(this.entry);
        let start = if is_last { entry } else { before };
        mailboxes.push(Mailbox {
            name: name(&decoded[start..span.start]),
            address: this.address.clone(),
        });
        before = span.end;
        if is_last {
            entry = before;
        }
    }
    // An older way: `anna@example.org (Anna)`.
    if let (Some(last), Some(span)) = (mailboxes.last_mut(), spans.last())
        && last.name.is_empty()
    {
        last.name = name(&decoded[span.end..]);
    }
    mailboxes
}

/// Where the addresses are in the decoded value. They are looked for from its end: one in an encoded word makes a name
/// longer, never shorter. What stands before one that is not found is all its name.
fn spans(found: &[Found<'_>], decoded: &str) -> Vec<Range<usize>> {
    let mut end = decoded.len();
    let backwards = found.iter().rev().map(|this| {
        let start = decoded[..end].rfind(this.written);
        let span = start.map_or(end..end, |start| start..start + this.written.len());
        end = start.unwrap_or(0);
        span
    });
    let mut spans: Vec<_> = backwards.collect();
    spans.reverse();
    spans
}

/// Without what stands around a name, and without backslashes.
fn name(text: &str) -> String {
    let text = text.trim_start_matches(|c: char| c.is_whitespace() || ">,;".contains(c));
    let text = text.trim_end();
    let text = text.strip_suffix('<').unwrap_or(text).trim_end();
    let comment = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'));
    let text = comment.unwrap_or(text).trim_matches('"').trim();
    text.replace('\\', "")
}

/// The addresses shown in a display name.
pub fn shown_addresses(name: &str) -> impl Iterator<Item = String> {
    let words = name.split(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c));
    words
        .map(|word| word.trim_matches('.').to_lowercase())
        .filter(|word| {
            word.split_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && is_domain(domain))
        })
}

/// The part after the last `@`.
pub fn domain(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or_default()
}

/// One is the other, or lies below it.
pub fn are_related(one: &str, other: &str) -> bool {
    let is_below = |low: &str, high: &str| {
        low.strip_suffix(high)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    is_below(one, other) || is_below(other, one)
}

fn is_domain(text: &str) -> bool {
    let is_label =
        |label: &str| !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-');
    let is_top = |top: &str| top.len() >= 2 && top.chars().all(char::is_alphabetic);
    text.split('.').all(is_label) && text.rsplit_once('.').is_some_and(|(_, top)| is_top(top))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Vec<(String, String)> {
        decoded(value, value)
    }

    fn decoded(unfolded: &str, decoded: &str) -> Vec<(String, String)> {
        mailboxes(unfolded, decoded)
            .into_iter()
            .map(|m| (m.name, m.address))
            .collect()
    }

    fn pair(name: &str, address: &str) -> (String, String) {
        (name.to_owned(), address.to_owned())
    }

    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("mailbox", checks::mailbox);
    }

    #[test]
    fn reads_mailboxes() {
        assert_eq!(
            read("Anna <Anna@Example.org>, eva@example.org"),
            [
                pair("Anna", "anna@example.org"),
                pair("", "eva@example.org")
            ]
        );
        for (value, name, address) in [
            ("\"Doe, Jo\" <jo@example.org>", "Doe, Jo", "jo@example.org"),
            ("Doe, Jo <jo@example.org>", "Doe, Jo", "jo@example.org"),
            ("jo@example.org (Jo)", "Jo", "jo@example.org"),
            ("Team: jo@example.org;", "Team:", "jo@example.org"),
            ("Jo <jo@[192.0.2.1]>", "Jo", "jo@[192.0.2.1]"),
            (
                "Jo (home) < jo(x@a.example)@example.org >",
                "Jo (home)",
                "jo@example.org",
            ),
            (
                "help@bank.example <x@example.net>",
                "help@bank.example",
                "x@example.net",
            ),
            ("Jo <jo \t@\texample.org>", "Jo", "jo@example.org"),
            ("Jo <jo@\u{a0}example.org>", "Jo", "jo@example.org"),
            ("Jo <x@evil(c).example>", "Jo", "x@evil.example"),
            ("Jo <x@evil\t. (c) example >", "Jo", "x@evil.example"),
            ("Jo <jo . doe@example.org>", "Jo", "jo.doe@example.org"),
            (
                "Jo <jo\u{a0}.(c)doe@example.org>",
                "Jo",
                "jo.doe@example.org",
            ),
            ("Jo <x@[192. 0.2.1]>", "Jo", "x@[192.0.2.1]"),
            ("write to x@evil. Thanks", "write to", "x@evil."),
            ("<\"jo \tx\"@example.org>", "", "\"jo \tx\"@example.org"),
        ] {
            assert_eq!(read(value), [pair(name, address)], "{value}");
        }
        for nobody in ["undisclosed-recipients:;", "", "Anna <>", "\"a@b.example\""] {
            assert_eq!(read(nobody), [], "{nobody}");
        }
    }

    #[test]
    fn what_is_quoted_or_a_comment_is_no_address() {
        for (value, name, address) in [
            (
                "PayPal <\"<service@paypal.com>\"@evil.example>",
                "PayPal",
                "\"<service@paypal.com>\"@evil.example",
            ),
            (
                "\"<service@paypal.com>\" <x@evil.example>",
                "<service@paypal.com>",
                "x@evil.example",
            ),
            (
                "x@evil.example (<service@paypal.com>)",
                "<service@paypal.com>",
                "x@evil.example",
            ),
            (
                "\"Pay\\\" <a@paypal.com>\" <x@evil.example>",
                "Pay\" <a@paypal.com>",
                "x@evil.example",
            ),
            ("\"Pay\\Pal\" <x@evil.example>", "PayPal", "x@evil.example"),
            ("\"PayPal <x@evil.example>", "PayPal", "x@evil.example"),
            ("(PayPal <x@evil.example>", "(PayPal", "x@evil.example"),
        ] {
            assert_eq!(read(value), [pair(name, address)], "{value}");
        }
    }

    /// Some reader takes the one, some the other.
    #[test]
    fn two_addresses_in_one_entry_are_two() {
        assert_eq!(
            read("Bank <help@bank.example> <x@example.net>"),
            [
                pair("Bank", "help@bank.example"),
                pair("Bank <help@bank.example>", "x@example.net")
            ]
        );
        let addresses = |value| {
            read(value)
                .into_iter()
                .map(|(_, address)| address)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            addresses("<x@evil.example@paypal.com>"),
            ["x@evil.example", "evil.example@paypal.com"]
        );
        assert_eq!(
            addresses("<x@evil.example, y@paypal.com"),
            ["x@evil.example", "y@paypal.com"]
        );
        assert_eq!(
            addresses("<x@evil.example\".paypal.com>"),
            ["x@evil.example"]
        );
    }

    #[test]
    fn encoded_words_are_names_and_no_structure() {
        for (shown, name) in [
            ("( Pay <x@evil.example>", "( Pay"),
            ("\"<x@evil.example>", ""),
            (
                "Bank <help@bank.example> <x@evil.example>",
                "Bank <help@bank.example>",
            ),
            (
                "<x@evil.example> PayPal <x@evil.example>",
                "<x@evil.example> PayPal",
            ),
        ] {
            let mailboxes = decoded("=?utf-8?q?..?= <x@evil.example>", shown);
            assert_eq!(mailboxes, [pair(name, "x@evil.example")], "{shown}");
        }
        assert_eq!(
            decoded("=?utf-8?b?..?=", "Jo <jo@example.org>"),
            [pair("Jo", "jo@example.org")]
        );
        assert_eq!(
            decoded(
                "=?utf-8?q?Jo?= <a=?utf-8?q?b?=@example.org>",
                "Jo <ab@example.org>"
            ),
            [pair("Jo <ab@example.org>", "a=?utf-8?q?b?=@example.org")]
        );
    }

    #[test]
    fn a_blank_of_two_octets_ends_a_literal() {
        assert_eq!(
            decoded("=?utf-8?q?a=40=5B1=C2=A0?=", "a@[1\u{a0}")[0].1,
            "a@[1"
        );
        assert_eq!(read("<a@[1\u{a0}>")[0].1, "a@[1");
        assert_eq!(read("<a@[192.0.2.1]>")[0].1, "a@[192.0.2.1]");
    }

    /// Every value of four such letters.
    #[test]
    fn no_value_is_too_odd_to_be_read() {
        let letters = [
            "a", "@", "<", ">", "\"", "(", ")", ",", "\\", " ", "é", "[", "]", "\u{a0}",
        ];
        for number in 0..letters.len().pow(4) {
            let letter = |place| letters[number / letters.len().pow(place) % letters.len()];
            let value: String = (0..4).map(letter).collect();
            for decoded in [value.as_str(), "", "é@a"] {
                mailboxes(&value, decoded);
            }
        }
    }

    #[test]
    fn long_values_cost_little() {
        for text in ["<", "(", "\"\\", "@", "a@b,", "<a@b", "=?", "a@ ", " @b"] {
            let value = text.repeat((1 << 16) / text.len());
            mailboxes(&value, &value);
            mailboxes(&value, "");
        }
        let long = format!("{}@example.org", "a".repeat(1 << 16));
        assert!(read(&long)[0].1.len() <= MOST_OF_AN_ADDRESS);
        assert!(read(&long)[0].1.ends_with("a@example.org"));
        let grows = format!("<{}@example.org>", "\u{23a}".repeat(600));
        assert!(read(&grows)[0].1.len() <= MOST_OF_AN_ADDRESS);
    }

    #[test]
    fn finds_addresses_in_names() {
        for (name, shown) in [
            ("help@bank.example", &["help@bank.example"][..]),
            ("Bank <help@bank.example>", &["help@bank.example"]),
            (
                "jo@evil.example Help@bank.example",
                &["jo@evil.example", "help@bank.example"],
            ),
            ("meet us @ example.org", &[]),
            ("v2@1.0", &[]),
            ("Anna", &[]),
        ] {
            assert_eq!(shown_addresses(name).collect::<Vec<_>>(), shown);
        }
    }

    #[test]
    fn related_domains() {
        assert!(are_related("example.org", "mail.example.org"));
        assert!(!are_related("badexample.org", "example.org"));
    }
}
