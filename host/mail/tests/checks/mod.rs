//! What must hold for any octets. The fuzz targets run these, and so does `tests/corpus.rs` over `fuzz/corpus`, so that
//! what was found once stays found.

use std::path::Path;

use bytes::Bytes;
use lazaret_mail::message::{Content, EditScope, Field, HeaderEditor, Message, Segment};
use lazaret_mail::policy::{Grant, Policy};

/// A check over octets; it panics where something does not hold.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub type Check = fn(&[u8]);

/// A check with the name of its fuzz target and corpus folder.
#[allow(dead_code, reason = "each fuzz target uses one check")]
pub const ALL: [(&str, Check); 3] = [("message", message), ("edits", edits), ("policy", policy)];

/// Of a header section; low, so that it is met.
const LIMIT: usize = 4_096;

/// No octet of a message is lost or made up, whatever it is, and every part can be read.
pub fn message(octets: &[u8]) {
    let Ok(message) = parsed(octets) else {
        return;
    };
    assert_eq!(whole(&message), octets);
    assert_eq!(message.size(), octets.len() as u64);
    let read: Vec<u8> = (0..octets.len() as u64)
        .step_by(7)
        .flat_map(|offset| message.read(offset, 7).expect("it is in memory"))
        .collect();
    assert_eq!(read, octets);
    for field in message.fields() {
        assert!(field.raw().len() >= field.name().len() + field.value().len());
        let _ = field.text();
    }
    parts(&message);
}

fn parts(message: &Message) {
    let Ok(parts) = message.parts() else {
        return;
    };
    assert!(parts.all().len() > 0, "the message itself is a part");
    for index in 0..parts.all().len() as u32 {
        let all = parts
            .read(index, 0, usize::MAX)
            .expect("there is such a part");
        let tail = parts
            .read(index, 3, usize::MAX)
            .expect("there is such a part");
        assert_eq!(tail, all.get(3..).unwrap_or_default());
        let _ = parts.text(index);
    }
    assert_eq!(parts.read(parts.all().len() as u32, 0, 1), None);
}

/// What a filter writes is whole fields and no more: read again they are the same, and the body is not touched. The
/// octets are instructions, names and values up to 0xFF, and behind that the message.
pub fn edits(octets: &[u8]) {
    let mut pieces = octets.splitn(2, |octet| *octet == 0xFF);
    let orders = pieces.next().unwrap_or_default();
    let Ok(message) = parsed(pieces.next().unwrap_or_default()) else {
        return;
    };
    let scope = EditScope::of(&[Grant::EditHeaders(vec![
        "*".to_owned(),
        "Received".to_owned(),
    ])]);
    let mut editor = HeaderEditor::new(&message, &scope);
    orders.chunks(24).for_each(|order| edit(&mut editor, order));
    let expected: Vec<Field> = editor.fields().to_vec();
    let edited = message
        .apply(&editor.finish())
        .expect("each edit was checked as it was made");
    assert_eq!(raw(edited.fields()), raw(&expected));
    if message.fields().iter().any(|field| field.name().is_empty()) {
        return;
    }
    let again = whole(&edited);
    if let Ok(read) = Message::parse(Content::Memory(again.into()), 64 * LIMIT) {
        assert_eq!(
            raw(read.fields()),
            raw(&expected),
            "a field that was written is more than one"
        );
    }
}

/// What to do, a name, a value.
fn edit(editor: &mut HeaderEditor, order: &[u8]) {
    let text = |range: &[u8]| String::from_utf8_lossy(range).into_owned();
    let (what, rest) = order.split_first().expect("no chunk is empty");
    let (name, value) = rest.split_at(rest.len().min(usize::from(*what >> 4)));
    let (name, value) = (text(name), text(value));
    // A refusal is an answer.
    let _ = match what % 4 {
        0 => editor.add(&name, &value),
        1 => editor.replace(&name, u32::from(what >> 6), &value),
        2 => editor.remove(&name, None).map(drop),
        _ => editor.remove(&name, Some(u32::from(what >> 6))).map(drop),
    };
}

/// A filter's TOML is understood or refused with its line and a cure, in words fit for a terminal.
pub fn policy(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    // Files of others are not for us to read.
    if text.contains("lines") || text.contains("file") {
        return;
    }
    if let Err(error) = Policy::parse(Path::new("10-fuzz.toml"), &text) {
        let said = error.to_string();
        assert!(said.starts_with("10-fuzz.toml"), "{said}");
    }
    for word in text.split_whitespace() {
        units(word);
    }
}

/// What is read as a size or a time is printed so that it is read again as the same.
fn units(word: &str) {
    if let Ok(size) = word.parse::<lazaret_config::ByteSize>() {
        assert_eq!(size.to_string().parse(), Ok(size));
    }
    if let Ok(span) = word.parse::<lazaret_config::Span>() {
        assert_eq!(span.to_string().parse(), Ok(span));
    }
}

fn parsed(octets: &[u8]) -> Result<Message, lazaret_mail::message::HeaderFault> {
    Message::parse(Content::Memory(Bytes::copy_from_slice(octets)), LIMIT)
}

fn whole(message: &Message) -> Vec<u8> {
    let segments = message.segments().map(|segment| match segment {
        Segment::Octets(octets) => octets,
        Segment::Spooled(..) => panic!("it is in memory"),
    });
    segments.flatten().collect()
}

fn raw(fields: &[Field]) -> Vec<&[u8]> {
    fields.iter().map(|field| &field.raw()[..]).collect()
}
