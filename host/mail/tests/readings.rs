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
        "\x0c\r\nContent-Type: a/b\r\n\r\n",
        "Content-Type: a/b\r\nshown by some\r\n",
        "From a@example.com Thu Jan  1 00:00:00 1970\r\n and this is shown by some\r\nSubject: a\r\n\r\n",
        "Subject: a\r\nFrom a@example.com Thu Jan  1 00:00:00 1970\r\n\r\n",
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
    let part = mixed("--b\r\nFrom a\r\nContent-Type: a/b\r\n\r\ntext\r\n--b--\r\n");
    assert_eq!(parts(part), Err(PartsFault::Ambiguous));
    for line in ["From a@example.com Thu Jan  1 00:00:00 1970", ">From b"] {
        let forwarded =
            format!("Content-Type: message/rfc822\r\n\r\n{line}\r\nSubject: a\r\n\r\ntext");
        assert_eq!(parts(forwarded), Ok(2), "{line}");
    }
    assert_eq!(parts("no field\r\nSubject: a\r\n\r\ntext"), Ok(1));
}

/// RFC 2046 section 5.1.1: to divide, a line need only begin with the boundary.
#[test]
fn a_line_that_only_begins_with_a_boundary_is_a_fault() {
    for line in [
        "--b x",
        "--bx",
        "--b-",
        "--b--x",
        "--b: x",
        "--b --",
        "--b\x0c",
        "--b--\x0c",
    ] {
        let hidden = format!("{line}\r\nContent-Type: a/b; name=x.exe\r\n\r\nMZ\r\n");
        let text = "--b\r\n\r\ntext\r\n";
        let end = "--b--\r\n";
        for inside in [
            format!("preamble\r\n{hidden}{text}{end}"),
            format!("{text}{hidden}{end}"),
            format!("{text}{hidden}"),
            format!("{text}{end}{hidden}"),
            format!("--b\r\n{hidden}{end}"),
            format!("--b\r\nContent-Transfer-Encoding: base64\r\n\r\naGVs\r\n{hidden}{end}"),
            format!("--b\r\nContent-Type: message/rfc822\r\n\r\n{hidden}{end}"),
            format!("--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: a\r\n\r\n{hidden}{end}"),
            format!(
                "--b\r\n{}--c\r\n\r\ntext\r\n{hidden}--c--\r\n{end}",
                inner("c")
            ),
            format!(
                "--b\r\n{}{hidden}--c\r\n\r\ntext\r\n--c--\r\n{end}",
                inner("c")
            ),
            format!(
                "--b\r\n{}--c\r\n\r\ntext\r\n--c--\r\n{hidden}{end}",
                inner("c")
            ),
            hidden.clone(),
        ] {
            assert_eq!(
                parts(mixed(&inside)),
                Err(PartsFault::Ambiguous),
                "{inside}"
            );
        }
    }
}

/// RFC 2046 section 5.1.1 ends a multipart at its last delimiter; some divide what is behind it as well.
#[test]
fn a_delimiter_behind_the_last_one_is_a_fault() {
    let text = "--b\r\n\r\ntext\r\n--b--\r\n";
    let hidden = "--b\r\nContent-Type: a/b; name=x.exe\r\n\r\nMZ\r\n--b--\r\n";
    for behind in [
        hidden.to_owned(),
        format!("epilogue\r\n{hidden}"),
        "--b".into(),
    ] {
        assert_eq!(
            parts(mixed(&format!("{text}{behind}"))),
            Err(PartsFault::Ambiguous),
            "{behind}"
        );
    }
    for behind in ["", "epilogue\r\n", "--b--\r\n", "--c\r\n", " --b\r\n"] {
        assert_eq!(parts(mixed(&format!("{text}{behind}"))), Ok(2), "{behind}");
    }
}

fn inner(boundary: &str) -> String {
    format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n")
}

