//! From (RFC 5322 sections 3.4 and 3.6.2): the domains of all whom a reader may take for the author.

use crate::names;

/// Domains that are evaluated; a letter of so many houses is none.
const MOST_DOMAINS: usize = 10;

/// What From says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FromFields {
    /// each once, as they come
    pub domains: Vec<String>,
    pub form: Form,
}

/// Would every reader see the same authors?
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    #[default]
    Sound,
    Malformed,
}

impl FromFields {
    /// Of the fields of that name. More or less than one is malformed, and so is one without any domain; what can be read is
    /// read all the same.
    pub fn read(fields: &[&[u8]]) -> Self {
        let mut from = Self::default();
        for field in fields {
            Scan::new(&mut from).field(&String::from_utf8_lossy(field));
        }
        if fields.len() != 1 || from.domains.is_empty() {
            from.form = Form::Malformed;
        }
        from
    }

    /// An address as it stands there, without its comments and quoted texts.
    fn address(&mut self, text: &str) {
        let (local, rest) = text.split_once('@').unwrap_or((text, ""));
        if local.trim().contains(char::is_whitespace) || names::domain(rest.trim()).is_none() {
            self.form = Form::Malformed;
        }
        // Two addresses that nothing divides are two for some reader.
        for behind in rest.split('@') {
            let mut words = behind.split(|c: char| c.is_whitespace() || ",:;".contains(c));
            let first = words.find(|word| !word.is_empty());
            if let Some(domain) = first.and_then(names::domain) {
                self.domain(domain);
            }
        }
    }

    fn domain(&mut self, domain: String) {
        if self.domains.contains(&domain) {
            return;
        }
        match self.domains.len() < MOST_DOMAINS {
            true => self.domains.push(domain),
            false => self.form = Form::Malformed,
        }
    }
}

/// Goes over one field: comments and quoted texts are passed over, what is in angle brackets counts, or else all of the entry.
struct Scan<'f> {
    from: &'f mut FromFields,
    /// outside of angle brackets
    plain: String,
    /// in them
    angle: String,
    place: Place,
    /// how deep
    comment: usize,
    quote: Quote,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Quote {
    Open,
    #[default]
    Closed,
}

/// Where in an entry: of the angle brackets.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Before,
    Inside,
    Behind,
}

impl<'f> Scan<'f> {
    fn new(from: &'f mut FromFields) -> Self {
        Self {
            from,
            plain: String::new(),
            angle: String::new(),
            place: Place::default(),
            comment: 0,
            quote: Quote::default(),
        }
    }

    fn field(mut self, text: &str) {
        let mut characters = text.chars();
        while let Some(character) = characters.next() {
            match character {
                '\\' if self.comment > 0 || self.quote == Quote::Open => drop(characters.next()),
                _ => self.take(character),
            }
        }
        if self.comment > 0 || self.quote == Quote::Open || self.place == Place::Inside {
            self.malformed();
        }
        self.ends();
    }

    fn take(&mut self, character: char) {
        match (character, self.quote, self.comment) {
            ('"', Quote::Open, _) => self.quote = Quote::Closed,
            (_, Quote::Open, _) => {}
            ('(', _, _) => self.comment += 1,
            (')', _, 1..) => self.comment -= 1,
            (_, _, 1..) => {}
            ('"', _, _) => self.quote = Quote::Open,
            _ => self.text(character),
        }
    }

    /// What is neither quoted nor a comment.
    fn text(&mut self, character: char) {
        match (character, self.place) {
            ('<', Place::Before) => self.place = Place::Inside,
            ('<', _) => {
                // One mailbox has one address: the reader may look at either.
                self.malformed();
                self.ends();
                self.place = Place::Inside;
            }
            ('>', Place::Inside) => self.place = Place::Behind,
            ('>', _) => self.malformed(),
            (_, Place::Inside) => self.angle.push(character),
            (',' | ';', _) => self.ends(),
            (':', Place::Before) => self.group(),
            (_, Place::Before) => self.plain.push(character),
            (_, Place::Behind) if character.is_whitespace() => {}
            (_, Place::Behind) => self.malformed(),
        }
    }

