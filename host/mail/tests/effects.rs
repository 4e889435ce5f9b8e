//! What filters do besides their verdict: edits, score, notes and pace.
#![allow(clippy::unwrap_used)]

mod doubles;

use std::sync::Arc;
use std::time::Duration;

use doubles::{Connection, Double, adding, answer, does, editing, quarantine, told, weights};
use lazaret_mail::chain::Weight;
use lazaret_mail::{Effects, Mode, Scope, Stage};

const MAIL: &[Stage] = &[Stage::Mail];
const RCPT: &[Stage] = &[Stage::Rcpt];
const HEADERS: &[Stage] = &[Stage::Headers];
const MESSAGE: &[Stage] = &[Stage::Message];

fn connection(filters: impl IntoIterator<Item = Double>) -> Connection {
    Connection::new(filters.into_iter().map(Double::filter).collect())
}

#[tokio::test]
async fn later_filters_see_earlier_edits() {
    let tag = Double::new("tag", MESSAGE, |question, _| {
        let edits = adding(question, "X-Spam-Flag", "YES");
        Ok(does(Effects {
            edits,
            ..Effects::default()
        }))
    });
    let check = Double::new("check", MESSAGE, |question, _| {
        let flags = question.message.as_ref().unwrap().text("x-spam-flag");
        Ok(answer(quarantine(&flags.join(","))))
    });
    let mut connection = connection([tag, check]);
    let decision = connection.transaction().await;
    assert_eq!(told(&decision), "quarantine YES");
    assert_eq!(
        connection.octets(),
        format!("X-Spam-Flag: YES\r\n{}", doubles::MAIL)
    );
    assert_eq!(decision.records[0].edits.len(), 1);
}

#[tokio::test]
async fn edits_made_at_headers_are_made_on_the_message() {
    let early = Double::new("early", HEADERS, |question, _| {
        assert_eq!(question.message.as_ref().unwrap().size(), 39);
        let edits = editing(question, |editor| {
            editor.add("X-Early", "1").unwrap();
            editor.replace("Subject", 0, "changed").unwrap();
        });
        Ok(does(Effects {
            edits,
            ..Effects::default()
        }))
    });
    let mut connection = connection([early]);
    connection.mail().await;
    connection.rcpt().await;
    connection.headers().await;
    assert!(connection.judge.asks(Stage::Message));
    connection.message().await;
    assert_eq!(
        connection.octets(),
        "X-Early: 1\r\nFrom: a@example.org\r\nSubject: changed\r\n\r\nbody\r\n"
    );
}

#[tokio::test]
async fn edits_do_not_land_on_another_header_section() {
    let early = Double::new("early", HEADERS, |question, _| {
        let edits = editing(question, |editor| {
            assert_eq!(editor.remove("From", None), Ok(1))
        });
        Ok(does(Effects {
            edits,
            ..Effects::default()
        }))
    });
    let mut connection = connection([early]);
    connection.mail().await;
    connection.headers().await;
    let received = lazaret_mail::Field::compose("Received", "by us").unwrap();
    connection.message = Arc::new(connection.message.prepend(received));
    connection.message().await;
    assert_eq!(
        connection.octets(),
        format!("Received: by us\r\n{}", doubles::MAIL)
    );
}

#[tokio::test]
async fn edits_are_lost_in_observe_mode_and_where_there_is_no_message() {
    let tag = |question: &lazaret_mail::Question, _: u32| {
        let edits = adding(question, "X-Spam-Flag", "YES");
        Ok(does(Effects {
            edits,
            ..Effects::default()
        }))
    };
    let observed = Double::new("observed", MESSAGE, tag).with(|policy| policy.mode = Mode::Observe);
    let field = lazaret_mail::Field::compose("X", "1").unwrap();
    let early = Double::new("early", MAIL, move |_, _| {
        let edits = vec![lazaret_mail::Edit::Add(field.clone())];
        Ok(does(Effects {
            edits,
            ..Effects::default()
        }))
    });
    let mut connection = connection([early, observed]);
    assert!(connection.mail().await.records[0].edit_fault.is_some());
    let decision = connection.message().await;
    assert_eq!(weights(&decision), [Weight::Observed]);
    assert_eq!(decision.records[0].edits.len(), 1);
    assert_eq!(connection.octets(), doubles::MAIL);
}

fn scores(points: f64) -> Effects {
    Effects {
        scores: vec![("SYMBOL".into(), points, "why".into())],
        ..Effects::default()
    }
}

