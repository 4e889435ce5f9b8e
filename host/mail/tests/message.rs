//! Header sections are split and put together again without losing an octet.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use lazaret_mail::message::{FIELD_LIMIT, HEADER_LIMIT, header_end};
use lazaret_mail::{Content, HeaderFault, Message, Segment};
use proptest::prelude::*;

fn memory(octets: &[u8]) -> Content {
    Content::Memory(Bytes::copy_from_slice(octets))
}

fn spooled(octets: &[u8]) -> Content {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(octets).unwrap();
    Content::File(Arc::new(file), octets.len() as u64)
}

fn sent(message: &Message) -> Vec<u8> {
    let mut octets = Vec::new();
    for segment in message.segments() {
        match segment {
            Segment::Octets(piece) => octets.extend_from_slice(&piece),
            Segment::Spooled(content, offset) => {
                octets.extend_from_slice(&content.read_at(offset, usize::MAX).unwrap());
            }
        }
    }
    octets
}

/// Fields as `name=value`, then what comes out at the other end must be what went in.
fn check(octets: &[u8], fields: &[&str]) {
    for content in [memory(octets), spooled(octets)] {
        let message = Message::parse(content, HEADER_LIMIT).unwrap();
        let found = message.fields().iter().map(|field| {
            format!(
                "{}={}",
                field.name(),
                String::from_utf8_lossy(field.value())
            )
        });
        assert_eq!(found.collect::<Vec<_>>(), fields);
        assert_eq!(sent(&message), octets);
        assert_eq!(message.size(), octets.len() as u64);
        assert_eq!(message.read(0, usize::MAX).unwrap(), octets);
    }
}

#[test]
fn proper_sections() {
    check(
        b"From: a@example.org\r\nTo: b\r\n\r\nbody\r\n",
        &["From= a@example.org", "To= b"],
    );
    check(
        b"Subject: folded\r\n  twice\r\n\tthrice\r\nX:\r\n\r\n",
        &["Subject= folded\r\n  twice\r\n\tthrice", "X="],
    );
    check(
        b"Old : blank before the colon\r\n\r\n",
        &["Old= blank before the colon"],
    );
}

#[test]
fn sections_that_are_not() {
    // Nothing at all, no header, no body, no empty line, no last line end.
    check(b"", &[]);
    check(b"\r\nbody\r\n", &[]);
    check(b"\r\n", &[]);
    check(b"A: 1\r\n\r\n", &["A= 1"]);
    check(b"A: 1\r\n", &["A= 1"]);
    check(b"A: 1", &["A= 1"]);
    // Lines that are no field keep their place and have no name.
    check(
        b"no colon\r\n more\r\nB: 2\r\n\r\nbody",
        &["=no colon\r\n more", "B= 2"],
    );
    check(
        b" blank first\r\nB: 2\r\n\r\nbody",
        &["= blank first", "B= 2"],
    );
    check(
        b": no name\r\nF\xc3\xbc: 8 bit\r\na b: blank\r\n\r\n",
        &["=: no name", "=F\u{fc}: 8 bit", "=a b: blank"],
    );
    // A line of blanks is no empty line.
    check(b"A: 1\r\n \r\nB: 2\r\n\r\n", &["A= 1\r\n ", "B= 2"]);
}

#[test]
fn a_section_over_the_limit_is_the_clients_fault() {
    let long = [b"X: ", "a".repeat(100).as_bytes(), b"\r\n\r\nbody"].concat();
    for content in [memory(&long), spooled(&long)] {
        assert_eq!(
            Message::parse(content.clone(), 106).unwrap_err(),
            HeaderFault::TooLarge(106)
        );
        assert_eq!(Message::parse(content, 107).unwrap().fields().len(), 1);
    }
    let endless = vec![b'a'; HEADER_LIMIT + 1];
    let fault = Message::parse(spooled(&endless), HEADER_LIMIT).unwrap_err();
    assert_eq!(
        fault.to_string(),
        "header section larger than 1048576 octets"
    );
}

#[test]
fn too_many_fields_are_the_clients_fault() {
    let section = |count: usize| b"a:\r\n".repeat(count);
    assert!(Message::parse(memory(&section(FIELD_LIMIT)), HEADER_LIMIT).is_ok());
    let fault = Message::parse(memory(&section(FIELD_LIMIT + 1)), HEADER_LIMIT).unwrap_err();
    assert_eq!(fault, HeaderFault::TooManyFields);
}

#[test]
fn a_long_section_in_a_file_is_found_across_chunks() {
    let octets = [&b"X: a\r\n".repeat(9_000)[..], b"\r\nbody"].concat();
    let message = Message::parse(spooled(&octets), HEADER_LIMIT).unwrap();
    assert_eq!((message.fields().len(), sent(&message)), (9_000, octets));
}

#[test]
fn the_end_of_a_section_is_a_whole_empty_line() {
    for (octets, end) in [
        (&b"A: 1\r\n\r\nbody"[..], Some(8)),
        (b"\r\nbody", Some(2)),
        (b"A: 1\r\n\r", None),
        (b"A: 1\r\n \r\n", None),
        (b"", None),
    ] {
        assert_eq!(header_end(octets), end);
    }
}

#[test]
fn the_stage_headers_sees_no_body() {
    let section = Bytes::from_static(b"A: 1\r\n\r\nthe first of the body");
    let message = Message::header_only(section, HEADER_LIMIT).unwrap();
    assert_eq!(
        (message.fields().len(), sent(&message)),
        (1, b"A: 1\r\n\r\n".to_vec())
    );
}

#[test]
fn values_are_found_by_name_in_any_case() {
    let octets = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX: 1\r\nsubject: two\r\n lines\r\n\r\n";
    let message = Message::parse(memory(octets), HEADER_LIMIT).unwrap();
    assert_eq!(message.text("SUBJECT"), ["Gr\u{fc}\u{df}e", "two lines"]);
    assert!(message.text("").is_empty());
}

fn lines() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => "[A-Za-z-]{1,8}: [ -~]{0,20}",
        1 => "[ \t]{1,3}[ -~]{0,9}",
        1 => "[ -~]{0,9}",
        1 => Just(String::new()),
    ];
    let end = prop_oneof![8 => Just("\r\n"), 1 => Just("\n"), 1 => Just("")];
    proptest::collection::vec((line, end), 0..12).prop_map(|lines| {
        lines
            .into_iter()
            .map(|(line, end)| line + end)
            .collect::<String>()
            .into_bytes()
    })
}

proptest! {
    #[test]
    fn any_octets_come_out_as_they_went_in(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let message = Message::parse(memory(&octets), HEADER_LIMIT).unwrap();
        prop_assert_eq!(sent(&message), octets);
    }

    #[test]
    fn anything_like_a_message_comes_out_as_it_went_in(octets in lines(), offset in 0u64..300, length in 0usize..300) {
        for content in [memory(&octets), spooled(&octets)] {
            let message = Message::parse(content, HEADER_LIMIT).unwrap();
            prop_assert_eq!(sent(&message), octets.clone());
            let start = (offset as usize).min(octets.len());
            let end = (start + length).min(octets.len());
            let read = message.read(offset, length).unwrap();
            prop_assert_eq!(&read[..], &octets[start..end]);
        }
    }
}
