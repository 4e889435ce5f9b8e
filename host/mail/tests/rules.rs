//! How filters work together: order, marks, accept, failures, observers.
#![allow(clippy::unwrap_used)]

mod doubles;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use doubles::{Connection, Double, answer, is_failed, noted, plain, quarantine, session, told};
use lazaret_mail::chain::Said;
use lazaret_mail::{
    Ask, Chain, FailureKind, Filter, Judge, Mode, OnFailure, Policy, ReplyHint, Stage, Unloadable,
    Verdict, VerdictKind,
};
use proptest::prelude::*;

const MAIL: &[Stage] = &[Stage::Mail];
const RCPT: &[Stage] = &[Stage::Rcpt];
const MESSAGE: &[Stage] = &[Stage::Message];

fn reject() -> Verdict {
    Verdict::Reject(ReplyHint::default())
}

fn connection(filters: impl IntoIterator<Item = Double>) -> Connection {
    Connection::new(filters.into_iter().map(Double::filter).collect())
}

#[tokio::test]
async fn the_first_refusal_ends_the_stage() {
    let mut connection = connection([
        Double::says("first", MESSAGE, Verdict::Continue),
        Double::says("second", MESSAGE, reject()),
        Double::says("third", MESSAGE, plain(VerdictKind::Defer)),
    ]);
    let decision = connection.transaction().await;
    assert_eq!(told(&decision), "550 5.7.1 Refused by policy (7F3K2)");
    assert_eq!(decision.by.as_deref(), Some("second"));
    assert_eq!(
        noted(&decision),
        ["first continue counted", "second reject counted"]
    );
}

#[tokio::test]
async fn a_refusal_goes_before_a_mark_and_quarantine_before_discard() {
    for (said, expected) in [
        (vec![quarantine("a"), Verdict::Discard], "quarantine a"),
        (vec![Verdict::Discard, quarantine("b")], "quarantine b"),
        (vec![quarantine("a"), quarantine("b")], "quarantine a"),
        (vec![Verdict::Discard, Verdict::Discard], "discard"),
        (
            vec![Verdict::Discard, reject()],
            "550 5.7.1 Refused by policy (7F3K2)",
        ),
        (
            vec![quarantine("a"), plain(VerdictKind::Disconnect)],
            "close 421 4.7.1 Closing the connection by policy (7F3K2)",
        ),
        (vec![quarantine("a"), Verdict::Accept], "quarantine a"),
    ] {
        for stage in [Stage::Rcpt, Stage::Message] {
            let doubles = said
                .iter()
                .map(|verdict| Double::says("f", &[stage], verdict.clone()));
            assert_eq!(told(&connection(doubles).transaction().await), expected);
        }
    }
}

#[tokio::test]
async fn marks_of_the_session_and_of_the_transaction_join() {
    let mut connection = connection([
        Double::says("early", &[Stage::Connect], Verdict::Discard),
        Double::new("late", MESSAGE, |_, _| Ok(answer(quarantine("late")))),
    ]);
    connection.connect().await;
    let decision = connection.transaction().await;
    assert_eq!(
        (told(&decision).as_str(), decision.by.as_deref()),
        ("quarantine late", Some("late"))
    );
}

#[tokio::test]
async fn a_mark_of_the_session_holds_for_every_transaction() {
    let mut connection = connection([Double::says("f", &[Stage::Hello], quarantine("hello"))]);
    connection.hello().await;
    for _ in 0..2 {
        assert_eq!(told(&connection.mail().await), "pass");
        assert!(connection.judge.asks(Stage::Message));
        assert_eq!(told(&connection.message().await), "quarantine hello");
        connection.finish();
    }
    // Another name does not wash it off.
    connection.hello().await;
    assert_eq!(told(&connection.transaction().await), "quarantine hello");
}

#[tokio::test]
async fn a_mark_of_a_transaction_ends_with_it() {
    let double = Double::new("f", MAIL, |_, _| Ok(answer(quarantine("once"))));
    let mut connection = connection([double]);
    assert_eq!(told(&connection.transaction().await), "quarantine once");
    connection.finish();
    connection.chain = Chain::new(2, vec![]);
    assert_eq!(told(&connection.transaction().await), "pass");
}

#[tokio::test]
async fn accept_ends_the_transactions_chain() {
    let mut connection = connection([
        Double::says("friend", MAIL, Verdict::Accept),
        Double::says("foe", &[Stage::Mail, Stage::Rcpt, Stage::Message], reject()),
    ]);
    assert_eq!(told(&connection.transaction().await), "pass");
    assert!(!connection.judge.asks(Stage::Rcpt) && !connection.judge.asks(Stage::Message));
    connection.finish();
    let mut transaction = connection;
    assert_eq!(noted(&transaction.mail().await), ["friend accept counted"]);
}

