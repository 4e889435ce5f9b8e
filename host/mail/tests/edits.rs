//! Whatever a filter asks for, the header section stays one, and what it may not touch stays as it was.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use lazaret_mail::message::{EDIT_LIMIT, EDIT_OCTETS_LIMIT, HEADER_LIMIT};
use lazaret_mail::{Content, Edit, EditError, EditScope, Field, Grant, HeaderEditor, Message};
use proptest::prelude::*;

const MAIL: &str = "Received: from a\r\n by b\r\nSubject: one\r\nX-Spam-Flag: NO\r\nSubject:  two \r\n\r\nbody\r\n";

fn message(octets: &str) -> Message {
    Message::parse(
        Content::Memory(Bytes::copy_from_slice(octets.as_bytes())),
        HEADER_LIMIT,
    )
    .unwrap()
}

fn scope(patterns: &[&str]) -> EditScope {
    let patterns = patterns
        .iter()
        .map(|pattern| (*pattern).to_owned())
        .collect();
    EditScope::of(&[Grant::EditHeaders(patterns)])
}

fn everything() -> EditScope {
    scope(&[])
}

fn octets(message: &Message) -> String {
    String::from_utf8(message.read(0, usize::MAX).unwrap().to_vec()).unwrap()
}

/// The message after what `edit` did.
fn edited(before: &str, edit: impl FnOnce(&mut HeaderEditor)) -> String {
    let message = message(before);
    let mut editor = HeaderEditor::new(&message, &everything());
    edit(&mut editor);
    let view: Vec<Field> = editor.fields().to_vec();
    let after = message.apply(&editor.finish()).unwrap();
    assert_eq!(after.fields(), view);
    octets(&after)
}

#[test]
fn adding_goes_on_top() {
    assert_eq!(
        edited("A: 1\r\n\r\nbody", |editor| {
            editor.add("X-First", "1").unwrap();
            editor.add("X-Second", " 2 ").unwrap();
            editor.add("X-Empty", "").unwrap();
        }),
        "X-Empty:\r\nX-Second: 2\r\nX-First: 1\r\nA: 1\r\n\r\nbody"
    );
}

/// Where the operator allows a larger section (`header-size`), filters edit it like any other.
#[test]
fn a_section_that_came_large_is_edited() {
    let field = format!("X-A: {}\r\n", "a".repeat(990));
    let section = field.repeat(2 * HEADER_LIMIT / field.len());
    let content = Content::Memory(Bytes::from(section + "\r\n"));
    let large = Message::parse(content, 4 * HEADER_LIMIT).unwrap();
    let mut editor = HeaderEditor::new(&large, &everything());
    assert_eq!(editor.remove("X-A", Some(0)), Ok(1));
    editor.add("X-B", "b").unwrap();
    let refused = (0..200).find_map(|_| editor.add("X-B", &"b".repeat(990)).err());
    assert_eq!(refused, Some(EditError::Limit));
    let after = large.apply(&editor.finish()).unwrap();
    assert!(after.section_size() <= large.section_size() + EDIT_OCTETS_LIMIT);
    // The cap is one for all filters together.
    let mut next = HeaderEditor::new(&after, &everything());
    let written = (0..200).find(|_| next.add("X-C", &"c".repeat(990)).is_err());
    assert!(written.unwrap() < 10, "{written:?}");
    assert!(next.remove("X-A", None).is_ok());
}

#[test]
fn replacing_counts_fields_of_that_name() {
    let after = edited(MAIL, |editor| {
        assert_eq!(
            editor.replace("subject", 2, "none"),
            Err(EditError::Invalid)
        );
        editor.replace("subject", 1, "deux").unwrap();
        editor.add("Subject", "zero").unwrap();
        editor.replace("Subject", 1, "un").unwrap();
    });
    assert_eq!(
        after,
        "Subject: zero\r\nReceived: from a\r\n by b\r\nSubject: un\r\nX-Spam-Flag: NO\r\nsubject: deux\r\n\r\nbody\r\n"
    );
}

