//! What a decision of the chain does on the wire. The table itself is tested in lazaret-mail, with components in the
//! end-to-end tests; here each kind of action is taken once at each stage.

use lazaret_mail::{Ask, EditScope, Effects, Grant, HeaderEditor, Question, Stage, Verdict};

use crate::kit::filter::{ALL_VERDICTS, Filters, hint, is_rcpt, say};
use crate::kit::{Backend, Running, Setup};

const HELLO: &str = "S: 220\nC: EHLO client.example.com\nS: 250";
const DATA: &str =
    "C: MAIL FROM:<ann@example.com>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354";

/// A filter at one stage says this, always.
async fn judged(stage: Stage, verdict: Verdict) -> (Backend, Running) {
    let backend = Backend::honest().await;
    let filters = Filters::one(stage, move |_| say(verdict.clone()));
    let proxy = Running::start(
        &backend,
        Setup {
            filters,
            ..Setup::default()
        },
    )
    .await;
    (backend, proxy)
}

/// The same; the transcript is played, and what the backend got is returned.
async fn play(stage: Stage, verdict: Verdict, transcript: &str) -> (Backend, Running) {
    let (backend, proxy) = judged(stage, verdict).await;
    proxy.play(transcript).await;
    (backend, proxy)
}

fn reject() -> Verdict {
    Verdict::Reject(hint("Not today"))
}

fn disconnect() -> Verdict {
    Verdict::Disconnect(hint("Go away"))
}

fn defer() -> Verdict {
    Verdict::Defer(hint("Later"))
}

#[tokio::test]
async fn refusals_at_connect_come_as_the_greeting() {
    play(
        Stage::Connect,
        reject(),
        "S: 554\nC: EHLO a\nS: 503\nC: MAIL FROM:<>\nS: 503\nC: QUIT\nS: 221\nS: closed",
    )
    .await;
    play(Stage::Connect, defer(), "S: 421\nS: closed").await;
    let (backend, _proxy) = play(Stage::Connect, disconnect(), "S: 421\nS: closed").await;
    // The health check at the start is all that it hears.
    backend.until_heard("QUIT").await;
    backend.left_alone().await;
    assert_eq!(
        backend.state().log,
        ["EHLO mx.example.org", "QUIT"],
        "who is refused early costs the backend nothing"
    );
}

#[tokio::test]
async fn a_refusal_at_hello_sticks() {
    let sticky =
        "S: 220\nC: EHLO a\nS: 550\nC: HELO a\nS: 550\nC: RSET\nS: 250\nC: MAIL FROM:<>\nS: 550";
    play(Stage::Hello, reject(), sticky).await;
    play(
        Stage::Hello,
        defer(),
        "S: 220\nC: HELO a\nS: 450\nC: MAIL FROM:<>\nS: 450",
    )
    .await;
    play(
        Stage::Hello,
        disconnect(),
        "S: 220\nC: EHLO a\nS: 421\nS: closed",
    )
    .await;
}

#[tokio::test]
async fn refusals_at_mail_and_rcpt_stay_there() {
    let mail = format!(
        "{HELLO}\nC: MAIL FROM:<a@example.com>\nS: 550 5.7.1 Not today\nC: RCPT TO:<b@example.org>\nS: 503"
    );
    let (backend, _) = play(Stage::Mail, reject(), &mail).await;
    assert_eq!(backend.heard("MAIL").len(), 0);
    play(
        Stage::Mail,
        defer(),
        &format!("{HELLO}\nC: MAIL FROM:<>\nS: 451"),
    )
    .await;
    let rcpt = format!(
        "{HELLO}\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 451\nC: DATA\nS: 554"
    );
    let (backend, _) = play(Stage::Rcpt, defer(), &rcpt).await;
    assert_eq!(backend.heard("RCPT").len(), 0);
    play(
        Stage::Rcpt,
        disconnect(),
        &format!("{HELLO}\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 421\nS: closed"),
    )
    .await;
}

#[tokio::test]
async fn refusals_of_the_message_come_after_the_dot() {
    for stage in [Stage::Headers, Stage::Message] {
        for (verdict, wanted) in [(reject(), "550 5.7.1"), (defer(), "451 4.7.1")] {
            let transcript = format!(
                "{HELLO}\n{DATA}\nC: Subject: x\nC:\nC: text\nC: .\nS: {wanted}\nC: NOOP\nS: 250"
            );
            let (backend, _) = play(stage, verdict, &transcript).await;
            assert_eq!(backend.messages().len(), 0);
        }
        let transcript =
            format!("{HELLO}\n{DATA}\nC: Subject: x\nC:\nC: text\nC: .\nS: 421\nS: closed");
        play(stage, disconnect(), &transcript).await;
        // Without an empty line there is a header section all the same.
        let transcript = format!("{HELLO}\n{DATA}\nC: Subject: x\nC: .\nS: 550 5.7.1");
        play(stage, reject(), &transcript).await;
    }
}

