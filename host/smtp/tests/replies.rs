//! Replies: what a backend may say, what nobody may, and what we print.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

use lazaret_smtp::reply_parser::ReplyError;
use lazaret_smtp::{Code, Enhanced, Reply};
use proptest::prelude::*;

fn text(reply: &str) -> String {
    Reply::parse(reply.as_bytes()).unwrap().text().to_owned()
}

#[test]
fn a_reply_that_is_kept_is_abridged() {
    let reply = Reply::new(Code::REFUSED, None, &"line of text\n".repeat(50));
    let kept = reply.abridged(100);
    assert_eq!((kept.code(), kept.text().len()), (Code::REFUSED, 100));
    assert!(kept.text().starts_with("line of text\n") && kept.text().ends_with("..."));
    assert_eq!(reply.abridged(1000), reply);
}

#[test]
fn well_formed_replies() {
    let table = [
        ("250 Ok\r\n", "Ok"),
        ("250\r\n", ""),
        ("250 \r\n", ""),
        ("250-one\r\n250-two\r\n250 three\r\n", "one\ntwo\nthree"),
        ("250-\r\n250 two\r\n", "\ntwo"),
        // The enhanced code is told once, not line by line.
        ("550-5.7.1 one\r\n550 5.7.1 two\r\n", "one\ntwo"),
        ("550-5.7.1 one\r\n550 two\r\n", "one\ntwo"),
        // Of another class it is just text.
        ("550 2.0.0 Ok\r\n", "2.0.0 Ok"),
        ("550 5.07.1 no\r\n", "5.07.1 no"),
        // Neither is harmful; neither is passed on.
        ("250 caf\u{e9}\tbar\r\n", "caf?? bar"),
    ];
    for (reply, expected) in table {
        assert_eq!(text(reply), expected, "{reply}");
    }
    let reply = Reply::parse(b"450 4.2.1 busy\r\n").unwrap();
    assert_eq!(reply.enhanced(), Enhanced::new(4, 2, 1));
    assert_eq!(reply.code(), Code::MAILBOX_BUSY);
}

#[test]
fn no_replies() {
    use ReplyError as E;
    let table: [(&[u8], E); 18] = [
        (b"", E::Incomplete),
        (b"250 Ok", E::Incomplete),
        (b"250-Ok\r\n", E::Incomplete),
        (b"250 Ok\n", E::Octet),
        (b"250 O\rk\r\n", E::Octet),
        (b"250 O\0k\r\n", E::Octet),
        (b"250 \x1b[2J\r\n", E::Octet),
        (b"\r\n", E::Code),
        (b"25\r\n", E::Code),
        (b"999 what\r\n", E::Code),
        (b"199 what\r\n", E::Code),
        (b"260 what\r\n", E::Code),
        (b"360 what\r\n", E::Code),
        (b"600 what\r\n", E::Code),
        (b"2 0 Ok\r\n", E::Code),
        (b"250+Ok\r\n", E::Mark),
        (b"250-Ok\r\n550 no\r\n", E::MixedCodes),
        (b"250 Ok\r\n250 Ok\r\n", E::Trailing),
    ];
    for (reply, error) in table {
        assert_eq!(Reply::parse(reply), Err(error), "{}", reply.escape_ascii());
    }
}

#[test]
fn limits() {
    let line = |n: usize| format!("250 {}\r\n", "x".repeat(n - 6));
    assert!(Reply::parse(line(4096).as_bytes()).is_ok());
    assert_eq!(
        Reply::parse(line(4097).as_bytes()),
        Err(ReplyError::LineTooLong(4096))
    );
    let lines = |n: usize| "250-x\r\n".repeat(n - 1) + "250 x\r\n";
    assert!(Reply::parse(lines(128).as_bytes()).is_ok());
    assert_eq!(
        Reply::parse(lines(129).as_bytes()),
        Err(ReplyError::TooManyLines(128))
    );
    let long = format!("250-{}\r\n", "x".repeat(4000)).repeat(17);
    assert_eq!(
        Reply::parse(long.as_bytes()),
        Err(ReplyError::TooLong(65_536))
    );
}

/// Text from a filter or a backend cannot start a reply or a line of its own.
#[test]
fn printed_replies() {
    let table = [
        ("plain", "550 5.7.1 plain\r\n"),
        ("", "550 5.7.1 \r\n"),
        ("two\nlines\n", "550-5.7.1 two\r\n550 5.7.1 lines\r\n"),
        ("two\r\nlines\r\n", "550-5.7.1 two\r\n550 5.7.1 lines\r\n"),
        ("a\rb\0c\x1b\u{85}\u{2028}\u{e9}", "550 5.7.1 a?b?c????\r\n"),
    ];
    for (text, printed) in table {
        let reply = Reply::new(Code::REFUSED, Enhanced::new(5, 7, 1), text);
        assert_eq!(reply.to_string(), printed);
    }
}

#[test]
fn the_class_of_the_enhanced_code_follows() {
    let wrong = Enhanced::new(5, 1, 1);
    let enhanced = |code| Reply::new(code, wrong, "x").enhanced();
    assert_eq!(enhanced(Code::OK), Enhanced::new(2, 1, 1));
    assert_eq!(enhanced(Code::UNAVAILABLE), Enhanced::new(4, 1, 1));
    assert_eq!(enhanced(Code::START_CONTENT), None);
    let absurd = Enhanced {
        class: 9,
        subject: 5000,
        detail: 1,
    };
    let reply = Reply::new(Code::OK, Some(absurd), "x");
    assert_eq!(reply.to_string(), "250 2.999.1 x\r\n");
}

#[test]
fn enhanced_codes() {
    assert_eq!(Enhanced::parse("5.7.1"), Enhanced::new(5, 7, 1));
    assert_eq!(Enhanced::parse("2.999.0"), Enhanced::new(2, 999, 0));
    for bad in [
        "", "5", "261.7.1", "5.7", "5.7.1.1", "3.0.0", "5.7.x", "5.07.1", "5.7.1000", "+5.7.1",
        "5..1",
    ] {
        assert_eq!(Enhanced::parse(bad), None, "{bad}");
    }
}

/// What each code may be.
#[test]
fn codes() {
    for number in 0..1000u16 {
        let known = (200..400).contains(&number) && number / 10 % 10 <= 5;
        let valid = known || (400..600).contains(&number);
        assert_eq!(Code::new(number).is_some(), valid, "{number}");
    }
}

proptest! {
    #[test]
    fn there_and_back(code in 200u16..600, detail in 0u16..1000, text in "\\PC{0,600}(\n\\PC{0,600}){0,3}") {
        let Some(code) = Code::new(code) else { return Ok(()) };
        let reply = Reply::new(code, Enhanced::new(2, 1, detail), &text);
        let printed = reply.to_string();
        prop_assert!(printed.split_inclusive("\r\n").all(|line| line.len() <= 512));
        let read = Reply::parse(printed.as_bytes()).unwrap();
        prop_assert_eq!(read.text(), reply.text().trim_end_matches('\n'));
        prop_assert_eq!(read.enhanced(), reply.enhanced());
    }

    #[test]
    fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(reply) = Reply::parse(&octets) {
            prop_assert_eq!(Reply::parse(reply.to_string().as_bytes()), Ok(reply));
        }
    }
}
