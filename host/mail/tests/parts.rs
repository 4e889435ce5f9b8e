//! The MIME tree: what proper messages come to, and that hostile ones come to a fault in good time.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use lazaret_mail::message::{DEPTH_LIMIT, HEADER_LIMIT, PART_LIMIT, PartError};
use lazaret_mail::{Content, EditScope, Grant, HeaderEditor, Message, Parts, PartsFault};
use proptest::prelude::*;

fn message(octets: impl AsRef<[u8]>) -> Message {
    let content = Content::Memory(Bytes::copy_from_slice(octets.as_ref()));
    Message::parse(content, HEADER_LIMIT).unwrap()
}

fn parts(octets: impl AsRef<[u8]>) -> Result<Arc<Parts>, PartsFault> {
    message(octets).parts()
}

/// One line a part: index, parent, type, name, attachment, octets.
fn tree(octets: impl AsRef<[u8]>) -> Vec<String> {
    let parts = parts(octets).unwrap();
    let lines = parts.all().map(|part| {
        let parent = part.parent.map_or("-".into(), |parent| parent.to_string());
        let name = part.name.as_deref().unwrap_or("-");
        let kind = if part.attachment {
            "attachment"
        } else {
            "inline"
        };
        format!(
            "{} {parent} {} {name} {kind} {}",
            part.index, part.content_type, part.size
        )
    });
    lines.collect()
}

const PROPER: &str = concat!(
    "Subject: a tree\r\n",
    "Content-Type: multipart/mixed; boundary=\"outer\"\r\n\r\n",
    "preamble\r\n",
    "--outer\r\n",
    "Content-Type: multipart/alternative; boundary=inner\r\n\r\n",
    "--inner\r\n\r\nplain\r\n",
    "--inner\r\nContent-Type: text/HTML; charset=iso-8859-1\r\n",
    "Content-Transfer-Encoding: quoted-printable\r\n\r\n<b>Gr=FC=DFe</b>\r\n",
    "--inner--\r\n",
    "--outer\r\n",
    "Content-Type: application/pdf; name=\"x.exe\"\r\n",
    "Content-Disposition: attachment; filename*0*=utf-8''r%C3%A4t; filename*1=sel.pdf.exe\r\n",
    "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n",
    "--outer\r\n",
    "Content-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\ntext\r\n",
    "--outer--\r\nepilogue\r\n",
);

#[test]
fn a_proper_tree() {
    assert_eq!(
        tree(PROPER),
        [
            "0 - multipart/mixed - inline 0",
            "1 0 multipart/alternative - inline 0",
            "2 1 text/plain - inline 5",
            "3 1 text/html - inline 12",
            "4 0 application/pdf r\u{e4}tsel.pdf.exe attachment 5",
            "5 0 message/rfc822 - inline 23",
            "6 5 text/plain - inline 4",
        ]
    );
}

#[test]
fn parts_are_read_decoded() {
    let parts = parts(PROPER).unwrap();
    assert_eq!(parts.text(3).as_deref(), Ok("<b>Gr\u{fc}\u{df}e</b>"));
    assert_eq!(parts.text(4), Err(PartError::NotText));
    assert_eq!(parts.text(7), Err(PartError::Unknown));
    assert_eq!(parts.read(4, 1, 3).unwrap(), "ell");
    assert_eq!(parts.read(4, 5, 3).unwrap(), "");
    assert_eq!(parts.read(4, u64::MAX, usize::MAX).unwrap(), "");
    assert!(parts.read(7, 0, 1).is_none());
    let hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    assert_eq!(parts.all().nth(4).unwrap().sha256, hello);
}

#[test]
fn a_message_without_mime_is_one_text() {
    assert_eq!(
        tree("Subject: a\r\n\r\nhello\r\n"),
        ["0 - text/plain - inline 7"]
    );
    assert_eq!(tree(""), ["0 - text/plain - inline 0"]);
    assert_eq!(
        tree("Content-Type: junk\r\n\r\nhello"),
        ["0 - junk/unknown - inline 5"]
    );
}

