//! Backends that are slow, lie or die: the client hears 4yz, never 250, nothing is lost, and the session goes on.

use std::time::Duration;

use futures_util::future::join_all;

use crate::kit::{Act, Backend, Client, Running, Setup};

const HELLO: &str = "S: 220\nC: EHLO client.example.com\nS: 250";
const ENVELOPE: &str = "C: MAIL FROM:<ann@example.com>\nC: RCPT TO:<bob@example.org>\nC: DATA";
const IMPATIENT: &str = "reply = \"5s\"\naccept = \"5s\"\nconnect = \"5s\"";
/// All that is said to a backend, and its greeting.
const COMMANDS: [&str; 6] = ["GREETING", "EHLO", "MAIL", "RCPT", "DATA", "."];

/// Only what never ends is cut off: who is answered is not to be late on a busy machine.
fn patience(act: &Act) -> &'static str {
    match act {
        Act::Silence => IMPATIENT,
        Act::Say(octets) if !octets.ends_with(b"\n") => IMPATIENT,
        _ => "",
    }
}

/// Says MAIL, RCPT, DATA one by one as far as they are answered 2yz or 3yz; the last reply.
async fn deliver(client: &mut Client) -> String {
    for command in ENVELOPE.lines() {
        client.play(command).await;
        let reply = client.reply().await;
        if !reply.starts_with(['2', '3']) {
            client.play("C: RSET\nS: 250").await;
            return reply;
        }
    }
    client.play("C: Subject: x\nC:\nC: text\nC: .").await;
    client.reply().await
}