#[test]
fn removing_says_how_many_went() {
    let after = edited(MAIL, |editor| {
        assert_eq!(editor.remove("X-None", None), Ok(0));
        assert_eq!(editor.remove("subject", Some(2)), Ok(0));
        assert_eq!(editor.remove("subject", Some(0)), Ok(1));
        assert_eq!(editor.remove("SUBJECT", None), Ok(1));
        assert_eq!(editor.remove("SUBJECT", None), Ok(0));
    });
    assert_eq!(
        after,
        "Received: from a\r\n by b\r\nX-Spam-Flag: NO\r\n\r\nbody\r\n"
    );
}

#[test]
fn a_message_without_header_or_body_can_be_edited() {
    for (before, after) in [
        ("", "X: 1\r\n"),
        ("\r\nbody", "X: 1\r\n\r\nbody"),
        ("no header\r\n", "X: 1\r\nno header\r\n"),
        // A first line that begins with a blank would become part of our field.
        (" stray\r\nA: 1\r\n\r\n", " stray\r\nX: 1\r\nA: 1\r\n\r\n"),
        (" stray\r\n", " stray\r\nX: 1\r\n"),
    ] {
        assert_eq!(
            edited(before, |editor| editor.add("X", "1").unwrap()),
            after
        );
    }
    let stray = message(" stray without end");
    let mut editor = HeaderEditor::new(&stray, &everything());
    assert_eq!(editor.add("X", "1"), Err(EditError::Invalid));
}

#[test]
fn controls_and_odd_names_are_refused() {
    let message = message(MAIL);
    let mut editor = HeaderEditor::new(&message, &everything());
    for value in [
        "a\r\nBcc: b",
        "a\nb",
        "a\rb",
        "a\0b",
        "\x1b[2J",
        "\u{85}",
        "\x7f",
        "\n",
    ] {
        assert_eq!(editor.add("X", value), Err(EditError::Invalid), "{value:?}");
        assert_eq!(
            editor.replace("Subject", 0, value),
            Err(EditError::Invalid),
            "{value:?}"
        );
    }
    for name in ["", "a b", "a:", "a\r\nb", "\u{fc}", "a\0", &"n".repeat(77)] {
        assert_eq!(editor.add(name, "v"), Err(EditError::Invalid), "{name:?}");
    }
    assert_eq!(editor.remove("a b", None), Err(EditError::Invalid));
    assert!(editor.finish().is_empty());
}

#[test]
fn long_values_are_folded_and_others_encoded() {
    let words = "word ".repeat(40);
    let folded = Field::compose("X-Words", &words).unwrap();
    assert!(
        folded
            .raw()
            .split(|c| *c == b'\n')
            .all(|line| line.len() <= 79)
    );
    assert_eq!(folded.text(), words.trim());

    let field = Field::compose("Subject", "Gr\u{fc}\u{df}e an <a@example.org>").unwrap();
    assert_eq!(
        field.raw(),
        "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?= an <a@example.org>\r\n"
    );

    let unbroken = Field::compose("X", &"a".repeat(5000)).unwrap();
    assert!(
        unbroken
            .raw()
            .split(|c| *c == b'\n')
            .all(|line| line.len() <= 79)
    );
    assert_eq!(unbroken.text(), "a".repeat(5000));
}