#[test]
fn broken_multiparts_hide_nothing() {
    // No delimiter found: the body is the part. No last one: the part runs to the end.
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    assert_eq!(
        tree(format!("{head}nothing here")),
        ["0 - multipart/mixed - inline 12"]
    );
    assert_eq!(
        tree(format!(
            "{head}--b\r\nContent-Type: a/b; name=x.exe\r\n\r\nMZ"
        )),
        ["0 - multipart/mixed - inline 0", "1 0 a/b x.exe inline 2"]
    );
    // A part that starts without a header and without an empty line.
    assert_eq!(
        tree(format!("{head}--b\r\nhello there\r\n--b--")),
        [
            "0 - multipart/mixed - inline 0",
            "1 0 text/plain - inline 11"
        ]
    );
    // A boundary of octets that are no UTF-8.
    let octets = b"Content-Type: multipart/mixed; boundary=\"b\xff\"\r\n\r\n--b\xff\r\nContent-Type: a/b\r\n\r\nMZ\r\n--b\xff--";
    assert_eq!(
        tree(octets),
        ["0 - multipart/mixed - inline 0", "1 0 a/b - inline 2"]
    );
    assert_eq!(
        tree(
            "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nSubject: x\r\n\r\nhi\r\n--b--"
        ),
        [
            "0 - multipart/digest - inline 0",
            "1 0 message/rfc822 - inline 16",
            "2 1 text/plain - inline 2"
        ]
    );
}

#[test]
fn an_outer_boundary_ends_inner_parts() {
    let octets = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--a\r\n\r\ntwo\r\n--a--";
    assert_eq!(
        tree(octets),
        [
            "0 - multipart/mixed - inline 0",
            "1 0 multipart/mixed - inline 0",
            "2 1 text/plain - inline 3",
            "3 0 text/plain - inline 3",
        ]
    );
}

/// A boundary is read as mail programs read it: a decoy in the preamble is none.
#[test]
fn a_boundary_is_what_stands_in_the_body() {
    for (parameter, boundary) in [
        ("boundary=\"=?us-ascii?Q?x?=\"", "=?us-ascii?Q?x?="),
        ("boundary=ab(c)d", "ab(c)d"),
        ("boundary=ab (c) ", "ab"),
        ("(c) boundary = (c) \"ab\" (c)", "ab"),
        ("(never closed boundary=ab", "ab"),
        ("boundary=\"a\\b\"", "ab"),
        ("boundary=\"a\\b\"", "a\\b"),
        ("boundary*=us-ascii''a%62", "ab"),
        ("boundary*0=a; boundary*1=\"b\"", "ab"),
        ("boundary=\"ab", "ab"),
    ] {
        let octets = format!(
            "Content-Type: multipart/mixed; {parameter}\r\n\r\n--x\r\n\r\ndecoy\r\n--x--\r\n\
             --{boundary}\r\nContent-Type: a/b; name=x.exe\r\n\r\nMZ\r\n--{boundary}--"
        );
        assert_eq!(
            tree(octets),
            ["0 - multipart/mixed - inline 0", "1 0 a/b x.exe inline 2"],
            "{parameter}"
        );
    }
    let no_semicolon = "Content-Type: multipart/mixed boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--";
    assert_eq!(tree(no_semicolon).len(), 2);
}

#[test]
fn two_boundaries_that_divide_are_a_fault() {
    for parameters in [
        "boundary=a; boundary=b",
        "boundary=b; boundary*=us-ascii''a",
        "(; boundary=b;) ; boundary=a",
    ] {
        let head = format!("Content-Type: multipart/mixed; {parameters}\r\n\r\n");
        let one = format!("{head}--a\r\n\r\none\r\n--a--\r\n");
        assert_eq!(tree(&one).len(), 2, "{parameters}");
        let two = format!("{one}--b\r\n\r\ntwo\r\n--b--\r\n");
        assert_eq!(fault(two), PartsFault::Ambiguous, "{parameters}");
    }
    let many: String = (0..9).map(|n| format!("; boundary=b{n}")).collect();
    let many = format!("Content-Type: multipart/mixed{many}\r\n\r\nx");
    assert_eq!(fault(many), PartsFault::Ambiguous);
}