#[tokio::test]
async fn the_score_adds_up_within_a_transaction() {
    let stages = [Stage::Mail, Stage::Message];
    let mut connection = connection([
        Double::new("one", &stages, |_, _| Ok(does(scores(2.5)))),
        Double::new("observed", &stages, |_, _| Ok(does(scores(100.0))))
            .with(|policy| policy.mode = Mode::Observe),
        Double::new("odd", &stages, |_, _| Ok(does(scores(f64::NAN)))),
        Double::new("judge", MESSAGE, |question, _| {
            Ok(answer(quarantine(&question.score.total().to_string())))
        }),
    ]);
    for _ in 0..2 {
        assert_eq!(told(&connection.transaction().await), "quarantine 5");
        assert!((connection.judge.score().total() - 5.0).abs() < 1e-9);
        connection.finish();
    }
}

/// A client that starts TLS says EHLO twice; one that hopes for more says it fifty times.
#[tokio::test]
async fn points_of_a_hello_count_once_however_often_it_is_said() {
    let mut connection = connection([
        Double::new("listed", &[Stage::Connect], |_, _| Ok(does(scores(0.5)))),
        Double::new("known", &[Stage::Hello], |_, _| Ok(does(scores(-2.0)))),
    ]);
    connection.connect().await;
    for _ in 0..50 {
        connection.hello().await;
    }
    assert!((connection.judge.score().total() + 1.5).abs() < 1e-9);
    connection.mail().await;
    assert!((connection.judge.score().total() + 1.5).abs() < 1e-9);
}

#[tokio::test]
async fn a_header_section_that_nobody_edited_is_not_kept() {
    let mut connection = connection([Double::says(
        "calm",
        HEADERS,
        lazaret_mail::Verdict::Continue,
    )]);
    connection.mail().await;
    let message = connection.message.clone();
    connection
        .judge
        .headers(&connection.session, &connection.envelope, &message)
        .await;
    drop(connection.message);
    assert_eq!(Arc::strong_count(&message), 1);
}

#[tokio::test]
async fn the_score_stays_finite() {
    let mut connection = connection([
        Double::new("most", RCPT, |_, _| Ok(does(scores(f64::MAX)))),
        Double::new("more", RCPT, |_, _| Ok(does(scores(f64::INFINITY)))),
    ]);
    connection.mail().await;
    connection.rcpt().await;
    connection.rcpt().await;
    assert!((connection.judge.score().total() - 1e6).abs() < 1e-9);
}

fn note(scope: Scope, key: &str, value: &str) -> Effects {
    Effects {
        notes: vec![(scope, key.into(), value.into())],
        ..Effects::default()
    }
}

#[tokio::test]
async fn notes_live_as_long_as_their_scope() {
    let stages = [Stage::Connect, Stage::Mail];
    let writer = Double::new("writer", &stages, |question, _| {
        Ok(does(match question.ask.stage() {
            Stage::Connect => note(Scope::Connection, "key", "connection"),
            _ if question
                .notes
                .0
                .contains_key(&("writer".into(), "more".into())) =>
            {
                Effects::default()
            }
            _ => Effects {
                notes: vec![
                    (Scope::Transaction, "key".into(), "transaction".into()),
                    (Scope::Connection, "key".into(), "connection 2".into()),
                    (Scope::Connection, "more".into(), "kept".into()),
                ],
                ..Effects::default()
            },
        }))
    });
    let reader = Double::new("reader", MESSAGE, |question, _| {
        let notes: Vec<&str> = question.notes.0.values().map(String::as_str).collect();
        Ok(answer(quarantine(&notes.join(","))))
    });
    let mut connection = connection([writer, reader]);
    connection.connect().await;
    assert_eq!(
        told(&connection.transaction().await),
        "quarantine transaction,kept"
    );
    connection.finish();
    assert_eq!(
        told(&connection.transaction().await),
        "quarantine connection 2,kept"
    );
}

#[tokio::test]
async fn notes_have_caps() {
    let mut connection = connection([Double::new("writer", RCPT, |_, _| {
        let notes = (0..2000).map(|n| (Scope::Connection, n.to_string(), String::new()));
        let long = (Scope::Transaction, "long".into(), "x".repeat(5000));
        Ok(does(Effects {
            notes: notes.chain([long]).collect(),
            ..Effects::default()
        }))
    })]);
    connection.mail().await;
    assert_eq!(connection.rcpt().await.records[0].dropped, 2000 - 1024 + 1);
}

#[tokio::test]
async fn pace_is_summed_and_capped() {
    let slow = |name| {
        Double::new(name, RCPT, |_, _| {
            Ok(does(Effects {
                pace: Duration::from_secs(20),
                ..Effects::default()
            }))
        })
    };
    let mut connection = connection([slow("a"), slow("b")]);
    connection.mail().await;
    for _ in 0..10 {
        assert_eq!(connection.rcpt().await.pace, Duration::from_secs(30));
    }
    assert_eq!(connection.rcpt().await.pace, Duration::ZERO);
}