async fn hears(command: &'static str, act: Act, wanted: &str) -> Backend {
    let backend = Backend::with(command, act.clone()).await;
    let setup = Setup {
        backend: patience(&act),
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    let mut client = proxy.play(HELLO).await;
    let reply = deliver(&mut client).await;
    assert!(
        reply.starts_with(wanted),
        "{command} {act:?}: wanted {wanted}, got {reply}"
    );
    // The client's session is in step, and works again as soon as the backend does.
    let committed = backend.messages().len();
    backend.state().acts.clear();
    let reply = deliver(&mut client).await;
    assert!(
        reply.starts_with("250"),
        "{command} {act:?}: afterwards {reply}"
    );
    assert_eq!(backend.messages().len(), committed + 1, "{command} {act:?}");
    backend
}

fn say(text: &str) -> Act {
    Act::Say(text.as_bytes().to_vec())
}

#[tokio::test]
async fn a_backend_that_speaks_no_smtp_gets_no_mail_and_the_client_451() {
    let lies = [
        "999 what\r\n",
        "25\r\n",
        "hello\r\n",
        "250 bell \u{7} rings\r\n",
        "250 bare\nlf\r\n",
        "250-one\r\n251 two\r\n",
        "354 go\r\n",
        "\r\n",
    ];
    for command in COMMANDS {
        for lie in lies
            .iter()
            .filter(|lie| !(command == "DATA" && lie.starts_with("354")))
        {
            lies_to(command, lie).await;
        }
    }
    // The end of this one is waited for: at once, or each would add its time.
    join_all(COMMANDS.map(|command| lies_to(command, "250"))).await;
}

/// After the dot it is not known whether it took the message.
async fn lies_to(command: &'static str, lie: &str) {
    let backend = hears(command, say(lie), "451 4.3.").await;
    let committed = backend.messages().len();
    assert_eq!(
        committed,
        if command == "." { 2 } else { 1 },
        "{command} {lie:?}"
    );
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off() {
    let endless = Act::Say(vec![b'2'; 5 << 20]);
    hears("MAIL", endless, "451 4.3.0").await;
    let lines = Act::Say(b"250-x\r\n".repeat(1 << 20));
    hears("RCPT", lines, "451 4.3.0").await;
}

#[tokio::test]
async fn two_replies_to_one_command_are_never_taken_for_the_next() {
    // The second 250 to RCPT would pass for an answer to DATA or the dot.
    for command in ["MAIL", "RCPT"] {
        hears(command, say("250 one\r\n250 two\r\n"), "451 4.3.0").await;
    }
    let backend = Backend::with("DATA", say("354 go\r\n250 taken\r\n")).await;
    let proxy = Running::before(&backend).await;
    let mut client = proxy.play(HELLO).await;
    assert!(deliver(&mut client).await.starts_with("451 4.3.0"));
}

#[tokio::test]
async fn a_backend_that_closes_leaves_the_client_a_451() {
    for command in COMMANDS {
        hears(command, Act::Close, "451 4.3.").await;
    }
}

#[tokio::test]
async fn a_421_of_the_backend_is_not_ours() {
    for command in COMMANDS {
        hears(
            command,
            Act::SayAndClose("421 4.3.2 going down"),
            "451 4.3.",
        )
        .await;
    }
}

#[tokio::test]
async fn silence_ends_at_a_deadline_and_nothing_is_sent_twice() {
    let before = ["GREETING", "MAIL", "RCPT", "DATA"];
    let before = before.map(|command| hears(command, Act::Silence, "451 4.3."));
    let behind = hears(".", Act::Silence, "451 4.3.0");
    // At once, or each would add its time.
    let (_, backend) = tokio::join!(join_all(before), behind);
    assert_eq!(
        backend.messages().len(),
        2,
        "committed once in silence, once afterwards, never again by us"
    );
}

#[tokio::test]
async fn a_slow_backend_is_waited_for() {
    for command in ["GREETING", "MAIL", "."] {
        hears(command, Act::Wait(Duration::from_millis(150)), "250").await;
    }
}

#[tokio::test]
async fn its_own_refusals_are_told_as_they_are() {
    for (command, said) in [
        ("MAIL", "550 5.1.8 no such sender"),
        ("RCPT", "452 4.2.2 full"),
        ("DATA", "554 5.5.1 no"),
        (".", "554 5.7.1 spam (so it thinks)"),
        (".", "452 4.3.1 disk"),
        ("MAIL", "571 5.7.1 not from there"),
        ("RCPT", "571 5.7.1 message refused"),
        ("RCPT", "471 4.7.1 not now"),
        (".", "571 5.7.1 content rejected"),
        (".", "599 5.0.0 no"),
    ] {
        let backend = hears(command, Act::Say(format!("{said}\r\n").into_bytes()), said).await;
        // A refusal is an answer: nobody is asked twice.
        assert_eq!(backend.heard("MAIL").len(), 2, "{command} {said}");
    }
    hears("RCPT", say("550 no code\r\n"), "550 5.0.0 no code").await;
}

#[tokio::test]
async fn an_answer_that_changed_since_the_client_heard_it_stops_the_message() {
    let backend = Backend::honest().await;
    let proxy = Running::start(
        &backend,
        Setup {
            backend: "hold = \"100ms\"",
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.play(HELLO).await;
    client
        .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<a@example.org>\nS: 250\nC: DATA\nS: 354")
        .await;
    proxy.until_let_go().await;
    backend
        .state()
        .acts
        .insert("RCPT", say("450 4.2.0 not now\r\n"));
    client.play("C: a\nC: .\nS: 451 4.3.0").await;
    assert_eq!(backend.messages().len(), 0);
    assert_eq!(backend.heard("DATA").len(), 0);
}

#[tokio::test]
async fn a_message_that_grew_over_the_backends_limit_is_refused_before_data() {
    let backend = Backend::honest().await;
    let proxy = Running::start(
        &backend,
        Setup {
            backend: "offer-age = \"1h\"\nidle = \"0s\"",
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.play(HELLO).await;
    backend.state().ehlo = vec!["SIZE 20", "8BITMIME"];
    assert!(deliver(&mut client).await.starts_with("552 5.3.4"));
    assert_eq!(backend.heard("DATA").len(), 0);
}

#[tokio::test]
async fn the_handover_as_a_whole_has_its_time() {
    let backend = Backend::honest().await;
    let slow = "handover = \"2s\"\nhold = \"3s\"";
    let proxy = Running::start(
        &backend,
        Setup {
            backend: slow,
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.play(HELLO).await;
    client.play("C: MAIL FROM:<>\nS: 250").await;
    for n in 0..5 {
        let rcpt = format!("C: RCPT TO:<b{n}@example.org>\nS: 250");
        client.play(&rcpt).await;
    }
    client.play("C: DATA\nS: 354").await;
    proxy.until_let_go().await;
    // Each answer comes in time, all of them together do not.
    backend
        .state()
        .acts
        .insert("RCPT", Act::Wait(Duration::from_millis(700)));
    client.play("C: a\nC: .\nS: 451 4.3.0").await;
    assert_eq!(backend.heard("DATA").len(), 0);
}