#[test]
fn a_multipart_that_another_boundary_divides_is_a_fault() {
    for kind in ["multipart/mixed", "multipart/mixed; boundary=other"] {
        let octets =
            format!("Content-Type: {kind}\r\n\r\n--b\r\nContent-Type: a/b\r\n\r\nMZ\r\n--b--\r\n");
        assert_eq!(fault(octets), PartsFault::Boundary, "{kind}");
        let octets = format!("Content-Type: {kind}\r\n\r\nhello\r\n-- \r\nAnn\r\n");
        assert_eq!(tree(octets), ["0 - multipart/mixed - inline 17"]);
    }
}

/// The name that a part with these fields is told to have.
fn name(fields: &str) -> Option<String> {
    let parts = parts(format!("{fields}\r\n\r\nx")).unwrap();
    parts.all().next().unwrap().name.clone()
}

#[test]
fn names_read_as_mail_programs_show_them() {
    for (value, shown) in [
        ("filename=invoice(1).hta", "invoice(1).hta"),
        ("filename=my invoice.hta", "my invoice.hta"),
        ("filename=invoice.hta (for you)", "invoice.hta"),
        ("; filename=\"invoice.hta\"", "invoice.hta"),
        ("filename=\"invoice\".hta", "invoice.hta"),
        ("filename*=utf-8''inv%oice%2Ehta", "inv%oice.hta"),
        ("filename=\"inv=?utf-8?Q?oice=2Ehta?=\"", "invoice.hta"),
        ("filename=\"=?utf-8?B?aW52!b2ljZS5odGE=?=\"", "invoice.hta"),
        (
            "filename=\"r?tsel.pdf\"; filename*=utf-8''r%C3%A4tsel.pdf",
            "r\u{e4}tsel.pdf",
        ),
        (
            "filename=invoice; filename*=utf-8''invoice.hta",
            "invoice.hta",
        ),
        (
            "filename*0=\"=?utf-8?Q?a\"; filename*1=\"=2Ehta?=\"",
            "a.hta",
        ),
        (
            "filename*=utf-8''a%0D%0AX%3A%20b%00%7F%C2%85.pdf",
            "aX: b.pdf",
        ),
    ] {
        let fields = format!("Content-Disposition: attachment; {value}");
        assert_eq!(name(&fields).as_deref(), Some(shown), "{value}");
    }
    let type_only = "Content-Type: a/b; name=x.hta\r\nContent-Disposition: inline; filename=\"\"";
    assert_eq!(name(type_only).as_deref(), Some("x.hta"));
    assert_eq!(
        name("Content-Disposition: attachment; filename=\"\"").as_deref(),
        None
    );
}

/// Programs take the type for what it says up to the mark.
#[test]
fn a_mark_behind_the_type_is_no_parameter() {
    for kind in ["multipart/mixed=", "multipart/mixed=x", "multipart/mixed ="] {
        let message = format!(
            "Content-Type: {kind}; boundary=b\r\n\r\n--b\r\n\r\na\r\n--b\r\n\
             Content-Type: a/b; name=x.exe\r\n\r\nMZ\r\n--b--\r\n"
        );
        match parts(&message) {
            Ok(parts) => assert!(
                parts
                    .all()
                    .any(|part| part.name.as_deref() == Some("x.exe"))
            ),
            Err(fault) => panic!("{kind}: {fault:?}"),
        }
    }
}

