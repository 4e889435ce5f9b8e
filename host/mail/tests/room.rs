//! Memory for the MIME tree: what is taken for a message is enough for all that is decoded of it.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use bytes::Bytes;
use lazaret_mail::message::{HEADER_LIMIT, PARSE_LIMIT, ParseRoom};
use lazaret_mail::{Content, Message, PartsFault};

fn message(octets: String) -> Message {
    Message::parse(Content::Memory(Bytes::from(octets)), HEADER_LIMIT).unwrap()
}

fn fault(octets: String) -> Option<PartsFault> {
    message(octets).parts().err()
}

/// A message in a message, each encoded, and this one innermost.
fn nested(encoding: &str, levels: usize, inside: &str) -> String {
    let level =
        format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n");
    format!("{}{inside}", level.repeat(levels))
}

fn text(lines: usize) -> String {
    format!("\r\n{}", "a line\r\n".repeat(lines))
}

#[test]
fn what_is_decoded_again_and_again_is_a_fault() {
    let fault_in = |levels| fault(nested("quoted-printable", levels, &text(100_000)));
    assert_eq!(fault_in(1), None);
    assert_eq!(fault_in(2), None);
    assert_eq!(fault_in(3), Some(PartsFault::Work));
    assert_eq!(fault(nested("8bit", 4, &text(100_000))), None);
    assert_eq!(fault(nested("quoted-printable", 6, &text(1))), None);
}

#[test]
fn a_file_in_a_message_that_is_encoded_is_decoded() {
    let file = format!(
        "Content-Type: a/b\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        "aGVsbG8g\r\n".repeat(100_000)
    );
    let fault_in = |levels| fault(nested("quoted-printable", levels, &file));
    assert_eq!(fault_in(1), None);
    assert_eq!(fault_in(2), Some(PartsFault::Work));
}

#[tokio::test]
async fn room_is_taken_for_the_body_and_what_is_decoded_of_it() {
    let room = ParseRoom::of(3 * PARSE_LIMIT);
    let large = message(nested("quoted-printable", 2, &text(1000)));
    assert!(large.make_room(&room, Duration::ZERO).await);
    assert_eq!(room.used(), 3 * large.size());
    drop(large);
    assert_eq!(room.used(), 0);
}
