//! Every cell of the stage x verdict table, as a client would see it.
#![allow(clippy::unwrap_used)]

mod doubles;

use doubles::{Connection, Double, hint, plain, told, weights};
use lazaret_mail::chain::Weight;
use lazaret_mail::{OnFailure, Stage, Verdict, VerdictKind};

const STAGES: [Stage; 7] = [
    Stage::Connect,
    Stage::Hello,
    Stage::Auth,
    Stage::Mail,
    Stage::Rcpt,
    Stage::Headers,
    Stage::Message,
];

const REFUSED: &str = "Refused by policy (7F3K2)";
const DEFERRED: &str = "Deferred by policy, try again later (7F3K2)";
const CLOSING: &str = "close 421 4.7.1 Closing the connection by policy (7F3K2)";

fn refused(stage: Stage) -> String {
    match stage {
        Stage::Connect => format!("554 5.7.1 {REFUSED}"),
        Stage::Auth => format!("535 5.7.8 {REFUSED}"),
        _ => format!("550 5.7.1 {REFUSED}"),
    }
}

fn deferred(stage: Stage) -> String {
    match stage {
        Stage::Connect => format!("close 421 4.7.1 {DEFERRED}"),
        Stage::Hello => format!("450 4.7.1 {DEFERRED}"),
        Stage::Auth => format!("454 4.7.0 {DEFERRED}"),
        _ => format!("451 4.7.1 {DEFERRED}"),
    }
}

/// What the client hears at the stage, and what becomes of the message later.
fn expected(stage: Stage, verdict: VerdictKind) -> (String, &'static str) {
    let kept = match verdict {
        VerdictKind::Quarantine => "quarantine odd",
        _ => "discard",
    };
    match (verdict, stage) {
        (VerdictKind::Continue | VerdictKind::Accept, _) => ("pass".into(), "pass"),
        (VerdictKind::Reject, _) => (refused(stage), "not asked"),
        (VerdictKind::Defer, _) => (deferred(stage), "not asked"),
        (VerdictKind::Disconnect, _) => (CLOSING.into(), "not asked"),
        (_, Stage::Auth) => ("pass".into(), "pass"),
        // The recipient alone; others of the transaction are not marked.
        (_, Stage::Rcpt) => (kept.into(), "pass"),
        (_, Stage::Message) => (kept.into(), kept),
        (_, _) => ("pass".into(), kept),
    }
}

/// Plays a session up to and at the stage, then on to the end of data if nobody objected.
async fn played(stage: Stage, double: Double) -> (String, String) {
    let mut connection = Connection::new(vec![double.filter()]);
    let mut at_stage = String::new();
    for step in STAGES {
        let decision = connection.stage(step).await;
        if step == stage {
            at_stage = told(&decision);
        } else if step != Stage::Message {
            assert_eq!(told(&decision), "pass");
        }
        let refused = !matches!(
            at_stage.as_str(),
            "" | "pass" | "discard" | "quarantine odd"
        );
        if refused {
            return (at_stage, "not asked".into());
        }
        if step == Stage::Message {
            return (at_stage, told(&decision));
        }
    }
    unreachable!("the loop ends at the stage message")
}

#[tokio::test]
async fn every_cell_of_the_table() {
    for stage in STAGES {
        for verdict in VerdictKind::ALL {
            let (at_stage, later) =
                played(stage, Double::says("f", &[stage], plain(verdict))).await;
            let (said, kept) = expected(stage, verdict);
            assert_eq!(
                (at_stage.as_str(), later.as_str()),
                (said.as_str(), kept),
                "{stage} {verdict}"
            );
        }
    }
}

#[tokio::test]
async fn every_cell_without_the_grant_is_continue() {
    for stage in STAGES {
        for verdict in VerdictKind::ALL {
            let double = Double::says("f", &[stage], plain(verdict))
                .with(|policy| policy.verdicts.0.clear());
            assert_eq!(
                played(stage, double).await,
                ("pass".into(), "pass".into()),
                "{stage} {verdict}"
            );
        }
    }
}