/// Which of them a program shows, nobody knows: the filter is told the one that matters.
#[test]
fn of_several_names_the_least_harmless_is_told() {
    for (fields, told) in [
        (
            "Content-Disposition: attachment; filename=\"invoice.pdf\"; filename*=utf-8''invoice.hta",
            "invoice.hta",
        ),
        (
            "Content-Disposition: attachment; filename=\"invoice.hta\"; filename*=utf-8''invoice.pdf",
            "invoice.hta",
        ),
        (
            "Content-Disposition: attachment; filename*0=invoice.hta; filename*2=.pdf",
            "invoice.hta",
        ),
        (
            "Content-Disposition: attachment; filename=\"invoice.pdf\".hta",
            "invoice.pdf.hta",
        ),
        (
            "Content-Disposition: attachment; filename=\"invoice.pdf; filename=invoice.hta",
            "invoice.hta",
        ),
        (
            "Content-Disposition: attachment; filename=a.pdf; filename*=utf-8''b%EF%BC%8Ehta",
            "b\u{ff0e}hta",
        ),
        (
            "Content-Type: a/b; name=\"invoice.js\"\r\nContent-Disposition: attachment; filename=\"invoice.pdf\"",
            "invoice.js",
        ),
        (
            "Content-Type: a/b; name=\"a.jpeg\"\r\nContent-Disposition: attachment; filename=\"b.JPG\"",
            "b.JPG",
        ),
        (
            "Content-Type: a/b; name=\"photo.png\"\r\nContent-Disposition: attachment; filename=\"IMG_1.JPG\"",
            "IMG_1.JPG",
        ),
        (
            "Content-Type: a/b; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.searchconnector-ms\"",
            "a.searchconnector-ms",
        ),
        (
            "Content-Disposition: attachment; filename=\"setup.exe.gz\"; filename*=utf-8''a.pdf",
            "setup.exe.gz",
        ),
        (
            "Content-Disposition: attachment; filename=E.ON Vertrag.pdf",
            "E.ON",
        ),
        // Programs differ about blanks, and none of the readings is a program.
        (
            "Content-Disposition: attachment; filename=Plan of 29.11. v2.docx",
            "Plan of 29.11. v2.docx",
        ),
    ] {
        assert_eq!(name(fields).as_deref(), Some(told), "{fields}");
    }
}

#[test]
fn two_names_that_may_be_different_things_are_a_fault() {
    for fields in [
        "Content-Disposition: attachment; filename=\"invoice.htx\"; filename*=utf-8''invoice.hta",
        "Content-Type: a/b; name=\"invoice.js\"\r\nContent-Disposition: attachment; filename=\"invoice.x\"",
    ] {
        assert_eq!(
            fault(format!("{fields}\r\n\r\nx")),
            PartsFault::Ambiguous,
            "{fields}"
        );
    }
}

#[test]
fn a_mime_field_that_is_there_twice_must_say_the_same() {
    for fields in [
        "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b",
        "Content-Type: text/plain\r\nContent-Type: message/rfc822",
        "Content-Disposition: attachment; filename=a.pdf\r\nContent-Disposition: inline; filename=a.exe",
        "Content-Disposition: attachment\r\nContent-Disposition: inline; filename=a.exe",
        "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: base64",
        "Content-Type: text/plain\r\nContent-Type: text/plain\r\nContent-Type: text/plain",
    ] {
        assert_eq!(
            fault(format!("{fields}\r\n\r\nx")),
            PartsFault::Ambiguous,
            "{fields}"
        );
    }
    for fields in [
        "Content-Type: text/plain\r\nContent-type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 8bit",
        "Content-Disposition: inline; filename=a.pdf\r\nContent-Disposition: attachment; filename=b.pdf",
    ] {
        assert!(parts(format!("{fields}\r\n\r\nx")).is_ok(), "{fields}");
    }
}

