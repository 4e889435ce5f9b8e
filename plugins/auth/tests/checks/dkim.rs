//! What must hold for any key and any signed message.

use super::{Field, Outcome, Signatures};
use crate::names::{Found, Kind, Names};

/// One record, whatever is asked.
struct Key<'k> {
    record: &'k str,
    asked: Vec<String>,
}

impl Names for Key<'_> {
    fn look_up(&mut self, name: &str, kind: Kind) -> Found {
        assert_eq!(kind, Kind::Txt);
        self.asked.push(name.to_owned());
        Found::Records(vec![self.record.to_owned()])
    }
}

/// The first line is a key record, behind it comes a message with LF at its line ends. Five signatures are looked at, and
/// keys are asked for where such keys are.
pub fn dkim(octets: &[u8]) {
    let (record, message) = halves(octets, b"\n");
    let (header, body) = halves(message, b"\n\n");
    let signatures = Signatures::of(fields(header));
    let mut hashes = signatures.hashes();
    assert!(hashes.len() <= 2);
    for hash in &mut hashes {
        body.chunks(7).for_each(|piece| hash.feed(piece));
    }
    let record = String::from_utf8_lossy(record);
    let mut key = Key {
        record: &record,
        asked: Vec::new(),
    };
    let checked = signatures.check(&mut key, hashes, 1_800_000_000);
    assert!(checked.len() <= 5 && key.asked.len() <= checked.len());
    let own = |name: &String| {
        let mut signers = checked.iter();
        signers.any(|it| *name == format!("{}._domainkey.{}", it.selector, it.domain))
    };
    assert!(key.asked.iter().all(own), "{:?}", key.asked);
    for it in &checked {
        let holds = matches!(it.outcome, Outcome::Pass | Outcome::TempError);
        assert_eq!(it.outcome.reason().is_none(), holds);
    }
}

/// Before the first of these, and behind it.
fn halves<'o>(octets: &'o [u8], between: &[u8]) -> (&'o [u8], &'o [u8]) {
    let at = octets.windows(between.len()).position(|it| it == between);
    let at = at.unwrap_or(octets.len());
    let behind = octets.get(at + between.len()..).unwrap_or_default();
    (&octets[..at], behind)
}

/// Lines that begin with a blank belong to the field before them.
fn fields(header: &[u8]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for line in header.split(|octet| *octet == b'\n') {
        match fields.last_mut() {
            Some(field) if line.starts_with(b" ") || line.starts_with(b"\t") => {
                field.value.extend(b"\r\n");
                field.value.extend(line);
            }
            _ => {
                let (name, value) = halves(line, b":");
                let name = String::from_utf8_lossy(name).into_owned();
                let value = value.to_vec();
                fields.push(Field { name, value });
            }
        }
    }
    fields
}
