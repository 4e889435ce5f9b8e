//! Messages by their points: what is refused, what is tagged, what goes through as it came.

use lazaret_filter::testing::{Report, Transaction, configure};

use crate::Policy;

const OFFER: &str = "\
Date: Mon, 02 Mar 2026 10:00:00 +0000
From: Shop <shop@example.com>
Subject: Spring offer
X-Spam-Flag: NO
X-SPAM-Status: No, score=-20
X-Spam-Checker-Version: forged

Buy now.
";

const PLAIN: &str = "From: anna@example.com\nSubject: lunch?\n\nToday at one?\n";

fn judged(message: &str, score: f64, config: &str) -> Report {
    Transaction::new()
        .message(message)
        .score(score)
        .run::<Policy>(config)
}

/// Spam with a sum of 16.2: `S: 550 5.7.1 this message looks like spam`
#[test]
fn rejects_what_is_surely_spam() {
    let report = judged(OFFER, 16.2, "");
    assert_eq!(
        report.verdict().to_string(),
        "reject 550 5.7.1 this message looks like spam"
    );
}

#[test]
fn defers_where_asked_to() {
    let report = judged(OFFER, 9.0, "defer = 8.0\ntext = 'not now'");
    assert_eq!(report.verdict().to_string(), "defer 451 4.7.1 not now");
}

/// The sender wrote `X-Spam-Flag: NO` himself.
#[test]
fn tags_spam_and_removes_what_the_sender_forged() {
    let session = Transaction::new()
        .message(OFFER)
        .scored("rules", "NO_DATE", 1.5, "no Date field")
        .scored("rules", "SHOUTING", 5.0, "all in capitals");
    let report = session.run::<Policy>("");
    assert!(report.verdict().passes());
    assert_eq!(
        report.message().lines().take(5).collect::<Vec<_>>(),
        [
            "X-Spam-Flag: YES",
            "X-Spam-Score: 6.5",
            "X-Spam-Status: Yes, score=6.5 required=5.0",
            "X-Spam-Reasons: NO_DATE=1.5 SHOUTING=5.0",
            "Date: Mon, 02 Mar 2026 10:00:00 +0000",
        ]
    );
    assert!(!report.message().contains("forged"));
    assert!(!report.message().contains("-20"));
}

/// 300 forged names would use up every edit that the host allows, and spam would go through without its mark.
#[test]
fn refuses_a_flood_of_forged_fields() {
    let forged: String = (0..300).map(|n| format!("X-Spam-{n}: No\n")).collect();
    let report = judged(&format!("{forged}{PLAIN}"), 6.5, "");
    assert_eq!(
        report.verdict().to_string(),
        "reject 550 5.7.1 too many X-Spam fields that are not ours"
    );
}

#[test]
fn spares_a_message_just_below_the_mark() {
    let report = judged(PLAIN, 4.9, "");
    assert!(report.verdict().passes());
    assert_eq!(
        report.edits(),
        [
            "add X-Spam-Reasons: EARLIER=4.9",
            "add X-Spam-Status: No, score=4.9 required=5.0",
            "add X-Spam-Score: 4.9",
        ]
    );
}

#[test]
fn spares_a_message_without_points_or_with_good_ones() {
    for score in [0.0, -3.0] {
        let report = judged(PLAIN, score, "");
        assert!(report.verdict().passes());
        assert!(!report.message().contains("X-Spam-Flag"));
    }
}

/// A list talks about spam filters in its own fields, which are not ours to remove.
#[test]
fn spares_fields_that_only_look_like_ours() {
    let message = "From: list@example.com\nX-Spamtrap-Report: yes\nX-No-Spam: true\n\nhi\n";
    let report = judged(message, 0.0, "");
    assert!(report.message().contains("X-Spamtrap-Report: yes\r\n"));
    assert!(report.message().contains("X-No-Spam: true\r\n"));
}

#[test]
fn says_what_to_grant_and_lets_mail_through() {
    let report = Transaction::new()
        .message(PLAIN)
        .deny("score")
        .run::<Policy>("");
    assert!(report.verdict().passes());
    assert!(report.log()[0].contains("grant `score`"));
    let narrow = Transaction::new()
        .message(PLAIN)
        .grant_edits("X-Other")
        .run::<Policy>("");
    assert!(narrow.log()[0].contains("grant `edit-headers:X-Spam-*`"));
}

#[test]
fn long_reasons_are_cut_between_two() {
    let reasons = "A_RATHER_LONG_SYMBOL=1.0 ".repeat(40);
    let session = Transaction::new()
        .message(PLAIN)
        .scored("rules", "A_RATHER_LONG_SYMBOL", 1.0, "")
        .note("rules", "reasons", &reasons);
    let report = session.run::<Policy>("");
    let edit = report
        .edits()
        .iter()
        .find(|edit| edit.contains("Reasons"))
        .unwrap();
    assert!(edit.len() < 640 && edit.ends_with("=1.0"));
}

fn reasons(report: &Report) -> Option<&str> {
    let mut edits = report.edits().iter();
    edits.find_map(|edit| edit.strip_prefix("add X-Spam-Reasons: "))
}

/// Whoever gave points is named, filter by filter, with its note where it left one: whose verdicts are taken side by side may
/// leave none.
#[test]
fn every_filter_that_gave_points_says_why() {
    let scored = || {
        Transaction::new()
            .message(PLAIN)
            .scored("dnsbl", "DNSBL_BLOCK_EXAMPLE", 3.0, "listed")
            .scored("auth", "SPF_FAIL", 2.0, "")
            .scored("rules", "NO_DATE", 1.5, "")
            .scored("auth", "DMARC_QUARANTINE", 4.0, "")
            .note("rules", "reasons", "NO_DATE=1.5")
            .note("quiet", "reasons", "NOT_A_POINT=0.0")
    };
    let report = scored().run::<Policy>("");
    let all = "DNSBL_BLOCK_EXAMPLE=3.0 SPF_FAIL=2.0 DMARC_QUARANTINE=4.0 NO_DATE=1.5";
    assert_eq!(reasons(&report), Some(all));
    let some = scored().run::<Policy>("reasons-from = [\"quiet\", \"auth\"]");
    let expected = "NOT_A_POINT=0.0 SPF_FAIL=2.0 DMARC_QUARANTINE=4.0";
    assert_eq!(reasons(&some), Some(expected));
    let none = scored().run::<Policy>("reasons-from = []");
    assert_eq!(reasons(&none), None);
}

#[test]
fn thresholds_must_make_sense() {
    let problem = |config: &str| configure::<Policy>(config).err().unwrap();
    assert!(problem("tag = 0.0").starts_with("tag: a threshold is above 0"));
    assert!(problem("reject = -1.0").starts_with("reject: "));
    assert!(problem("defer = 15.0").contains("make it lower or remove it"));
    assert!(problem("tags = 1.0").contains("unknown field `tags`"));
}