#[test]
fn transfer_encodings_that_programs_know_are_decoded() {
    let data = |encoding: &str, body: &str| {
        let octets = format!("Content-Transfer-Encoding: {encoding}\r\n\r\n{body}");
        parts(octets).unwrap().read(0, 0, 100).unwrap()
    };
    for encoding in ["base64", "(c) Base64", "\"base64\"", "base64;"] {
        assert_eq!(data(encoding, "aGVsbG8="), "hello", "{encoding}");
    }
    for encoding in ["x-uuencode", "uuencode", "x-uue"] {
        let body = "begin 644 a\r\n%:&5L;&\\\r\n`\r\nend\r\n";
        assert_eq!(data(encoding, body), "hello", "{encoding}");
    }
    assert_eq!(data("utf-8", "hello"), "hello");
    let inside =
        "Content-Transfer-Encoding: uuencode\r\n\r\nbegin 644 in voice.hta\r\n`\r\nend\r\n";
    assert_eq!(tree(inside), ["0 - text/plain in voice.hta inline 0"]);
    for fields in [
        "Content-Type: application/pdf\r\nContent-Transfer-Encoding: x-yencode",
        "Content-Type: text/plain; name=a.txt\r\nContent-Transfer-Encoding: x-yencode",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: rot13",
    ] {
        assert_eq!(
            fault(format!("{fields}\r\n\r\nx")),
            PartsFault::Encoding,
            "{fields}"
        );
    }
}

/// Faults are found in seconds even in an unoptimised build on a busy machine.
fn fault(octets: impl AsRef<[u8]>) -> PartsFault {
    let started = Instant::now();
    let fault = parts(octets).unwrap_err();
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
    fault
}

fn nested(levels: usize) -> String {
    let mut octets = String::new();
    for level in 0..levels {
        octets +=
            &format!("Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n");
    }
    octets + "\r\ninside\r\n"
}

#[test]
fn ten_thousand_nested_multiparts_are_a_fault() {
    assert!(matches!(
        fault(nested(10_000)),
        PartsFault::TooDeep | PartsFault::Work
    ));
    assert!(parts(nested(DEPTH_LIMIT)).is_ok());
    assert_eq!(fault(nested(DEPTH_LIMIT + 1)), PartsFault::TooDeep);
}

#[test]
fn ten_thousand_nested_messages_are_a_fault() {
    let levels = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
    assert!(matches!(
        fault(levels),
        PartsFault::TooDeep | PartsFault::Work
    ));
}

#[test]
fn a_hundred_thousand_parts_are_a_fault() {
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
    assert_eq!(
        fault(format!("{head}{}", "--b\r\n\r\nx\r\n".repeat(100_000))),
        PartsFault::TooMany
    );
    let most = "--b\r\n\r\nx\r\n".repeat(PART_LIMIT - 1);
    assert_eq!(
        parts(format!("{head}{most}--b--")).unwrap().all().len(),
        PART_LIMIT
    );
    let one_more = "--b\r\n\r\nx\r\n".repeat(PART_LIMIT);
    assert_eq!(fault(format!("{head}{one_more}--b--")), PartsFault::TooMany);
}

#[test]
fn a_boundary_of_a_megabyte_is_a_fault() {
    let boundary = "b".repeat(1_000_000);
    let octets =
        format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--{boundary}\r\n\r\nx");
    assert_eq!(fault(octets), PartsFault::Header);
}

#[test]
fn parameters_and_comments_without_end_are_a_fault() {
    for filler in [
        "; a=b",
        "; filename*0=x",
        "(",
        "\"",
        "=?utf-8?q?a?=",
        "; a*9999999999*='",
        "(\"",
        "\"\\",
        "\\\"",
        "()",
        "; name=a.b",
        "; name*=''%41",
        ";",
    ] {
        let field = filler.repeat(200_000 / filler.len());
        let octets = format!("Content-Type: text/plain{field}\r\n\r\nx");
        assert_eq!(fault(octets), PartsFault::Header, "{filler}");
        // What is just short enough must be cheap, in as many parts as there may be.
        let field = filler.repeat(4_000 / filler.len());
        let part = format!("--b\r\nContent-Type: text/plain{field}\r\n\r\nx\r\n");
        let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        let started = Instant::now();
        let _ = parts(format!("{head}{}", part.repeat(PART_LIMIT - 1)));
        assert!(
            started.elapsed() < Duration::from_secs(20),
            "{filler} {:?}",
            started.elapsed()
        );
    }
}

