//! What is told about a decision, by the id in its reply.

use lazaret_proxy::control::{Request, Response};
use lazaret_proxy::explain::Explanation;

use crate::kit::Client;
use crate::kit::harbour::Harbour;

const GATE: [(&str, &str); 4] = [
    ("10-pass.wasm", "pass"),
    ("10-pass.toml", ""),
    ("20-gate.wasm", "say A"),
    ("20-gate.toml", "mode = \"observe\""),
];

async fn explain(harbour: &Harbour, id: &str) -> Option<Explanation> {
    let id = id.to_owned();
    match harbour.ask(Request::Explain { id }).await {
        Response::Explanation(explanation) => Some(*explanation),
        Response::Forgotten { .. } => None,
        other => panic!("{other:?}"),
    }
}

/// The id at the end of a reply.
fn id(reply: &str) -> &str {
    let (_, id) = reply
        .rsplit_once('(')
        .unwrap_or_else(|| panic!("no id in {reply}"));
    id.strip_suffix(')').unwrap()
}

/// Says a line and hears the reply.
async fn ask(client: &mut Client, line: &str) -> String {
    client.send(format!("{line}\r\n").as_bytes()).await;
    client.reply().await
}

#[tokio::test]
async fn a_refused_recipient_is_explained_while_the_session_is_open() {
    let files = [("10-gate.wasm", "say A"), ("10-gate.toml", "")];
    let harbour = Harbour::with(&files).await;
    let mut client = harbour.sender().await;
    let reply = ask(&mut client, "RCPT TO:<b@example.org>").await;
    let told = explain(&harbour, id(&reply)).await.expect("it is known");
    assert_eq!(told.session.state, "open");
    assert_eq!(told.session.helo.as_deref(), Some("client.example.com"));
    let [transaction] = told.transactions.as_slice() else {
        panic!("{told:#?}");
    };
    assert_eq!(
        (&*transaction.fate, &*transaction.from),
        ("open", "a@example.com")
    );
    let [judgement] = transaction.judgements.as_slice() else {
        panic!("{transaction:#?}");
    };
    assert_eq!((&*judgement.stage, &*judgement.by), ("rcpt", "gate"));
    assert_eq!(judgement.of.as_deref(), Some("b@example.org"));
    assert_eq!(judgement.reply.as_deref(), Some(&*reply));
    assert_eq!(judgement.filters[0].said, "reject");
    assert_eq!(judgement.filters[0].words, "A");
}

#[tokio::test]
async fn a_delivered_message_is_explained_with_the_dialogue_and_no_content() {
    let harbour = Harbour::with(&GATE).await;
    let mut client = harbour.sender().await;
    client
        .play(
            "C: RCPT TO:<b@example.org>\nS: 250\nC: RCPT TO:<c@example.net>\nS: 550 5.7.1\nC: DATA\nS: 354\n\
             C: Subject: hush\nC:\nC: secret words\nC: .\nS: 250",
        )
        .await;
    let reply = ask(&mut client, "MAIL FROM:<>").await;
    assert!(reply.starts_with("250"), "{reply}");
    let reply = ask(&mut client, "RCPT TO:<d@example.net>").await;
    client.play("C: QUIT\nS: 221\nS: closed").await;
    let told = explain(&harbour, id(&reply)).await.expect("it is known");
    let [first, second] = told.transactions.as_slice() else {
        panic!("{told:#?}");
    };
    assert_eq!((&*first.fate, &*first.by), ("delivered", "(backend)"));
    assert_eq!(first.to, ["b@example.org"]);
    assert!(first.size.is_some_and(|size| size > 20));
    let commands: Vec<_> = first
        .dialogue
        .iter()
        .map(|it| it.command.as_str())
        .collect();
    for command in [
        "MAIL FROM:<a@example.com>",
        "RCPT TO:<b@example.org>",
        "DATA",
        "(the end of data)",
    ] {
        assert!(commands.contains(&command), "{command} in {commands:?}");
    }
    let observed = &first.judgements[0].filters[1];
    assert_eq!((&*observed.said, &*observed.weight), ("reject", "observed"));
    assert_eq!(first.judgements[1].by, "(rule)");
    assert_eq!((&*second.fate, &*second.from), ("abandoned", ""));
    let page = serde_json::to_string(&told).unwrap();
    assert!(!page.contains("secret") && !page.contains("hush"), "{page}");
    let one = explain(&harbour, &second.id).await.expect("it is known");
    assert_eq!(one.transactions, std::slice::from_ref(second));
}

#[tokio::test]
async fn who_kept_the_only_recipient_decided() {
    let files = [
        ("10-hole.wasm", "discard"),
        ("10-hole.toml", "verdicts = [\"discard\"]"),
    ];
    let harbour = Harbour::with(&files).await;
    let mut client = harbour.sender().await;
    client
        .play("C: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354\nC: A: b")
        .await;
    let reply = ask(&mut client, ".").await;
    let told = explain(&harbour, id(&reply)).await.expect("it is known");
    let [transaction] = told.transactions.as_slice() else {
        panic!("{told:#?}");
    };
    assert_eq!(
        (&*transaction.fate, &*transaction.by),
        ("discarded", "hole")
    );
}

#[tokio::test]
async fn every_refusal_ends_in_an_id_that_is_known() {
    let harbour = Harbour::with(&[]).await;
    let mut client = harbour.sender().await;
    for line in [
        "FLY",
        "RCPT TO:<b@example.org> X=y",
        "RCPT TO:<>",
        "RCPT TO:<c@example.net>",
        "MAIL FROM:<a@example.com>",
        "DATA",
        "AUTH PLAIN AGEAYg==",
        "EXPN list",
        "BDAT 0 LAST",
        "HELO",
        "STARTTLS",
        "\u{1}",
    ] {
        let reply = ask(&mut client, line).await;
        assert!(reply.starts_with('5'), "{line}: {reply}");
        let told = explain(&harbour, id(&reply)).await;
        let told = serde_json::to_string(&told.expect("it is known")).unwrap();
        let words = reply.split(" (").next().unwrap();
        assert!(told.contains(words), "{line}: {reply} in {told}");
    }
    assert!(explain(&harbour, "NOBODY").await.is_none());
}