#[tokio::test]
async fn every_cell_observed_is_continue() {
    for stage in STAGES {
        for verdict in VerdictKind::ALL {
            let double = Double::says("f", &[stage], plain(verdict))
                .with(|policy| policy.mode = lazaret_mail::Mode::Observe);
            assert_eq!(
                played(stage, double).await,
                ("pass".into(), "pass".into()),
                "{stage} {verdict}"
            );
        }
    }
}

#[tokio::test]
async fn why_a_verdict_did_not_count_is_recorded() {
    let not_granted = Double::says("f", &[Stage::Mail], Verdict::Discard)
        .with(|policy| policy.verdicts.0.clear());
    let mut connection = Connection::new(vec![not_granted.filter()]);
    assert_eq!(weights(&connection.mail().await), [Weight::NotGranted]);

    let mut connection = Connection::new(vec![
        Double::says("f", &[Stage::Auth], Verdict::Discard).filter(),
    ]);
    assert_eq!(weights(&connection.auth().await), [Weight::NotAllowed]);
}

const CANNOT: &str = "Cannot be checked (7F3K2)";
const CANNOT_NOW: &str = "Cannot be checked now, try again later (7F3K2)";

#[tokio::test]
async fn every_failure_policy_at_every_stage() {
    for stage in STAGES {
        for on_failure in [
            OnFailure::Defer,
            OnFailure::Reject,
            OnFailure::Skip,
            OnFailure::Quarantine,
        ] {
            let double = Double::fails("f", &[stage]).with(|policy| policy.on_failure = on_failure);
            let kept = "quarantine filter f failed";
            let (said, later) = match on_failure {
                OnFailure::Defer => (deferred(stage).replace(DEFERRED, CANNOT_NOW), "not asked"),
                OnFailure::Reject => (refused(stage).replace(REFUSED, CANNOT), "not asked"),
                OnFailure::Skip => ("pass".into(), "pass"),
                OnFailure::Quarantine if stage == Stage::Message => (kept.into(), kept),
                OnFailure::Quarantine => ("pass".into(), kept),
            };
            let (at_stage, end) = match played_failing(stage, double).await {
                (at_stage, None) => (at_stage, "not asked".to_owned()),
                (at_stage, Some(end)) => (at_stage, end),
            };
            assert_eq!(
                (at_stage.as_str(), end.as_str()),
                (said.as_str(), later),
                "{stage} {on_failure:?}"
            );
        }
    }
}

async fn played_failing(stage: Stage, double: Double) -> (String, Option<String>) {
    let mut connection = Connection::new(vec![double.filter()]);
    let mut at_stage = String::new();
    for step in STAGES {
        let decision = told(&connection.stage(step).await);
        if step == stage {
            at_stage = decision.clone();
        }
        if decision.contains("checked") {
            return (at_stage, None);
        }
        if step == Stage::Message {
            return (at_stage, Some(decision));
        }
    }
    unreachable!("the loop ends at the stage message")
}