#[test]
fn lines_that_divide_or_that_no_boundary_begins_are_no_fault() {
    for (inside, count) in [
        ("--b \t\r\n\r\none\r\n--b\r\n\r\ntwo\r\n--b-- \r\n".to_owned(), 3),
        ("--b\r\n\r\nx--b x\r\n --b x\r\n--a\r\n-- \r\n--B x\r\n--b--".to_owned(), 2),
        (format!("--b\r\n{}--bb\r\n\r\none\r\n--bb--\r\n--b--\r\n", inner("bb")), 3),
        (format!("--b\r\n{}--b x\r\n\r\none\r\n--b x--\r\n--b--\r\n", inner("b x")), 3),
        (
            format!(
                "--b\r\nContent-Type: message/rfc822\r\n\r\n{}--bb\r\n\r\none\r\n--bb--\r\n--b--\r\n",
                inner("bb")
            ),
            4,
        ),
        // The boundary is in force outside of what is encoded.
        (
            "--b\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
             Subject: a\r\n\r\n=2D-b x\r\n--b--"
                .to_owned(),
            3,
        ),
        // Behind a multipart its boundary is none.
        (
            format!("--b\r\n{}--c\r\n\r\none\r\n--c--\r\n--b\r\n\r\n--c x\r\n--b--", inner("c")),
            4,
        ),
    ] {
        assert_eq!(parts(mixed(&inside)), Ok(count), "{inside}");
    }
    assert_eq!(parts("Subject: a\r\n\r\n--b x\r\n"), Ok(1));
}

#[test]
fn searching_lines_for_boundaries_is_bounded_work() {
    let deep: String = (0..30)
        .map(|level| format!("--b{level}x\r\n{}", inner(&format!("b{}x", level + 1))))
        .collect();
    let lines = "--\r\n".repeat(1 << 20);
    let octets = format!("{}{deep}--b30x\r\n\r\n{lines}", inner("b0x"));
    assert_eq!(parts(octets), Err(PartsFault::Work));
    let few = format!("{}--b\r\n\r\n{lines}", inner("b"));
    assert_eq!(parts(few), Ok(2));
}

/// Python ends the header of the whole message there, too, and Postfix puts an empty line before such a line.
#[test]
fn a_line_that_is_no_field_in_the_first_header_is_a_fault_or_shown() {
    for header in [
        "Content-Type: multipart/mixed; boundary=b\r\nx\r\n--b\r\n\r\nhttp://evil.example/\r\n--b\r\n\r\nhello\r\n--b--\r\n",
        "Content-Type: text/html\r\nx\r\nContent-Transfer-Encoding: base64\r\n\r\n<a href=http://evil.example>\r\n",
        "x\r\nContent-Type: text/html\r\n\r\ntext\r\n",
        "From a\r\nx\r\nContent-Type: text/html\r\n\r\ntext\r\n",
        "From a\r\n x\r\nContent-Type: text/html\r\n\r\ntext\r\n",
    ] {
        assert_eq!(parts(header), Err(PartsFault::Ambiguous), "{header}");
    }
    for header in [
        "Subject: a",
        "From a@example.com Thu Jan  1 00:00:00 1970",
        ">From b",
    ] {
        let mail = message(format!(
            "{header}\r\nvisit http://evil.example/\r\nTo: b\r\n\r\nhello\r\n"
        ));
        let parts = mail.parts().unwrap();
        let shown = "visit http://evil.example/\r\nTo: b\r\n\r\nhello\r\n";
        assert_eq!(parts.all().len(), 1);
        assert_eq!(
            &parts.read(0, 0, 1000).unwrap()[..],
            shown.as_bytes(),
            "{header}"
        );
    }
    let bare = message("no field\r\nSubject: a\r\n\r\ntext");
    let parts = bare.parts().unwrap();
    assert_eq!(
        &parts.read(0, 0, 1000).unwrap()[..],
        b"no field\r\nSubject: a\r\n\r\ntext"
    );
}

#[test]
fn digits_behind_the_end_of_base64_are_a_fault() {
    let encoded = |body: &str| format!("Content-Transfer-Encoding: base64\r\n\r\n{body}");
    for body in [
        "a=GVsbG8gd29ybGQ=",
        "aGVsbG8=aGVsbG8=\r\n",
        "aGVsbG8=\r\n-- \r\na list\r\n",
        "=aaaa",
    ] {
        assert_eq!(parts(encoded(body)), Err(PartsFault::Ambiguous), "{body}");
    }
    for body in [
        "aGVsbG8=\r\n",
        "aGVsbG8gd29ybGQh\r\n",
        "aGVs\r\nbG8=\r\n\r\n--\r\n",
        "aGVsbG8",
        "aA==\r\n=\r\n",
    ] {
        assert_eq!(parts(encoded(body)), Ok(1), "{body}");
    }
}