    /// A group's name ends; one that looks like an address is taken for one.
    fn group(&mut self) {
        if self.plain.contains('@') {
            self.malformed();
        }
        self.ends();
    }

    fn ends(&mut self) {
        let (plain, angle) = (
            std::mem::take(&mut self.plain),
            std::mem::take(&mut self.angle),
        );
        match std::mem::take(&mut self.place) {
            Place::Inside | Place::Behind => self.from.address(&angle),
            Place::Before if plain.contains('@') => self.from.address(&plain),
            // A name that is not quoted may have a comma in it: Doe, John <john@example.com>.
            Place::Before => {}
        }
    }

    fn malformed(&mut self) {
        self.from.form = Form::Malformed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(from: &str) -> (String, Form) {
        let from = FromFields::read(&[from.as_bytes()]);
        (from.domains.join(" "), from.form)
    }

    #[test]
    fn the_authors_are_who_is_in_from() {
        for (from, domains) in [
            (" Alice <alice@Example.COM>", "example.com"),
            (" alice@example.com", "example.com"),
            (
                " \"bank@example.net <x@example.net>\" <mallory@example.org>",
                "example.org",
            ),
            (
                " a(b@example.net)@example.com (c, d@example.net)",
                "example.com",
            ),
            (" \"a\\\"<b@example.net>\"@example.com", "example.com"),
            (" group: a@example.com, <b@example.com>;", "example.com"),
            (" a@example.com <b@example.net>", "example.net"),
            (" Doe, John <john@example.com>", "example.com"),
            (" Re: John <john@example.com> (home)\r\n", "example.com"),
            (" a@example.com, b@example.net", "example.com example.net"),
            (" <a@example.com>,, b@example.com", "example.com"),
        ] {
            assert_eq!(read(from), (domains.to_owned(), Form::Sound), "{from}");
        }
    }

    #[test]
    fn whatever_two_readers_see_differently_is_malformed() {
        for (from, domains) in [
            ("", ""),
            (" undisclosed", ""),
            (" undisclosed:;", ""),
            (" <>", ""),
            (" a@localhost", ""),
            (" a@[192.0.2.1], b@example.com", "example.com"),
            (
                " <a@example.com> <b@example.net>",
                "example.com example.net",
            ),
            (" <a@example.com<b@example.net>", "example.com example.net"),
            (" <a@example.com> b@example.net", "example.com"),
            (" a@example.com b@example.net", "example.com example.net"),
            (" a@example.com@example.net", "example.com example.net"),
            (" a@example.com: b@example.net;", "example.com example.net"),
            (
                " <@example.com,@example.org:b@example.net>",
                "example.com example.org example.net",
            ),
            (" a b@example.com", "example.com"),
            (" a@example.com>", "example.com"),
            (" <a@example.com", "example.com"),
            (" \"a <a@example.com>", ""),
            (" a@example.com (b", "example.com"),
        ] {
            assert_eq!(read(from), (domains.to_owned(), Form::Malformed), "{from}");
        }
    }

    #[test]
    fn there_is_one_field() {
        let two: [&[u8]; 2] = [b" a@example.com", b" b@example.net"];
        let from = FromFields::read(&two);
        assert_eq!(from.domains, ["example.com", "example.net"]);
        assert_eq!(from.form, Form::Malformed);
        assert_eq!(FromFields::read(&[]).form, Form::Malformed);
    }

    #[test]
    fn ten_domains_are_evaluated() {
        let list = |most: usize| -> String {
            let entries = (0..most).map(|n| format!("a@{n}.example, b@{n}.example"));
            entries.collect::<Vec<_>>().join(",")
        };
        assert_eq!(read(&list(10)).1, Form::Sound);
        let (domains, form) = read(&list(11));
        assert_eq!((domains.split(' ').count(), form), (10, Form::Malformed));
    }
}