#[tokio::test]
async fn accept_of_one_recipient_is_for_that_one() {
    let friend = Double::new("friend", RCPT, |question, _| {
        let Ask::Rcpt(path) = &*question.ask else {
            panic!("asked at rcpt only")
        };
        let friend = path.address.mailbox() == "postmaster@example.com";
        Ok(answer(if friend {
            Verdict::Accept
        } else {
            Verdict::Continue
        }))
    });
    let mut connection = connection([friend, Double::says("foe", RCPT, reject())]);
    connection.mail().await;
    assert_eq!(
        told(&connection.rcpt_to("postmaster@example.com").await),
        "pass"
    );
    assert_eq!(
        told(&connection.rcpt_to("b@example.com").await),
        "550 5.7.1 Refused by policy (7F3K2)"
    );
}

#[tokio::test]
async fn accept_at_hello_must_be_won_again() {
    let friend = Double::new("friend", &[Stage::Hello], |question, _| {
        let friend = matches!(&*question.ask, Ask::Hello(name) if name == "client.example.net");
        Ok(answer(if friend {
            Verdict::Accept
        } else {
            Verdict::Continue
        }))
    });
    let mut connection = connection([friend, Double::says("foe", MAIL, reject())]);
    connection.hello().await;
    assert_eq!(told(&connection.mail().await), "pass");
    let session = connection.session.clone();
    connection.judge.hello(&session, "other.example.net").await;
    assert_eq!(
        told(&connection.mail().await),
        "550 5.7.1 Refused by policy (7F3K2)"
    );
}

#[tokio::test]
async fn a_quarantined_recipient_may_still_be_refused() {
    let mut connection = connection([
        Double::says("first", RCPT, quarantine("odd")),
        Double::says("second", RCPT, reject()),
    ]);
    connection.mail().await;
    assert_eq!(
        told(&connection.rcpt().await),
        "550 5.7.1 Refused by policy (7F3K2)"
    );
}