#[test]
fn fields_that_vouch_need_a_grant_by_name() {
    for (patterns, name, allowed) in [
        (&[][..], "X-Anything", true),
        (&[], "Subject", true),
        (&[], "received", false),
        (&[], "Return-Path", false),
        (&[], "Delivered-To", false),
        (&[], "DKIM-Signature", false),
        (&[], "DomainKey-Signature", false),
        (&[], "ARC-Seal", false),
        (&[], "Authentication-Results", false),
        (&["*"], "Received", false),
        (&["*"], "Subject", true),
        (&["Rec*", "A*", "D*"], "Received", false),
        (&["Rec*", "A*", "D*"], "ARC-Seal", false),
        (&["Rec*", "A*", "D*"], "DKIM-Signature", false),
        (&["Received"], "RECEIVED", true),
        (&["arc-*"], "ARC-Seal", true),
        (&["ARC-Seal"], "ARC-Message-Signature", false),
        (&["Authentication-Results"], "authentication-results", true),
        (&["X-Spam-*"], "x-spam-flag", true),
        (&["X-Spam-*"], "X-Spam-", true),
        (&["X-Spam-*"], "X-Spam", false),
        (&["X-Spam-*"], "Subject", false),
        (&["X-Spam"], "X-Spam-Flag", false),
    ] {
        assert_eq!(scope(patterns).allows(name), allowed, "{patterns:?} {name}");
    }
    assert!(!EditScope::of(&[Grant::Headers]).allows("X-Anything"));
    assert!(!EditScope::default().allows("X-Anything"));
}

#[test]
fn an_edit_outside_the_scope_does_nothing() {
    let message = message(MAIL);
    let mut editor = HeaderEditor::new(&message, &scope(&["X-Spam-*"]));
    assert_eq!(editor.add("Subject", "x"), Err(EditError::NotGranted));
    assert_eq!(
        editor.replace("Subject", 0, "x"),
        Err(EditError::NotGranted)
    );
    assert_eq!(editor.remove("Subject", None), Err(EditError::NotGranted));
    assert_eq!(editor.remove("X-Spam-Flag", None), Ok(1));
    assert_eq!(editor.finish(), [Edit::RemoveAll("X-Spam-Flag".into())]);
}

#[test]
fn edits_have_caps() {
    let message = message(MAIL);
    let mut editor = HeaderEditor::new(&message, &everything());
    for _ in 0..EDIT_LIMIT {
        editor.add("X", "1").unwrap();
    }
    assert_eq!(editor.add("X", "1"), Err(EditError::Limit));
    assert_eq!(editor.finish().len(), EDIT_LIMIT);

    let mut editor = HeaderEditor::new(&message, &everything());
    let half = "a ".repeat(EDIT_OCTETS_LIMIT / 4);
    editor.add("X", &half).unwrap();
    assert_eq!(editor.add("X", &half), Err(EditError::Limit));
    assert_eq!(
        editor.add("X", &"a".repeat(EDIT_OCTETS_LIMIT + 1)),
        Err(EditError::Limit)
    );
}

#[test]
fn edits_of_another_message_are_dropped_as_a_whole() {
    let long = message(MAIL);
    let mut editor = HeaderEditor::new(&long, &everything());
    editor.add("X", "1").unwrap();
    editor.replace("Subject", 1, "x").unwrap();
    let edits = editor.finish();
    assert!(message("A: 1\r\n\r\n").apply(&edits).is_err());
}

/// Below another line it would end the header.
#[test]
fn the_line_of_a_mailbox_stays_first() {
    for line in ["From a@example.com Thu Jan  1 00:00:00 1970", ">From b"] {
        let after = edited(&format!("{line}\r\nA: 1\r\n\r\nbody"), |editor| {
            editor.add("X-First", "1").unwrap();
        });
        assert_eq!(after, format!("{line}\r\nX-First: 1\r\nA: 1\r\n\r\nbody"));
    }
}

#[test]
fn received_goes_on_top() {
    let received =
        Field::compose("Received", "from a by b; Mon, 23 Nov 2026 12:00:00 +0000").unwrap();
    let after = message(MAIL).prepend(received);
    let expected = format!("Received: from a by b; Mon, 23 Nov 2026 12:00:00 +0000\r\n{MAIL}");
    assert_eq!(octets(&after), expected);
}

#[test]
fn the_largest_values_are_folded_quickly() {
    for word in ["a ", "\u{fc} ", "a\u{fc}", "=? "] {
        let value = word.repeat(EDIT_OCTETS_LIMIT / word.len());
        let started = std::time::Instant::now();
        let field = Field::compose("X", &value).unwrap();
        assert_eq!(field.text(), value.trim_end());
        assert!(
            started.elapsed().as_secs() < 5,
            "{word:?} {:?}",
            started.elapsed()
        );
    }
}