#[tokio::test]
async fn a_quarantined_message_is_on_disk_before_the_250() {
    for stage in [
        Stage::Connect,
        Stage::Hello,
        Stage::Mail,
        Stage::Headers,
        Stage::Message,
    ] {
        let verdict = Verdict::Quarantine("looks odd".into());
        let transcript = format!("{HELLO}\n{DATA}\nC: Subject: x\nC:\nC: text\nC: .\nS: 250");
        let (backend, proxy) = play(stage, verdict, &transcript).await;
        assert_eq!(backend.messages().len(), 0, "{stage:?}");
        let message = proxy.quarantined("eml").remove(0);
        assert!(
            message.ends_with("\r\nSubject: x\r\n\r\ntext\r\n"),
            "{message}"
        );
        let facts = proxy.quarantined("json").remove(0);
        for fact in [
            "looks odd",
            "ann@example.com",
            "bob@example.org",
            "client.example.com",
        ] {
            assert!(facts.contains(fact), "{facts}");
        }
    }
}

#[tokio::test]
async fn a_quarantine_that_cannot_be_written_is_a_451() {
    let backend = Backend::honest().await;
    let filters = Filters::one(Stage::Message, |_| say(Verdict::Quarantine("odd".into())));
    let proxy = Running::start(
        &backend,
        Setup {
            filters,
            ..Setup::default()
        },
    )
    .await;
    std::fs::remove_dir(proxy.dir.path().join("quarantine")).unwrap();
    proxy
        .play(&format!("{HELLO}\n{DATA}\nC: a\nC: .\nS: 451 4.3.0"))
        .await;
}

#[tokio::test]
async fn a_discarded_message_goes_nowhere() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Message] {
        let transcript = format!("{HELLO}\n{DATA}\nC: a\nC: .\nS: 250");
        let (backend, proxy) = play(stage, Verdict::Discard, &transcript).await;
        assert_eq!(backend.messages().len(), 0, "{stage:?}");
        assert_eq!(proxy.quarantined("eml").len(), 0);
    }
}