#[tokio::test]
async fn a_failed_filter_is_not_asked_again_and_its_answer_stands() {
    let stages = [Stage::Rcpt, Stage::Message];
    let double = Double::new("f", &stages, |question, _| match &*question.ask {
        Ask::Rcpt(path) if path.address.mailbox() == "trap@example.com" => {
            Err(FailureKind::Trap("unreachable".into()))
        }
        _ => Ok(answer(Verdict::Continue)),
    });
    let forks = double.forks.clone();
    let mut connection = connection([double]);
    let cannot = "451 4.7.1 Cannot be checked now, try again later (7F3K2)";
    connection.mail().await;
    assert_eq!(told(&connection.rcpt_to("a@example.com").await), "pass");
    assert_eq!(told(&connection.rcpt_to("trap@example.com").await), cannot);
    let again = connection.rcpt_to("a@example.com").await;
    assert_eq!(told(&again), cannot);
    assert!(matches!(
        again.records[0].said,
        Said::FailedEarlier(OnFailure::Defer)
    ));
    assert_eq!(told(&connection.message().await), cannot);
    assert_eq!(forks.load(Ordering::Relaxed), 1);
    // The next transaction starts anew.
    connection.finish();
    assert_eq!(told(&connection.transaction().await), "pass");
    assert_eq!(forks.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_skipped_failure_does_not_stop_the_others() {
    let mut connection = connection([
        Double::fails("broken", MESSAGE).with(|policy| policy.on_failure = OnFailure::Skip),
        Double::says("strict", MESSAGE, reject()),
    ]);
    let decision = connection.transaction().await;
    assert_eq!(
        noted(&decision),
        ["broken failed counted", "strict reject counted"]
    );
    assert!(is_failed(&decision.records[0].said));
    assert_eq!(decision.records[0].cpu, Duration::from_millis(3));
    assert!(
        decision.records[0]
            .to_string()
            .contains("trap: unreachable")
    );
}

/// Whoever makes us busy would otherwise get his mail past a filter whose failures are skipped.
#[tokio::test]
async fn where_no_sandbox_is_free_we_answer_and_not_on_failure() {
    for on_failure in [
        OnFailure::Skip,
        OnFailure::Reject,
        OnFailure::Quarantine,
        OnFailure::Defer,
    ] {
        let busy = Double::new("busy", MESSAGE, |_, _| Err(FailureKind::Busy))
            .with(|policy| policy.on_failure = on_failure);
        let decision = connection([busy]).transaction().await;
        assert_eq!(
            told(&decision),
            "451 4.3.2 Too busy to check mail now, try again later (7F3K2)"
        );
        assert_eq!(decision.by, None, "no filter decided this");
    }
}

#[tokio::test]
async fn a_sandbox_that_was_given_up_says_so_at_every_later_stage() {
    let stages = [Stage::Mail, Stage::Rcpt];
    let double = Double::new("f", &stages, |_, asked| match asked {
        1 => Ok(answer(Verdict::Continue)),
        _ => Err(FailureKind::Busy),
    });
    let forks = double.forks.clone();
    let mut connection = connection([double]);
    assert_eq!(told(&connection.mail().await), "pass");
    let busy = "451 4.3.2 Too busy to check mail now, try again later (7F3K2)";
    for _ in 0..2 {
        assert_eq!(told(&connection.rcpt_to("a@example.com").await), busy);
    }
    assert_eq!(
        forks.load(Ordering::Relaxed),
        1,
        "no fresh one without its memory"
    );
}

#[tokio::test]
async fn an_observed_filter_without_a_sandbox_changes_nothing() {
    let busy = Double::new("busy", MESSAGE, |_, _| Err(FailureKind::Busy))
        .with(|policy| policy.mode = Mode::Observe);
    assert_eq!(told(&connection([busy]).transaction().await), "pass");
}

#[tokio::test]
async fn an_observed_failure_changes_nothing() {
    let broken = Double::fails("broken", MESSAGE).with(|policy| policy.mode = Mode::Observe);
    let decision = connection([broken]).transaction().await;
    assert_eq!(
        (told(&decision).as_str(), noted(&decision)),
        ("pass", vec!["broken failed observed".to_owned()])
    );
}

#[tokio::test]
async fn a_filter_that_cannot_be_loaded_answers_by_its_policy() {
    for (stages, at_mail, at_message) in [
        (
            None,
            "451 4.7.1 Cannot be checked now, try again later (7F3K2)",
            "pass",
        ),
        (
            Some(vec![Stage::Message]),
            "pass",
            "451 4.7.1 Cannot be checked now, try again later (7F3K2)",
        ),
    ] {
        let policy = Policy {
            stages,
            ..Policy::default()
        };
        let absent: Arc<dyn Filter> = Arc::new(Unloadable::new("gone", policy, "no such file"));
        let mut connection = Connection::new(vec![absent]);
        let mail = connection.mail().await;
        assert_eq!(told(&mail), at_mail);
        if at_mail == "pass" {
            let message = connection.message().await;
            assert_eq!(told(&message), at_message);
            assert!(
                message.records[0]
                    .to_string()
                    .contains("not loadable: no such file")
            );
        }
    }
}

#[tokio::test]
async fn sandboxes_are_fresh_for_each_transaction_and_each_connection_stage() {
    let seen: Arc<Mutex<Vec<(Stage, u32)>>> = Arc::default();
    let log = seen.clone();
    let stages = [
        Stage::Connect,
        Stage::Hello,
        Stage::Mail,
        Stage::Rcpt,
        Stage::Message,
    ];
    let mut connection = connection([Double::new("counter", &stages, move |question, asked| {
        log.lock().unwrap().push((question.ask.stage(), asked));
        Ok(answer(Verdict::Continue))
    })]);
    connection.connect().await;
    connection.hello().await;
    connection.hello().await;
    for _ in 0..2 {
        connection.transaction().await;
        connection.finish();
    }
    let transaction = [(Stage::Mail, 1), (Stage::Rcpt, 2), (Stage::Message, 3)];
    let first = [(Stage::Connect, 1), (Stage::Hello, 1), (Stage::Hello, 1)];
    let expected = [&first[..], &transaction, &transaction].concat();
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn filters_are_asked_on_their_listeners_and_not_when_off() {
    let elsewhere = Double::says("elsewhere", MAIL, reject())
        .with(|policy| policy.listeners = Some(vec!["submission".into()]));
    let off = Double::says("off", MAIL, reject()).with(|policy| policy.mode = Mode::Off);
    let narrowed = Double::says("narrowed", MAIL, reject())
        .with(|policy| policy.stages = Some(vec![Stage::Rcpt]));
    let mut connection = connection([elsewhere, off, narrowed]);
    let decision = connection.mail().await;
    assert_eq!(
        (told(&decision).as_str(), decision.records.len()),
        ("pass", 0)
    );
    assert_eq!(connection.chain.filters().len(), 3);
}

#[tokio::test]
async fn a_message_over_a_filters_limit_is_not_shown_to_it() {
    let mut connection = connection([
        Double::says("small", MESSAGE, reject()).with(|policy| policy.max_message = 10),
        Double::says("large", MESSAGE, quarantine("seen")),
    ]);
    let decision = connection.transaction().await;
    assert_eq!(told(&decision), "quarantine seen");
    assert_eq!(
        noted(&decision),
        ["small unscanned counted", "large quarantine counted"]
    );
    assert_eq!(
        decision.records[0].to_string(),
        "small at message: unscanned (45 octets, limit 10), 0.00 ms"
    );
}

#[tokio::test]
async fn observers_are_told_of_the_end() {
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = told.clone();
    let stages = [Stage::Mail, Stage::Outcome, Stage::Disconnect];
    let observer = Double::new("observer", &stages, move |question, asked| {
        log.lock().unwrap().push(match &*question.ask {
            Ask::Outcome(outcome) => format!("outcome {} {asked}", outcome.code),
            Ask::Disconnect(reason) => format!("disconnect {reason} {asked}"),
            _ => "mail".into(),
        });
        Ok(answer(Verdict::Accept))
    });
    let broken = Double::fails("broken", &[Stage::Outcome]);
    let mut connection = connection([observer, broken]);
    connection.transaction().await;
    let records = tokio::spawn(connection.finish().unwrap()).await.unwrap();
    assert_eq!(
        records
            .iter()
            .map(|record| record.word())
            .collect::<Vec<_>>(),
        ["accept", "failed"]
    );
    assert!(connection.finish().is_none());
    let observation = connection
        .judge
        .disconnect(&connection.session, "quit")
        .unwrap();
    tokio::spawn(observation).await.unwrap();
    assert_eq!(
        *told.lock().unwrap(),
        ["mail", "outcome 250 2", "disconnect quit 1"]
    );
}

#[tokio::test]
async fn nobody_subscribed_nobody_asked() {
    let mut connection = connection([]);
    for stage in [
        Stage::Connect,
        Stage::Hello,
        Stage::Rcpt,
        Stage::Headers,
        Stage::Message,
    ] {
        assert!(!connection.judge.asks(stage));
    }
    assert_eq!(connection.connect().await.records.capacity(), 0);
    assert_eq!(connection.hello().await.records.capacity(), 0);
    let before = connection.message.clone();
    assert_eq!(told(&connection.transaction().await), "pass");
    assert!(Arc::ptr_eq(&before, &connection.message));
    assert!(connection.finish().is_none());
    assert!(
        connection
            .judge
            .disconnect(&connection.session, "quit")
            .is_none()
    );
}

#[tokio::test]
async fn a_transaction_stays_on_its_generation() {
    let mut connection = connection([]);
    connection.mail().await;
    let strict = Chain::new(
        2,
        vec![Double::says("strict", &[Stage::Mail, Stage::Rcpt], reject()).filter()],
    );
    connection.chain = strict;
    assert_eq!(told(&connection.rcpt().await), "pass");
    assert_eq!(
        told(&connection.mail().await),
        "550 5.7.1 Refused by policy (7F3K2)"
    );
}

#[test]
fn a_judge_moves_between_threads() {
    fn moves<T: Send>(_: &T) {}
    let mut judge = Judge::new(Chain::new(1, vec![]), "mx");
    let session = Arc::new(session());
    moves(&judge.connect(&session));
    moves(&judge);
}

fn verdict() -> impl Strategy<Value = VerdictKind> {
    proptest::sample::select(VerdictKind::ALL.to_vec())
}

/// The rules said once more, without a chain.
fn model(said: &[VerdictKind]) -> &'static str {
    let mut kept = "pass";
    for verdict in said {
        match verdict {
            VerdictKind::Continue => {}
            VerdictKind::Accept => return kept,
            VerdictKind::Reject => return "550 5.7.1 Refused by policy (7F3K2)",
            VerdictKind::Defer => return "451 4.7.1 Deferred by policy, try again later (7F3K2)",
            VerdictKind::Disconnect => {
                return "close 421 4.7.1 Closing the connection by policy (7F3K2)";
            }
            VerdictKind::Quarantine => kept = "quarantine odd",
            VerdictKind::Discard if kept == "pass" => kept = "discard",
            VerdictKind::Discard => {}
        }
    }
    kept
}

proptest! {
    #[test]
    fn any_chain_follows_the_rules(said in proptest::collection::vec(verdict(), 0..7)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for stage in [Stage::Rcpt, Stage::Message] {
            let doubles = said.iter().map(|verdict| Double::says("f", &[stage], plain(*verdict)));
            let mut connection = connection(doubles);
            runtime.block_on(connection.mail());
            let decision = runtime.block_on(connection.stage(stage));
            prop_assert_eq!(told(&decision), model(&said));
            let asked = said.iter().position(|verdict| {
                !matches!(verdict, VerdictKind::Continue | VerdictKind::Quarantine | VerdictKind::Discard)
            });
            prop_assert_eq!(decision.records.len(), asked.map_or(said.len(), |last| last + 1));
        }
    }
}