/// In the one it is a link, in the other it is Chinese.
#[test]
fn a_text_of_two_charsets_is_a_fault() {
    for kind in [
        "text/html; charset*0=utf-16le; charset=utf-8",
        "text/html; charset*=us-ascii''utf-16le; charset=utf-8",
        "text/html; charset=utf-16le; charset=utf-8",
        "text/html; charset=utf-16le\r\nContent-Type: text/html; charset=utf-8",
        "text/html\r\nContent-Type: text/html; charset=utf-7",
        "text/html; charset=iso-2022-jp; charset=utf-8",
        "text/html; charset=utf-8; charset=ibm037",
        "text/html; charset=utf-8; charset=utf_7",
    ] {
        let mail = format!("Content-Type: {kind}\r\n\r\n<a href=http://evil.example>");
        assert_eq!(parts(mail), Err(PartsFault::Ambiguous), "{kind}");
    }
    for kind in [
        "text/plain; charset=utf-8 (all of it)",
        "text/plain; charset=\"ISO-8859-1\"; charset=iso-8859-1",
        "text/plain; charset=us-ascii\r\nContent-Type: text/plain; charset=utf-8",
        "text/html; charset=\\\"utf-8\\\"",
        "text/html; charset=utf-8\"",
        "text/html; charset=3D\"utf-8\"",
        "text/plain; charset=us-ascii(Plain)",
        "text/plain; charset=latin1; charset=iso-8859-1",
        "text/plain; charset=\"utf-16\"",
        "text/html\r\nContent-Type: text/html; charset=iso-8859-1",
        "image/png; charset=utf-16le; charset=utf-8",
    ] {
        assert_eq!(
            parts(format!("Content-Type: {kind}\r\n\r\nx")),
            Ok(1),
            "{kind}"
        );
    }
}

/// Thunderbird opens message/news, Python every type of the kind.
#[test]
fn what_some_open_as_a_message_is_opened_or_a_fault() {
    let inside = "Subject: x\r\nContent-Type: text/html; name=invoice.hta\r\n\r\nMZ\r\n";
    let of =
        |kind: &str, inside: &str| parts(format!("Content-Type: message/{kind}\r\n\r\n{inside}"));
    assert_eq!(of("news", inside), Ok(2));
    let many = "a:\r\n".repeat(10_001) + inside;
    let far = format!("a: {}\r\n{inside}", "x".repeat(300_000));
    for inside in [
        inside,
        &format!("From a\r\n{inside}"),
        &format!(" x\r\n{inside}"),
        &format!("HTTP/1.1 200 OK\r\n{inside}"),
        &many,
        &far,
    ] {
        assert_eq!(of("x-foo", inside), Err(PartsFault::Ambiguous));
    }
    for kind in ["rfc822", "global", "news", "x-foo"] {
        let encoded = format!("{kind}\r\nContent-Transfer-Encoding: base64");
        assert_eq!(of(&encoded, inside), Err(PartsFault::Ambiguous), "{kind}");
        assert!(
            of(&encoded, "U3ViamVjdDogeA0KDQp0ZXh0DQo=\r\n").is_ok(),
            "{kind}"
        );
    }
    for (kind, inside) in [
        ("x-foo", "Subject: x\r\n\r\ntext\r\n"),
        ("http", "HTTP/1.1 200 OK\r\nServer: a\r\n\r\n"),
        ("delivery-status", inside),
        ("disposition-notification", inside),
        ("feedback-report", inside),
    ] {
        assert_eq!(of(kind, inside), Ok(1), "{kind}");
    }
}

/// To Python it ends the header.
#[test]
fn a_blank_before_the_colon_of_a_mime_field_is_a_fault() {
    for field in [
        "Content-Transfer-Encoding : base64",
        "Content-Type\t: text/html",
    ] {
        let header = format!("{field}\r\n\r\ntext\r\n");
        assert_eq!(parts(&header), Err(PartsFault::Ambiguous), "{field}");
        let part = mixed(&format!("--b\r\n{header}--b--\r\n"));
        assert_eq!(parts(part), Err(PartsFault::Ambiguous), "{field}");
    }
    for (header, told) in [
        (
            "Subject : x\r\nContent-Type: text/html",
            Err(PartsFault::Ambiguous),
        ),
        ("Content-Type: text/html\r\nSubject : x", Ok(1)),
        ("Subject : x", Ok(1)),
    ] {
        assert_eq!(parts(format!("{header}\r\n\r\ntext\r\n")), told, "{header}");
    }
}