#[test]
fn large_messages_in_messages_are_too_much_work() {
    let levels = "Content-Type: message/rfc822\r\n\r\n".repeat(DEPTH_LIMIT - 1);
    let body = "a".repeat(4 << 20);
    assert_eq!(fault(format!("{levels}\r\n{body}")), PartsFault::Work);
}

#[test]
fn a_part_header_without_end_is_a_fault() {
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n";
    let long = "X-Long: header\r\n".repeat(20_000);
    assert_eq!(fault(format!("{head}{long}\r\nbody")), PartsFault::Header);
}

#[test]
fn the_tree_is_parsed_once_and_shared() {
    let before = message(PROPER);
    let first = before.parts().unwrap();
    let mut editor = HeaderEditor::new(&before, &EditScope::of(&[Grant::EditHeaders(vec![])]));
    editor.add("X-Spam-Flag", "YES").unwrap();
    let tagged = before.apply(&editor.finish()).unwrap();
    assert!(Arc::ptr_eq(&first, &tagged.parts().unwrap()));

    let mut editor = HeaderEditor::new(&before, &EditScope::of(&[Grant::EditHeaders(vec![])]));
    editor.replace("Content-Type", 0, "text/plain").unwrap();
    let other = before.apply(&editor.finish()).unwrap();
    assert_eq!(other.parts().unwrap().all().len(), 1);
}

fn soup() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("Content-Type: multipart/mixed; boundary=b\r\n"),
        Just("Content-Type: message/rfc822\r\n"),
        Just("Content-Type: text/plain; charset=utf-16; name*0*=utf-7''%41; name*1=(\r\n"),
        Just("Content-Disposition: attachment; filename=\"=?utf-8?b?QQ?=\r\n \\\"x\"\r\n"),
        Just("Content-Type: multipart/mixed; boundary=\"=?us-ascii?Q?b?=\"; (c\r\n"),
        Just("Content-Type: multipart/mixed (boundary=b) boundary*0*=''%62\r\n"),
        Just("Content-Disposition: ; filename=a(1).b; filename*1*=%4; filename*=x'y'%zz\r\n"),
        Just("Content-Transfer-Encoding: base64\r\n"),
        Just("Content-Transfer-Encoding: (c) x-uuencode\r\n"),
        Just("begin 644 a\n%:&5L;&\\\n"),
        Just("Content-Transfer-Encoding: quoted-printable\r\n"),
        Just("--b\r\n"),
        Just("--b--\r\n"),
        Just("\r\n"),
        Just("=3D=\r\n=zz"),
        Just("aGVsbG8="),
        Just("(((\\"),
    ];
    let octets = prop_oneof![
        6 => piece.prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(octets, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_soup_has_a_tree_or_a_fault(octets in soup()) {
        if let Ok(parts) = parts(&octets) {
            for part in parts.all() {
                prop_assert!(part.parent.is_none_or(|parent| parent < part.index));
                let data = parts.read(part.index, 0, usize::MAX).unwrap();
                prop_assert_eq!(data.len() as u32, part.size);
                let name = part.name.as_deref().unwrap_or("none");
                prop_assert!(!name.is_empty() && !name.contains(char::is_control));
                let _ = parts.text(part.index);
            }
        }
    }

    /// Whatever stands in a value again and again, 4 KiB of it in each part are read in good time.
    #[test]
    fn any_repeated_value_is_cheap(piece in "[;=*'\"\\\\()a%0 ]{1,12}") {
        let value = piece.repeat(3_900 / piece.len());
        let part = format!("--b\r\nContent-Type: a/b;name={value}\r\n\r\nx\r\n");
        let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n";
        let started = Instant::now();
        let _ = parts(format!("{head}{}", part.repeat(4)));
        prop_assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn any_field_value_has_a_text(value in proptest::collection::vec(any::<u8>(), 0..200)) {
        let octets = [b"Content-Type: text/plain; charset=", &value[..], b"\r\nSubject: =?", &value, b"?=\r\n\r\nx"].concat();
        let message = message(octets);
        let _ = message.text("Subject");
        let _ = message.parts();
    }
}
