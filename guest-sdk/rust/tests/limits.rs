//! Which words the host takes, which fields it lets a filter write, and how much is too much for one call.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use lazaret_filter::prelude::*;

/// As often as it goes, in one call.
fn until_refused(mut call: impl FnMut() -> Result<(), Error>) -> String {
    let (count, error) = (0..10_000)
        .find_map(|count| call().err().map(|error| (count, error)))
        .expect("there is an end");
    format!("{count}, then {}", error.name())
}

fn played<F: Filter<Config = ()>>(transaction: testing::Transaction) -> testing::Report {
    transaction
        .message("Subject: hello\n\nA line.\n")
        .run::<F>("")
}

#[derive(Default)]
struct Flood;

#[filter]
impl Filter for Flood {
    fn connect(&mut self) -> Verdict {
        for _ in 0..3 {
            pace::hold(Duration::from_secs(20)).unwrap();
        }
        Verdict::Continue
    }
    fn mail(&mut self, _: &Address) -> Verdict {
        pace::hold(Duration::from_secs(1)).unwrap();
        log::info(until_refused(|| score::add("A", 0.0, "")));
        log::info(until_refused(|| {
            notes::set(notes::Scope::Connection, "k", "v")
        }));
        Verdict::Continue
    }
    fn rcpt(&mut self, _: &Address) -> Verdict {
        log::info(until_refused(|| score::add("A", 0.0, "")));
        Verdict::Continue
    }
    fn headers(&mut self) -> Verdict {
        log::info(until_refused(|| edit_headers::add("X-A", "v")));
        Verdict::Continue
    }
    fn message(&mut self) -> Verdict {
        let (half, whole) = ("v".repeat(64 << 10), "v".repeat((128 << 10) + 1));
        log::info(until_refused(|| edit_headers::add("X-A", &whole)));
        log::info(until_refused(|| edit_headers::add("X-A", &half)));
        Verdict::Continue
    }
}

#[test]
fn a_call_may_do_so_much_and_the_next_as_much_again() {
    let report = played::<Flood>(testing::Transaction::new());
    assert_eq!(
        report.log(),
        [
            "info: 100, then limit",
            "info: 32, then limit",
            "info: 100, then limit",
            "info: 256, then limit",
            "info: 0, then limit",
            "info: 1, then limit",
        ]
    );
    assert_eq!(report.held(), 31_000, "what is over 30 s of a call is cut");
}

/// Tries what is no word, and what is one.
#[derive(Default)]
struct Words;

#[filter]
impl Filter for Words {
    fn mail(&mut self, _: &Address) -> Verdict {
        let long = "x".repeat(65);
        for word in ["", "A:B", "A/B", "A B", "\u{c4}", &long] {
            assert_eq!(score::add(word, 1.0, ""), Err(Error::Invalid), "{word}");
            let noted = notes::set(notes::Scope::Transaction, word, "v");
            assert_eq!(noted, Err(Error::Invalid), "{word}");
        }
        score::add("A-b_9.", 1.0, "").unwrap();
        notes::set(notes::Scope::Transaction, &long[1..], "v").unwrap();
        Verdict::Continue
    }
}

#[test]
fn words_are_letters_digits_and_three_marks() {
    let report = played::<Words>(testing::Transaction::new());
    assert_eq!(report.symbols(), ["A-b_9."]);
}

/// Says which fields it may write.
#[derive(Default)]
struct Writer;

const FIELDS: [&str; 7] = [
    "X-Spam-Flag",
    "Received",
    "Delivered-To",
    "DKIM-Signature",
    "DomainKey-Signature",
    "ARC-Seal",
    "arc-new",
];

#[filter]
impl Filter for Writer {
    fn headers(&mut self) -> Verdict {
        for name in FIELDS {
            if edit_headers::add(name, "v") != Err(Error::NotGranted) {
                log::info(name);
            }
        }
        Verdict::Continue
    }
}

fn written(patterns: &[&str]) -> String {
    let grant =
        |transaction: testing::Transaction, pattern: &&str| transaction.grant_edits(pattern);
    let granted = patterns.iter().fold(testing::Transaction::new(), grant);
    played::<Writer>(granted)
        .log()
        .join(" ")
        .replace("info: ", "")
}

#[test]
fn trace_and_signatures_are_opened_by_name() {
    assert_eq!(written(&[]), "X-Spam-Flag");
    assert_eq!(written(&["*"]), "X-Spam-Flag");
    assert_eq!(written(&["D*"]), "");
    assert_eq!(
        written(&["delivered-to", "Received"]),
        "Received Delivered-To"
    );
    assert_eq!(written(&["ARC-*"]), "ARC-Seal arc-new");
    assert_eq!(written(&["ARC-S*"]), "ARC-Seal");
    assert_eq!(written(&["A*"]), "");
}
