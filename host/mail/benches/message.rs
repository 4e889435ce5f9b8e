//! What a message of 4 KiB costs before and after filters: its header section read, fields added and removed.
//! `cargo bench --bench message`
#![allow(missing_docs, clippy::unwrap_used)]

use bytes::Bytes;
use divan::Bencher;
use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{Content, Edit, EditScope, Field, Grant, HeaderEditor, Message};

fn main() {
    divan::main();
}

/// Twelve fields and a body.
fn octets() -> Bytes {
    let fields: String = (0..12)
        .map(|number| format!("X-Field-{number}: some words that stand for a value\r\n"))
        .collect();
    let mut text = format!("{fields}\r\n");
    while text.len() < 4096 {
        text.push_str("a line of the body as it stands in many letters\r\n");
    }
    text.into()
}

fn message() -> Message {
    Message::parse(Content::Memory(octets()), HEADER_LIMIT).unwrap()
}

/// What a filter that adds two fields and removes one hands over.
fn edits(message: &Message) -> Vec<Edit> {
    let scope = EditScope::of(&[Grant::EditHeaders(vec!["X-*".into()])]);
    let mut editor = HeaderEditor::new(message, &scope);
    editor.add("X-Verdict", "harmless").unwrap();
    editor.add("X-Score", "0.5").unwrap();
    editor.remove("X-Field-3", None).unwrap();
    editor.finish()
}

#[divan::bench]
fn header_section(bencher: Bencher) {
    let octets = octets();
    bencher.bench(|| Message::parse(Content::Memory(octets.clone()), HEADER_LIMIT).unwrap());
}

#[divan::bench]
fn three_edits_made(bencher: Bencher) {
    let message = message();
    bencher.bench(|| edits(&message));
}

#[divan::bench]
fn three_edits_applied(bencher: Bencher) {
    let message = message();
    let edits = edits(&message);
    bencher.bench(|| message.apply(&edits).unwrap());
}

#[divan::bench]
fn one_field_prepended(bencher: Bencher) {
    let message = message();
    let field = Field::compose("Received", "from a by b with ESMTP id c; d").unwrap();
    bencher.bench(|| message.prepend(field.clone()));
}

#[divan::bench]
fn mime_parts(bencher: Bencher) {
    bencher
        .with_inputs(message)
        .bench_values(|message| message.parts());
}

/// A text, a page and a picture, as most programs write them.
fn mixed() -> Message {
    let leaf = "--line\r\nContent-Type: image/png; name=\"picture of it.png\"\r\n\
        Content-Disposition: attachment;\r\n filename=\"picture of it.png\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n";
    let head = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"line\"\r\n\r\n";
    let octets = [head, leaf, leaf, leaf, "--line--\r\n"].concat();
    Message::parse(Content::Memory(octets.into()), HEADER_LIMIT).unwrap()
}

#[divan::bench]
fn mime_tree(bencher: Bencher) {
    bencher
        .with_inputs(mixed)
        .bench_values(|message| message.parts());
}
