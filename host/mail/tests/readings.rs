//! What one mail program takes for content and another does not: no tree is told of it.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{Content, Message, PartsFault};

fn message(octets: impl AsRef<[u8]>) -> Message {
    let content = Content::Memory(Bytes::copy_from_slice(octets.as_ref()));
    Message::parse(content, HEADER_LIMIT).unwrap()
}

/// How many parts it has.
fn parts(octets: impl AsRef<[u8]>) -> Result<usize, PartsFault> {
    message(octets).parts().map(|parts| parts.all().len())
}

fn mixed(inside: &str) -> String {
    format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{inside}")
}

/// Some end the header before the first line that is no field, and show what follows.
#[test]
fn a_line_that_is_no_field_in_the_header_of_a_part_is_a_fault() {
    for header in [
        "shown by some\r\nContent-Type: a/b\r\n\r\n",
        "Content-Type: a/b\r\nshown by some\r\n\r\n",
        "Content-Type: a/b\r\nshown by some\r\n and this\r\n\r\n",
        "Content-Type: a/b\r\nshown by some: this\r\n\r\n",
        "Content-Type: a/b\r\n: shown by some\r\n\r\n",
        " shown by some\r\nContent-Type: a/b\r\n\r\n",
        " \r\n shown by some\r\n\r\n",
        "Content-Type: a/b\r\nshown by some\r\n",
    ] {
        let part = mixed(&format!("--b\r\n{header}text\r\n--b--\r\n"));
        assert_eq!(parts(part), Err(PartsFault::Ambiguous), "{header}");
        let inside = format!("Content-Type: message/rfc822\r\n\r\n{header}");
        assert_eq!(parts(inside), Err(PartsFault::Ambiguous), "{header}");
    }
    for header in [
        "Content-Type: a/b\r\n\r\nno field",
        " \r\nContent-Type: a/b\r\n\r\n",
        "\t\r\n\r\nno field",
        "no field and no empty line\r\n",
    ] {
        let part = mixed(&format!("--b\r\n{header}\r\n--b--\r\n"));
        assert_eq!(parts(part), Ok(2), "{header}");
    }
    assert_eq!(parts("no field\r\nSubject: a\r\n\r\ntext"), Ok(1));
}
