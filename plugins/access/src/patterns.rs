//! Entries of lists: networks, domain names, mailboxes.

use std::collections::HashSet;
use std::net::IpAddr;

use lazaret_filter::{Address, Network, names};

/// Networks in CIDR notation.
#[derive(Debug, Default)]
pub struct Networks(Vec<Network>);

/// `example.org` is that name, `.example.org` every name below it; `[192.0.2.1]` is an address literal.
#[derive(Debug, Default)]
pub struct Names(HashSet<String>);

/// `user@example.org` is a mailbox, `user@` that local part anywhere, `<>` the null sender; else as [`Names`].
#[derive(Debug, Default)]
pub struct Mailboxes(Names);

impl Networks {
    pub fn new(entries: &[String]) -> Result<Self, String> {
        let parsed: Result<_, _> = entries.iter().map(|entry| entry.parse()).collect();
        parsed.map(Self).map_err(|error| format!("{error}"))
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Names {
    pub fn new(entries: &[String]) -> Result<Self, String> {
        entries
            .iter()
            .map(|entry| checked(entry))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub fn contains(&self, name: &str) -> bool {
        let name = normal(name);
        let below = name.match_indices('.').map(|(dot, _)| &name[dot..]);
        self.0.contains(name.as_str()) || below.into_iter().any(|suffix| self.0.contains(suffix))
    }
}

impl Mailboxes {
    pub fn new(entries: &[String]) -> Result<Self, String> {
        Names::new(entries).map(Self)
    }

    pub fn contains(&self, address: &Address) -> bool {
        let Names(exact) = &self.0;
        if address.is_null() {
            return exact.contains("<>");
        }
        let local = address.local_part.to_lowercase();
        exact.contains(&format!("{local}@{}", normal(&address.domain)))
            || exact.contains(&format!("{local}@"))
            || self.0.contains(&address.domain)
    }
}

/// Case and a final dot do not matter in names (RFC 1034 section 3.1), nor which of its spellings is written.
fn normal(name: &str) -> String {
    let mut name = names::normal(name);
    if name.ends_with('.') {
        name.pop();
    }
    name
}

/// A name, or a mailbox whose domain is one.
fn normal_entry(entry: &str) -> String {
    match entry.rsplit_once('@') {
        Some((local, domain)) => format!("{}@{}", local.to_lowercase(), normal(domain)),
        None => normal(entry),
    }
}

fn checked(entry: &str) -> Result<String, String> {
    let problem = match entry {
        "" | "." | "@" => "says nothing",
        _ if entry.starts_with('@') => "starts with `@`: write the domain alone",
        _ if entry.contains('*') => {
            "has a `*`: write `.example.org` for every name below example.org"
        }
        _ if entry.chars().any(|c| c.is_whitespace() || c.is_control()) => "has a blank in it",
        _ => return Ok(normal_entry(entry)),
    };
    Err(format!("entry `{entry}` {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(entries: &[&str]) -> Names {
        let entries: Vec<_> = entries.iter().map(|&e| e.to_owned()).collect();
        Names::new(&entries).unwrap()
    }

    #[test]
    fn a_name_or_all_below_it() {
        let list = names(&["example.org", ".example.net", "[192.0.2.1]"]);
        for (name, listed) in [
            ("example.org", true),
            ("EXAMPLE.org.", true),
            ("mail.example.org", false),
            ("a.b.example.net", true),
            ("example.net", false),
            ("badexample.net", false),
            ("[192.0.2.1]", true),
            ("", false),
        ] {
            assert_eq!(list.contains(name), listed, "{name}");
        }
    }

    #[test]
    fn a_mailbox_a_local_part_or_a_domain() {
        let list = Mailboxes(names(&[
            "eva@example.org",
            "postmaster@",
            ".example.net",
            "<>",
        ]));
        for (mailbox, listed) in [
            ("eva@example.org", true),
            ("Eva@Example.ORG", true),
            ("adam@example.org", false),
            ("postmaster@example.com", true),
            ("postmaster", true),
            ("x@a.example.net", true),
            ("", true),
        ] {
            assert_eq!(list.contains(&mailbox.into()), listed, "{mailbox}");
        }
    }

    /// `C: MAIL FROM:<win@ｂulk.example> SMTPUTF8`, the first letter of full width.
    #[test]
    fn every_spelling_of_a_name_is_that_name() {
        let list = Mailboxes(names(&[
            ".bulk.example",
            "offers@xn--bcher-kva.example",
            "Müller@KÖLN.example",
            ".straße.example",
        ]));
        for mailbox in [
            "win@x.\u{ff42}ulk.example",
            "win@x.bulk\u{3002}example",
            "win@x\u{ff0e}BULK.example",
            "offers@bücher.example",
            "offers@BU\u{308}CHER.example",
            "müller@xn--kln-sna.example",
            "a@b.xn--strae-oqa.example",
            "win@\u{fffd}.\u{ff42}ulk.example",
        ] {
            assert!(list.contains(&mailbox.into()), "{mailbox}");
        }
        for mailbox in ["win@x.b\u{fffd}ulk.example", "offers@bucher.example"] {
            assert!(!list.contains(&mailbox.into()), "{mailbox}");
        }
    }

    #[test]
    fn bad_entries_are_named() {
        let problem = |entry: &str| Names::new(&[entry.to_owned()]).unwrap_err();
        assert!(problem("*.example.org").contains("write `.example.org`"));
        assert!(problem("@example.org").contains("the domain alone"));
        assert!(problem("a b").contains("blank"));
        assert!(
            Networks::new(&["192.0.2.0/40".into()])
                .unwrap_err()
                .contains("prefix")
        );
    }
}