/// A filter's proposal at mail or connect, and what the client hears.
#[tokio::test]
async fn replies_are_built_by_the_host() {
    let reject = |code, enhanced, text| (Stage::Mail, Verdict::Reject(hint(code, enhanced, text)));
    let defer = |code, enhanced, text| (Stage::Mail, Verdict::Defer(hint(code, enhanced, text)));
    let cases = [
        (
            reject(None, None, "no such luck"),
            "550 5.7.1 no such luck (7F3K2)",
            0,
        ),
        (
            reject(Some(552), Some("5.3.4"), "big"),
            "552 5.3.4 big (7F3K2)",
            0,
        ),
        (reject(Some(552), None, "big"), "552 5.7.1 big (7F3K2)", 0),
        (
            reject(None, None, "one\r\ntwo\n"),
            "550 5.7.1 one/two (7F3K2)",
            0,
        ),
        // The class is the verdict's, whatever the filter says.
        (reject(Some(250), None, "fine"), "550 5.7.1 fine (7F3K2)", 1),
        (
            reject(Some(451), Some("4.7.1"), "x"),
            "550 5.7.1 x (7F3K2)",
            2,
        ),
        (
            reject(Some(999), Some("5.7"), "x"),
            "550 5.7.1 x (7F3K2)",
            2,
        ),
        (
            reject(Some(0), Some("5.7.1.1"), "x"),
            "550 5.7.1 x (7F3K2)",
            2,
        ),
        (
            reject(None, Some("5.1234.1"), "x"),
            "550 5.7.1 x (7F3K2)",
            1,
        ),
        (reject(None, Some("+5.1.1"), "x"), "550 5.7.1 x (7F3K2)", 1),
        (defer(Some(550), None, "x"), "451 4.7.1 x (7F3K2)", 1),
        (
            defer(Some(452), Some("4.2.2"), "x"),
            "452 4.2.2 x (7F3K2)",
            0,
        ),
        // 421 says that the connection closes; a deferral does not close it.
        (defer(Some(421), None, "x"), "451 4.7.1 x (7F3K2)", 1),
        // What is not printable, too long or nothing at all is said in our own words.
        (
            reject(None, None, ""),
            "550 5.7.1 Refused by policy (7F3K2)",
            0,
        ),
        (
            reject(None, None, " \n"),
            "550 5.7.1 Refused by policy (7F3K2)",
            1,
        ),
        (
            reject(None, None, "a\0b"),
            "550 5.7.1 Refused by policy (7F3K2)",
            1,
        ),
        (
            reject(None, None, "a\rb"),
            "550 5.7.1 Refused by policy (7F3K2)",
            1,
        ),
        (
            reject(None, None, "\x1b[31mred"),
            "550 5.7.1 Refused by policy (7F3K2)",
            1,
        ),
        (
            reject(None, None, "gr\u{fc}n"),
            "550 5.7.1 Refused by policy (7F3K2)",
            1,
        ),
        (
            defer(None, None, "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11"),
            "451 4.7.1 Deferred by policy, try again later (7F3K2)",
            1,
        ),
    ];
    for ((stage, verdict), said, replaced) in cases {
        let mut connection =
            Connection::new(vec![Double::says("f", &[stage], verdict.clone()).filter()]);
        let decision = connection.stage(stage).await;
        assert_eq!(
            (told(&decision).as_str(), decision.records[0].replaced),
            (said, replaced),
            "{verdict:?}"
        );
    }
}

#[tokio::test]
async fn a_text_has_four_hundred_octets() {
    for (length, replaced) in [(400, 0), (401, 1)] {
        let text = "a".repeat(length);
        let double = Double::says(
            "f",
            &[Stage::Mail],
            Verdict::Reject(hint(None, None, &text)),
        );
        let decision = Connection::new(vec![double.filter()]).mail().await;
        assert_eq!(decision.records[0].replaced, replaced);
        assert_eq!(told(&decision).contains(&text), replaced == 0);
    }
}

#[tokio::test]
async fn a_disconnect_closes_with_its_own_code() {
    for (stage, code, said) in [
        (Stage::Connect, 421, "close 421 4.7.1 bye (7F3K2)"),
        (Stage::Connect, 554, "close 554 5.7.1 bye (7F3K2)"),
        (Stage::Mail, 554, "close 421 4.7.1 bye (7F3K2)"),
        (Stage::Message, 450, "close 450 4.7.1 bye (7F3K2)"),
        (Stage::Message, 250, "close 421 4.7.1 bye (7F3K2)"),
    ] {
        let verdict = Verdict::Disconnect(hint(Some(code), None, "bye"));
        let (at_stage, _) = played(stage, Double::says("f", &[stage], verdict)).await;
        assert_eq!(at_stage, said);
    }
}
