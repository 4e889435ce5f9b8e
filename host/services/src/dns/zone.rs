//! A zone file in place of the network: for tests, and for `lazaret try`.
//!
//! The master file format of RFC 1035 section 5: `$ORIGIN`, `$TTL`, comments, quotes, parentheses, `@` and names left
//! out, records A, AAAA, MX, TXT, PTR and CNAME. Others are passed over, and so are TTLs. What is not in it does not
//! exist; a star answers for what is below it (RFC 4592). One word is ours: `name FAIL` fails, as SERVFAIL does.

use std::collections::HashMap;
use std::path::Path;

use super::{Answer, DomainName, Kind};
use crate::Fault;

/// Octets of a zone file.
const LARGEST: u64 = 16 << 20;
/// Kinds of records that nobody can ask for here.
const PASSED_OVER: [&str; 16] = [
    "SOA", "NS", "SRV", "CAA", "TLSA", "SSHFP", "NAPTR", "HINFO", "LOC", "SVCB", "HTTPS", "DS",
    "DNSKEY", "RRSIG", "NSEC", "NSEC3",
];
/// CNAMEs that are followed.
const LINKS: usize = 8;

/// All names there are.
#[derive(Debug, Default)]
pub struct Zone {
    /// empty for a name that only has names below it
    names: HashMap<String, Vec<Data>>,
}

#[derive(Debug)]
enum Data {
    Record(Kind, String),
    Alias(DomainName),
    Fails,
    /// of a kind that nobody can ask for
    Other,
}

impl Zone {
    /// Reads a file of at most 16 MiB.
    ///
    /// # Errors
    /// It cannot be read, or a line is no record: with the line and what is wrong with it.
    pub fn read(file: &Path) -> Result<Self, Fault> {
        let unreadable = |why: String| {
            let problem = format!("{}: {why}", file.display());
            Fault::new(problem, "name a zone file (RFC 1035) that can be read")
        };
        let about = std::fs::metadata(file).map_err(|error| unreadable(error.to_string()))?;
        if about.len() > LARGEST {
            return Err(unreadable(format!("is over {} MiB", LARGEST >> 20)));
        }
        let text = std::fs::read_to_string(file).map_err(|error| unreadable(error.to_string()))?;
        Self::parse(&text).map_err(|wrong| {
            let problem = format!("{}:{}: {}", file.display(), wrong.line, wrong.problem);
            Fault::new(problem, "correct this line of the zone file")
        })
    }

    /// The same of a text.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        let mut reader = Reader::default();
        for (number, entry) in entries(text)? {
            let read = reader.entry(&entry);
            read.map_err(|problem| Wrong {
                line: number,
                problem,
            })?;
        }
        Ok(reader.zone)
    }

    /// What it says about a name.
    pub fn resolve(&self, name: &DomainName, kind: Kind) -> Answer {
        let mut name = name.clone();
        for _ in 0..=LINKS {
            let Some(data) = self.data(name.as_str()) else {
                return Answer::NoName;
            };
            match data.iter().find(|data| data.ends_it()) {
                Some(Data::Alias(next)) => name = next.clone(),
                Some(_) => return Answer::Failed,
                None => return records(data, kind),
            }
        }
        Answer::Failed
    }

    /// Of the name itself, else of the star that stands for it.
    fn data(&self, name: &str) -> Option<&Vec<Data>> {
        if let Some(data) = self.names.get(name) {
            return Some(data);
        }
        let mut below = name;
        while let Some((_, above)) = below.split_once('.') {
            if let Some(data) = self.names.get(&format!("*.{above}")) {
                return Some(data);
            }
            if self.names.contains_key(above) {
                return None;
            }
            below = above;
        }
        None
    }

    fn add(&mut self, name: &DomainName, data: Data) {
        let mut above = name.as_str();
        while let Some((_, rest)) = above.split_once('.') {
            above = rest;
            self.names.entry(above.to_owned()).or_default();
        }
        let own = self.names.entry(name.as_str().to_owned());
        own.or_default().push(data);
    }
}

impl Data {
    fn ends_it(&self) -> bool {
        matches!(self, Data::Alias(_) | Data::Fails)
    }
}

fn records(data: &[Data], kind: Kind) -> Answer {
    let of_kind = data.iter().filter_map(|data| match data {
        Data::Record(own, text) if *own == kind => Some(text.clone()),
        _ => None,
    });
    let records: Vec<_> = of_kind.collect();
    match records.is_empty() {
        true => Answer::NoData,
        false => Answer::Records(records),
    }
}

/// A line that is no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct Wrong {
    /// from 1
    pub line: usize,
    /// in words
    pub problem: String,
}