#[derive(Clone, Debug)]
enum Wish {
    Add(String, String),
    Replace(String, u32, String),
    Remove(String, Option<u32>),
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("Subject".to_owned()),
        Just("X-Spam-Flag".to_owned()),
        "[!-~]{0,8}",
        any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~\t]{0,300}",
        "([a-z]{1,9}|[ \t]{1,90}|=\\?utf-8\\?q\\?a\\?=|[\u{a1}-\u{2ff}]{1,40}|\r|\n|\r\n[ -~]){0,40}",
        "[a-z]{0,1200}",
    ]
}

fn wish() -> impl Strategy<Value = Wish> {
    prop_oneof![
        (name(), value()).prop_map(|(name, value)| Wish::Add(name, value)),
        (name(), 0u32..4, value()).prop_map(|(name, nth, value)| Wish::Replace(name, nth, value)),
        (name(), proptest::option::of(0u32..4)).prop_map(|(name, nth)| Wish::Remove(name, nth)),
    ]
}

fn clean(octets: &[u8]) -> bool {
    let mut bare = octets.iter().enumerate().filter(|(at, c)| match c {
        b'\r' => octets.get(at + 1) != Some(&b'\n'),
        b'\n' => *at == 0 || octets[at - 1] != b'\r',
        0 => true,
        c => !c.is_ascii() || (c.is_ascii_control() && **c != b'\t'),
    });
    bare.next().is_none()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_is_asked_the_section_reads_back_as_expected(
        before in prop_oneof![Just(MAIL), Just(""), Just("\r\n"), Just("x\r\n y\r\nSubject: a\r\n\r\n"), Just(" s\r\nSubject: a\r\n\r\nb")],
        wishes in proptest::collection::vec(wish(), 0..12),
    ) {
        let message = message(before);
        let mut editor = HeaderEditor::new(&message, &everything());
        for wish in wishes {
            let _ = match wish {
                Wish::Add(name, value) => editor.add(&name, &value),
                Wish::Replace(name, nth, value) => editor.replace(&name, nth, &value),
                Wish::Remove(name, nth) => editor.remove(&name, nth).map(|_| ()),
            };
        }
        let expected = editor.fields().to_vec();
        let edits = editor.finish();
        let after = message.apply(&edits).unwrap();
        let octets = after.read(0, usize::MAX).unwrap();
        prop_assert!(clean(&octets), "{:?}", octets);
        for line in octets.split(|c| *c == b'\n') {
            prop_assert!(line.len() <= 999);
        }
        // Read again from the octets: the same fields, the same body.
        let again = Message::parse(Content::Memory(octets), HEADER_LIMIT).unwrap();
        prop_assert_eq!(again.fields(), &expected[..]);
        let body = |message: &Message| {
            let header: usize = message.fields().iter().map(|field| field.raw().len()).sum();
            message.read(header as u64, usize::MAX).unwrap()
        };
        prop_assert_eq!(body(&again), body(&message));
        // What no edit wrote was there before, octet for octet and in that order.
        let written = |field: &&Field| edits.iter().any(|edit| {
            matches!(edit, Edit::Add(new) | Edit::Replace(_, new) if new == *field)
        });
        let mut old = message.fields().iter();
        for kept in again.fields().iter().filter(|field| !written(field)) {
            prop_assert!(old.any(|field| field == kept));
        }
    }

    #[test]
    fn a_field_says_what_it_was_told(value in "([!-<>-~]{1,12}|[ \t]{1,70}|[\u{a1}-\u{ffff}]{1,30}){0,30}") {
        prop_assume!(!value.chars().any(char::is_control) || value.contains('\t'));
        let field = Field::compose("X-Test", &value);
        prop_assume!(field.is_ok());
        let field = field.unwrap();
        prop_assert_eq!(field.text(), value.trim_matches([' ', '\t']));
        prop_assert!(clean(field.raw()));
    }
}
