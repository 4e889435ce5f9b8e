//! A message as fields and body, just enough to be read and edited in a test.

use mail_parser::MessageParser;

use crate::Error;

/// Names that need a grant by name, and how others of that kind begin, which need one that begins so.
const PROTECTED: [&str; 6] = [
    "received",
    "return-path",
    "delivered-to",
    "dkim-signature",
    "domainkey-signature",
    "authentication-results",
];
const PROTECTED_PREFIX: &str = "arc-";

/// Fields in order, and what follows the empty line.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub fields: Vec<(String, Vec<u8>)>,
    pub body: Vec<u8>,
}

impl Message {
    pub fn parse(text: &[u8]) -> Self {
        let mut message = Self::default();
        let mut lines = text.split_inclusive(|&b| b == b'\n').map(without_end);
        for line in lines.by_ref().take_while(|line| !line.is_empty()) {
            message.line(line);
        }
        for line in lines {
            message.body.extend_from_slice(line);
            message.body.extend_from_slice(b"\r\n");
        }
        message
    }

    fn line(&mut self, line: &[u8]) {
        if let (true, Some((_, value))) = (starts_blank(line), self.fields.last_mut()) {
            value.extend_from_slice(b"\r\n");
            value.extend_from_slice(line);
            return;
        }
        let colon = line.iter().position(|&b| b == b':').unwrap_or(line.len());
        let name = String::from_utf8_lossy(&line[..colon]).into_owned();
        let value = line.get(colon + 1..).unwrap_or_default().to_vec();
        self.fields.push((name, value));
    }

    /// All octets, as the body permission shows them.
    pub fn octets(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        for (name, value) in &self.fields {
            octets.extend_from_slice(name.as_bytes());
            octets.push(b':');
            octets.extend_from_slice(value);
            octets.extend_from_slice(b"\r\n");
        }
        octets.extend_from_slice(b"\r\n");
        octets.extend_from_slice(&self.body);
        octets
    }

    pub fn text(&self, name: &str) -> Vec<String> {
        self.places(name)
            .into_iter()
            .map(|place| decoded(&self.fields[place].1))
            .collect()
    }

    pub fn add(&mut self, name: &str, value: &str) {
        self.fields.insert(0, (name.to_owned(), spaced(value)));
    }

    pub fn replace(&mut self, name: &str, nth: u32, value: &str) -> Result<(), Error> {
        let place = self.nth(name, nth).ok_or(Error::Invalid)?;
        self.fields[place].1 = spaced(value);
        Ok(())
    }

    pub fn remove(&mut self, name: &str, nth: Option<u32>) -> u32 {
        let places = match nth {
            None => self.places(name),
            Some(nth) => self.nth(name, nth).into_iter().collect(),
        };
        for &place in places.iter().rev() {
            self.fields.remove(place);
        }
        places.len() as u32
    }

    fn nth(&self, name: &str, nth: u32) -> Option<usize> {
        self.places(name).get(nth as usize).copied()
    }

    fn places(&self, name: &str) -> Vec<usize> {
        let is_named = |(place, field): (usize, &(String, Vec<u8>))| {
            field.0.eq_ignore_ascii_case(name).then_some(place)
        };
        self.fields
            .iter()
            .enumerate()
            .filter_map(is_named)
            .collect()
    }
}

/// A field name is printable US-ASCII without colon (RFC 5322 section 2.2).
pub fn name_is_valid(name: &str) -> bool {
    !name.is_empty() && name.len() <= 76 && name.bytes().all(|b| b.is_ascii_graphic() && b != b':')
}

/// The host folds and encodes; what would end the field is refused.
pub fn value_is_valid(value: &str) -> bool {
    !value.chars().any(|c| c.is_control() && c != '\t')
}

/// May this name be edited under these patterns? Without patterns: all but trace and signatures.
pub fn in_scope(name: &str, patterns: &[String]) -> bool {
    let name = name.to_ascii_lowercase();
    if patterns.is_empty() {
        return opens("", &name);
    }
    patterns
        .iter()
        .map(|p| p.to_ascii_lowercase())
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix) && opens(prefix, &name),
            None => name == pattern,
        })
}

/// Was a pattern that begins so written for the name, if that is a protected one?
fn opens(prefix: &str, name: &str) -> bool {
    match name.starts_with(PROTECTED_PREFIX) {
        true => prefix.starts_with(PROTECTED_PREFIX),
        false => !PROTECTED.contains(&name),
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn starts_blank(line: &[u8]) -> bool {
    matches!(line.first(), Some(b' ' | b'\t'))
}

fn spaced(value: &str) -> Vec<u8> {
    format!(" {value}").into_bytes()
}

/// Any field read as unstructured text, which Subject is.
fn decoded(value: &[u8]) -> String {
    let section = [b"Subject:", value, b"\r\n\r\n"].concat();
    let message = MessageParser::new().parse(&section);
    let text = message.as_ref().and_then(|m| m.subject());
    text.unwrap_or_default().trim().to_owned()
}