/// One entry: its words, and whether it begins with a blank.
struct Entry {
    words: Vec<String>,
    continues: bool,
}

/// Entries with the numbers of their first lines.
fn entries(text: &str) -> Result<Vec<(usize, Entry)>, Wrong> {
    let mut entries = Vec::new();
    let mut open: Option<(usize, Entry)> = None;
    let mut depth = 0_usize;
    for (number, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
        let (_, entry) = open.get_or_insert_with(|| {
            let entry = Entry {
                words: Vec::new(),
                continues: line.starts_with([' ', '\t']),
            };
            (number, entry)
        });
        let wrong = |problem: &str| Wrong {
            line: number,
            problem: problem.to_owned(),
        };
        split(line, &mut depth, &mut entry.words).map_err(wrong)?;
        if depth == 0 {
            entries.extend(open.take().filter(|(_, entry)| !entry.words.is_empty()));
        }
    }
    match open {
        None => Ok(entries),
        Some((line, _)) => Err(Wrong {
            line,
            problem: "`(` is never closed".to_owned(),
        }),
    }
}

/// Splits a line into words; `depth` counts parentheses.
fn split(line: &str, depth: &mut usize, words: &mut Vec<String>) -> Result<(), &'static str> {
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r']);
        let Some(first) = rest.chars().next() else {
            return Ok(());
        };
        match first {
            ';' => return Ok(()),
            '(' => (*depth, rest) = (*depth + 1, &rest[1..]),
            ')' => {
                *depth = depth.checked_sub(1).ok_or("`)` without `(`")?;
                rest = &rest[1..];
            }
            '"' => {
                let (text, after) = quoted(&rest[1..])?;
                words.push(text);
                rest = after;
            }
            _ => {
                let end = rest.find([' ', '\t', '\r', ';', '(', ')', '"']);
                let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
                words.push(word.to_owned());
                rest = after;
            }
        }
    }
}

/// Up to the closing quote; `\"` and `\\` stand for the character.
fn quoted(text: &str) -> Result<(String, &str), &'static str> {
    let mut said = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((said, &text[at + 1..])),
            '\\' => said.extend(characters.next().map(|(_, c)| c)),
            c => said.push(c),
        }
    }
    Err("a quote is never closed")
}

#[derive(Default)]
struct Reader {
    zone: Zone,
    origin: String,
    owner: Option<DomainName>,
}

impl Reader {
    fn entry(&mut self, entry: &Entry) -> Result<(), String> {
        let mut words = entry.words.iter();
        if !entry.continues {
            let first = words.next().ok_or("no name")?;
            match first.as_str() {
                "$ORIGIN" => {
                    let origin = words.next().ok_or("$ORIGIN without a name")?;
                    origin.trim_end_matches('.').clone_into(&mut self.origin);
                    return Ok(());
                }
                "$TTL" => return Ok(()),
                owner => self.owner = Some(self.name(owner)?),
            }
        }
        let passed_over = |text: &&String| {
            let number = text.bytes().next().is_some_and(|c| c.is_ascii_digit());
            number || text.eq_ignore_ascii_case("IN")
        };
        let words: Vec<_> = words.skip_while(passed_over).collect();
        let (kind, data) = words.split_first().ok_or("no record behind the name")?;
        let owner = self.owner.clone().ok_or("no name before the record")?;
        let data = self.data(&kind.to_ascii_uppercase(), data)?;
        self.zone.add(&owner, data);
        Ok(())
    }

    fn data(&self, kind: &str, words: &[&String]) -> Result<Data, String> {
        let word = |at: usize| {
            let word = words.get(at).map(|word| word.as_str());
            word.ok_or_else(|| format!("{kind} without its data"))
        };
        Ok(match kind {
            "A" => {
                let address: std::net::Ipv4Addr = parsed(word(0)?, "an IPv4 address")?;
                Data::Record(Kind::A, address.to_string())
            }
            "AAAA" => {
                let address: std::net::Ipv6Addr = parsed(word(0)?, "an IPv6 address")?;
                Data::Record(Kind::Aaaa, address.to_string())
            }
            "MX" => {
                let preference: u16 = parsed(word(0)?, "a preference")?;
                // RFC 7505: a root in its place takes no mail.
                let exchange = match word(1)? {
                    "." => String::new(),
                    exchange => self.name(exchange)?.to_string(),
                };
                Data::Record(Kind::Mx, format!("{preference} {exchange}"))
            }
            "TXT" => {
                word(0)?;
                let strings = words.iter().map(|word| word.as_str());
                Data::Record(Kind::Txt, strings.collect())
            }
            "PTR" => Data::Record(Kind::Ptr, self.name(word(0)?)?.to_string()),
            "CNAME" => Data::Alias(self.name(word(0)?)?),
            "FAIL" => Data::Fails,
            other if PASSED_OVER.contains(&other) => Data::Other,
            other => return Err(format!("`{}` is no kind of record", other.escape_debug())),
        })
    }