#[tokio::test]
async fn a_recipient_that_is_kept_is_never_told_to_the_backend() {
    let backend = Backend::honest().await;
    let filters = Filters::one(Stage::Rcpt, |question| {
        match is_rcpt(question, "kept@example.org") {
            true => say(Verdict::Quarantine("trap".into())),
            false => say(Verdict::Continue),
        }
    });
    let proxy = Running::start(
        &backend,
        Setup {
            filters,
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.play(HELLO).await;
    client.play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<kept@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250").await;
    client
        .play("C: DATA\nS: 354\nC: Subject: x\nC: .\nS: 250")
        .await;
    assert_eq!(backend.heard("RCPT"), ["RCPT TO:<bob@example.org>"]);
    assert_eq!(backend.messages().len(), 1);
    assert!(
        !backend.messages()[0].contains("kept"),
        "two recipients, no `for`"
    );
    assert_eq!(proxy.quarantined("eml").len(), 1);
    assert!(!proxy.quarantined("json")[0].contains("bob@"));
    // Should the backend refuse, the client comes again: the copy is taken back.
    backend
        .state()
        .acts
        .insert(".", crate::kit::Act::Say(b"451 4.3.0 no\r\n".to_vec()));
    client.play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<kept@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250").await;
    client
        .play("C: DATA\nS: 354\nC: Subject: x\nC: .\nS: 451")
        .await;
    assert_eq!(proxy.quarantined("eml").len(), 1);
}

#[tokio::test]
async fn the_quarantine_keeps_what_a_release_needs() {
    let odd = Verdict::Quarantine("odd".into());
    let (_backend, proxy) = judged(Stage::Message, odd).await;
    let mut client = proxy.offered("DSN").await;
    client
        .play(
            "C: MAIL FROM:<ann@example.com> BODY=8BITMIME RET=HDRS\nS: 250\n\
             C: RCPT TO:<bob@example.org> NOTIFY=NEVER\nS: 250\nC: DATA\nS: 354\nC: a: b\nC: .\nS: 250",
        )
        .await;
    let facts = proxy.quarantined("json").remove(0);
    for parameter in ["BODY=8BITMIME", "RET=HDRS", "NOTIFY=NEVER"] {
        assert!(facts.contains(parameter), "{facts}");
    }
}

#[tokio::test]
async fn quarantine_promised_at_rcpt_goes_before_a_later_discard() {
    let backend = Backend::honest().await;
    let judge = |question: &Question| match &*question.ask {
        Ask::Rcpt(path) if path.address.mailbox() == "kept@example.org" => {
            say(Verdict::Quarantine("trap".into()))
        }
        Ask::Message => say(Verdict::Discard),
        _ => say(Verdict::Continue),
    };
    let filters = Filters::default().and(
        "10-test",
        &[Stage::Rcpt, Stage::Message],
        ALL_VERDICTS,
        judge,
    );
    let proxy = Running::start(
        &backend,
        Setup {
            filters,
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.play(HELLO).await;
    client.play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<kept@example.org>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250").await;
    client
        .play("C: DATA\nS: 354\nC: Subject: x\nC: .\nS: 250")
        .await;
    assert_eq!(backend.messages().len(), 0);
    let facts = proxy.quarantined("json").remove(0);
    assert!(
        facts.contains("kept@") && !facts.contains("bob@"),
        "{facts}"
    );
}

fn add_header(question: &Question) -> lazaret_mail::Answer {
    let message = question.message.as_ref().unwrap();
    let mut editor = HeaderEditor::new(message, &EditScope::of(&[Grant::EditHeaders(Vec::new())]));
    editor.add("X-Seen", "yes").unwrap();
    let effects = Effects {
        edits: editor.finish(),
        ..Effects::default()
    };
    lazaret_mail::Answer {
        verdict: Verdict::Continue,
        effects,
    }
}

#[tokio::test]
async fn an_edit_changes_its_line_and_nothing_else() {
    for stage in [Stage::Headers, Stage::Message] {
        let backend = Backend::honest().await;
        backend
            .state()
            .ehlo
            .push("XCLIENT NAME ADDR PORT PROTO HELO");
        let filters = Filters::one(stage, add_header);
        let proxy = Running::start(
            &backend,
            Setup {
                filters,
                backend: "identity = \"xclient\"",
                ..Setup::default()
            },
        )
        .await;
        proxy
            .play(&format!(
                "{HELLO}\n{DATA}\nC: Subject:x\nC:   folded\nC:\nC: text\nC: .\nS: 250"
            ))
            .await;
        let message = backend.messages().remove(0);
        // Edited by us: our Received is there although the backend knows the client.
        assert!(
            message.starts_with("Received: from client.example.com"),
            "{message}"
        );
        assert!(
            message.ends_with("\r\nX-Seen: yes\r\nSubject:x\r\n  folded\r\n\r\ntext\r\n"),
            "{message}"
        );
    }
}

#[tokio::test]
async fn pace_holds_a_reply_back() {
    let backend = Backend::honest().await;
    let filters = Filters::one(Stage::Mail, |_| {
        let pace = std::time::Duration::from_millis(300);
        let effects = Effects {
            pace,
            ..Effects::default()
        };
        lazaret_mail::Answer {
            verdict: Verdict::Continue,
            effects,
        }
    });
    let proxy = Running::start(
        &backend,
        Setup {
            filters,
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.play(HELLO).await;
    let began = std::time::Instant::now();
    client.play("C: MAIL FROM:<>\nS: 250").await;
    assert!(began.elapsed() >= std::time::Duration::from_millis(300));
}

#[tokio::test]
async fn trusted_clients_meet_no_filter_but_recipients_hold() {
    let backend = Backend::honest().await;
    let filters = Filters::one(Stage::Mail, |_| say(reject()));
    let setup = Setup {
        filters,
        listener: "trusted = [\"127.0.0.0/8\"]",
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    proxy
        .play(&format!(
            "{HELLO}\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<x@example.net>\nS: 550 5.7.1"
        ))
        .await;
}

#[tokio::test]
async fn early_talk_is_a_fact_for_filters() {
    let backend = Backend::honest().await;
    let filters = Filters::one(Stage::Connect, |question| {
        match question.session.early_talker {
            true => say(reject()),
            false => say(Verdict::Continue),
        }
    });
    let setup = Setup {
        filters,
        // In which the early one is to have spoken.
        tables: "[deadlines]\ngreet-delay = \"2s\"",
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    tokio::join!(proxy.play("C: EHLO early\nS: 554"), proxy.play("S: 220"));
}

#[tokio::test]
async fn a_filter_that_cannot_be_loaded_answers_on_failure() {
    let backend = Backend::honest().await;
    let filters = Filters::broken("on-failure = \"defer\"\n");
    let proxy = Running::start(
        &backend,
        Setup {
            filters,
            ..Setup::default()
        },
    )
    .await;
    proxy
        .play(&format!("{HELLO}\nC: MAIL FROM:<>\nS: 451 4.7.1"))
        .await;
}

#[tokio::test]
async fn observers_hear_what_became_of_it() {
    let backend = Backend::honest().await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let stages = [Stage::Outcome, Stage::Disconnect];
    let filters = Filters::default().and("10-test", &stages, ALL_VERDICTS, move |question| {
        drop(tell.send(match &*question.ask {
            Ask::Outcome(outcome) => format!("{} {:?}", outcome.code, outcome.queue_id),
            Ask::Disconnect(reason) => reason.clone(),
            _ => "what?".into(),
        }));
        say(Verdict::Continue)
    });
    let proxy = Running::start(
        &backend,
        Setup {
            filters,
            ..Setup::default()
        },
    )
    .await;
    proxy
        .play(&format!(
            "{HELLO}\n{DATA}\nC: a\nC: .\nS: 250\nC: QUIT\nS: 221"
        ))
        .await;
    assert_eq!(told.recv().await.unwrap(), "250 Some(\"4ABCDE\")");
    assert_eq!(told.recv().await.unwrap(), "QUIT");
}