    /// Relative to the origin, unless it ends in a dot.
    fn name(&self, text: &str) -> Result<DomainName, String> {
        let full = match text {
            "@" => self.origin.clone(),
            text if text.ends_with('.') || self.origin.is_empty() => text.to_owned(),
            text => format!("{text}.{}", self.origin),
        };
        DomainName::parse(&full)
            .ok_or_else(|| format!("`{}` is no domain name", text.escape_debug()))
    }
}

fn parsed<T: std::str::FromStr>(word: &str, what: &str) -> Result<T, String> {
    word.parse()
        .map_err(|_| format!("`{}` is not {what}", word.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZONE: &str = "
$ORIGIN example.org.
$TTL 3600
@       IN SOA ns hostmaster (
            1 ; serial
            3600 600 86400 60 )
        IN NS ns
        3600 IN MX 10 mx
        MX 20 mx.example.net.
mx      A 192.0.2.1
        AAAA 2001:db8::1
        A 192.0.2.2   ; a second
text    TXT \"v=spf1 \" \"ip4:192.0.2.0/24; \\\"x\\\"\"
www     CNAME mx
loop    CNAME pool
pool    CNAME loop
lost    CNAME nobody
broken  FAIL
*.wild  A 127.0.0.2
1.2.0.192.in-addr.arpa. PTR mx
";

    fn ask(name: &str, kind: Kind) -> Answer {
        let zone = Zone::parse(ZONE).unwrap();
        zone.resolve(&DomainName::parse(name).unwrap(), kind)
    }

    fn records(records: &[&str]) -> Answer {
        Answer::Records(records.iter().map(|record| (*record).to_owned()).collect())
    }

    #[test]
    fn records_are_as_the_contract_writes_them() {
        assert_eq!(
            ask("mx.example.org", Kind::A),
            records(&["192.0.2.1", "192.0.2.2"])
        );
        assert_eq!(
            ask("MX.example.org.", Kind::Aaaa),
            records(&["2001:db8::1"])
        );
        assert_eq!(
            ask("example.org", Kind::Mx),
            records(&["10 mx.example.org", "20 mx.example.net"])
        );
        assert_eq!(
            ask("text.example.org", Kind::Txt),
            records(&["v=spf1 ip4:192.0.2.0/24; \"x\""])
        );
        assert_eq!(
            ask("1.2.0.192.in-addr.arpa", Kind::Ptr),
            records(&["mx.example.org"])
        );
    }

    #[test]
    fn aliases_are_followed_but_not_in_circles() {
        assert_eq!(
            ask("www.example.org", Kind::Aaaa),
            records(&["2001:db8::1"])
        );
        assert_eq!(ask("loop.example.org", Kind::A), Answer::Failed);
        assert_eq!(ask("lost.example.org", Kind::A), Answer::NoName);
    }

    #[test]
    fn what_is_not_there_is_told_from_what_has_no_such_record() {
        assert_eq!(ask("mx.example.org", Kind::Txt), Answer::NoData);
        assert_eq!(ask("wild.example.org", Kind::A), Answer::NoData);
        assert_eq!(
            ask("a.b.wild.example.org", Kind::A),
            records(&["127.0.0.2"])
        );
        assert_eq!(ask("nobody.example.org", Kind::A), Answer::NoName);
        assert_eq!(ask("broken.example.org", Kind::A), Answer::Failed);
        assert_eq!(ask("example.net", Kind::A), Answer::NoName);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, said) in [
            ("a. A 1.2.3\n", "line 1: `1.2.3` is not an IPv4 address"),
            ("\n\na. A\n", "line 3: A without its data"),
            (" A 192.0.2.1", "line 1: no name before the record"),
            ("a. TXT \"x\n", "line 1: a quote is never closed"),
            ("a. TXT (x\n", "line 1: `(` is never closed"),
            ("a. TXT x)\n", "line 1: `)` without `(`"),
            ("a..b A 192.0.2.1", "line 1: `a..b` is no domain name"),
            ("a. text x", "line 1: `TEXT` is no kind of record"),
            ("a.", "line 1: no record behind the name"),
            (
                "a. A \u{1b}[31m",
                "line 1: `\\u{1b}[31m` is not an IPv4 address",
            ),
        ] {
            let wrong = Zone::parse(text).map(|_| ()).unwrap_err();
            assert_eq!(wrong.to_string(), said, "{text:?}");
        }
    }
}
