//! A backend that refuses a client: that is its answer to this client, and costs nobody else anything.

use serde_json::Value;

use crate::kit::{Act, Backend, Running, Setup};

const HELLO: &str = "S: 220\nC: EHLO client.example.com\nS: 250";
const ADMIN: &str = "[admin]\nlisten = [\"127.0.0.1:0\"]";
/// A whole transaction.
const MESSAGE: &str = "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354\nC: a\nC: .\nS: 250";

/// Its beginning, which the backend hears of.
const BEGUN: &str = "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250";
/// What a client hears whom the backend takes nothing from.
const UNWANTED: &str = "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 451 4.3.0";

fn say(text: &str) -> Act {
    Act::Say(format!("{text}\r\n").into_bytes())
}

async fn offering(keyword: &'static str) -> Backend {
    let backend = Backend::honest().await;
    backend.state().ehlo.push(keyword);
    backend
}

/// A proxy with this in `[backend]`, whose `/status` can be read.
async fn before(backend: &Backend, settings: &'static str) -> Running {
    let setup = Setup {
        backend: settings,
        tables: ADMIN,
        ..Setup::default()
    };
    Running::start(backend, setup).await
}

async fn counts_as_up(proxy: &Running) -> Value {
    let status = proxy.backend_status().await;
    assert_eq!(status["state"], "up", "{status:#}");
    assert_eq!(status["failures"], 0, "{status:#}");
    status
}

const XCLIENT: &str = "XCLIENT NAME ADDR PORT PROTO HELO";

#[tokio::test]
async fn who_is_refused_at_xclient_hears_it_at_the_first_recipient() {
    let backend = offering(XCLIENT).await;
    let proxy = before(&backend, "identity = \"xclient\"").await;
    for refusal in ["554 5.7.1 your network is not wanted", "450 4.7.1 not now"] {
        backend.state().acts.insert("XCLIENT", say(refusal));
        for _ in 0..4 {
            let mut client = proxy.play(HELLO).await;
            let told = format!("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: {refusal}");
            client.play(&told).await;
        }
    }
    assert!(backend.heard("MAIL").is_empty());
    counts_as_up(&proxy).await;
    backend.state().acts.clear();
    proxy.play(HELLO).await.play(MESSAGE).await;
}

#[tokio::test]
async fn what_is_said_with_421_costs_one_other_connection_and_nobody_else_anything() {
    for command in ["XCLIENT", "MAIL"] {
        let backend = offering(XCLIENT).await;
        let proxy = before(&backend, "identity = \"xclient\"\noffer-age = \"1h\"").await;
        let act = Act::SayAndClose("421 4.7.0 not you");
        backend.state().acts.insert(command, act);
        for _ in 0..4 {
            let mut client = proxy.play(HELLO).await;
            let before = backend.heard(command).len();
            client.play(UNWANTED).await;
            let asked = backend.heard(command).len() - before;
            assert!(asked <= 2, "{asked} times {command}");
        }
        counts_as_up(&proxy).await;
    }
}

/// It may be meant for everybody: a backend that shuts down says it, too.
#[tokio::test]
async fn a_421_before_any_promise_is_asked_of_another_address() {
    for act in [
        Act::SayAndClose("421 4.3.2 going down"),
        Act::SayAndClose("250 2.1.0 ok\r\n421 4.3.2 going down"),
    ] {
        let (one, two) = (Backend::with("MAIL", act).await, Backend::honest().await);
        let addresses = format!("address = [\"{}\", \"{}\"]", one.address, two.address);
        // Leaked: a test's few octets, and the setup wants what lives for ever.
        let proxy = before(&one, addresses.leak()).await;
        for _ in 0..6 {
            proxy.play(HELLO).await.play(MESSAGE).await;
        }
        assert_eq!((one.messages().len(), two.messages().len()), (0, 6));
        counts_as_up(&proxy).await;
    }
}

#[tokio::test]
async fn an_identity_that_is_not_taken_leaves_what_is_idle_alone() {
    let backend = offering("XFORWARD NAME ADDR PROTO HELO").await;
    let proxy = before(
        &backend,
        "identity = \"xforward\"\nidle = \"60s\"\noffer-age = \"1h\"",
    )
    .await;
    let mut both = [proxy.play(HELLO).await, proxy.play(HELLO).await];
    for client in &mut both {
        client.play(BEGUN).await;
    }
    for client in &mut both {
        client.play("C: RSET\nS: 250").await;
    }
    let idle = proxy.backend_status().await["idle"].as_u64().unwrap();
    assert!(idle >= 2, "{idle}");
    let refusal = say("501 5.5.4 Bad HELO syntax");
    backend.state().acts.insert("XFORWARD", refusal);
    let mut client = proxy.play(HELLO).await;
    client.play(UNWANTED).await;
    let left = counts_as_up(&proxy).await["idle"].as_u64().unwrap();
    assert_eq!(left, idle - 1, "the one that was asked is gone");
}

#[tokio::test]
async fn a_long_hello_name_is_unknown_to_the_backend() {
    for (offer, settings) in [
        (XCLIENT, "identity = \"xclient\""),
        ("XFORWARD NAME ADDR PROTO HELO", "identity = \"xforward\""),
    ] {
        let backend = offering(offer).await;
        let proxy = before(&backend, settings).await;
        let long = ["a".repeat(63).as_str(); 4].join(".");
        // With the dot of the root it is 256 octets.
        for (name, told) in [
            (long.clone(), long.as_str()),
            (long.clone() + ".", "unknown"),
        ] {
            let hello = format!("S: 220\nC: EHLO {name}\nS: 250");
            proxy.play(&hello).await.play(MESSAGE).await;
            let heard = backend.heard("X").concat();
            assert!(heard.contains(&format!("HELO={told} ")), "{heard}");
        }
    }
}

/// As Postfix does after 20 of them.
#[tokio::test]
async fn unknown_recipients_close_the_clients_connection_and_no_circuit() {
    let backend = Backend::honest().await;
    let proxy = before(&backend, "idle = \"60s\"").await;
    let unknown = Act::SayAndClose("550 5.1.1 unknown\r\n421 4.7.0 too many errors");
    for _ in 0..4 {
        backend.state().acts.clear();
        let mut client = proxy.play(HELLO).await;
        client
            .play("C: MAIL FROM:<a@example.com>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250")
            .await;
        backend.state().log.clear();
        backend.state().acts.insert("RCPT TO:<x", unknown.clone());
        for wanted in ["550", "550", "451 4.3.", "451 4.3.2", "451 4.3.2"] {
            client
                .play(&format!("C: RCPT TO:<x@example.org>\nS: {wanted}"))
                .await;
        }
        assert_eq!(backend.heard("MAIL").len(), 1, "one replay");
        // Who is known gets the message all the same.
        client.play("C: DATA\nS: 354\nC: a\nC: .\nS: 250").await;
        assert_eq!(backend.heard("MAIL").len(), 2);
    }
    assert_eq!(backend.messages().len(), 4);
    counts_as_up(&proxy).await;
}

#[tokio::test]
async fn a_421_to_the_dot_is_in_doubt_and_closes_no_circuit() {
    let backend = Backend::with(".", Act::SayAndClose("421 4.7.1 not this one")).await;
    let proxy = before(&backend, "").await;
    let refused = MESSAGE.replace("C: .\nS: 250", "C: .\nS: 451 4.3.0");
    for _ in 0..4 {
        proxy.play(HELLO).await.play(&refused).await;
    }
    assert_eq!(counts_as_up(&proxy).await["ambiguous"], 4);
}

/// Without a word nobody knows whom it meant.
#[tokio::test]
async fn a_connection_that_is_lost_counts_as_before() {
    let backend = Backend::with("MAIL", Act::Close).await;
    let proxy = before(&backend, "").await;
    for _ in 0..3 {
        let mut client = proxy.play(HELLO).await;
        client.play(UNWANTED).await;
    }
    assert_eq!(proxy.backend_status().await["state"], "failing");
}

/// The backend counts the errors of a connection, whoever made them.
#[tokio::test]
async fn what_one_client_was_refused_is_not_held_against_the_next() {
    let backend = Backend::with("RCPT TO:<x", say("550 5.1.1 unknown")).await;
    // On a busy machine there may else be two: one that asks what is offered, and one for mail meanwhile.
    let only_one = "connections = 1\nidle = \"60s\"\noffer-age = \"1h\"\ncheck = \"1h\"";
    let proxy = before(&backend, only_one).await;
    let wrong = |times| "C: RCPT TO:<x@example.org>\nS: 550\n".repeat(times);
    let visit = async |refused: usize, then: &str| {
        let mail = format!("C: MAIL FROM:<>\nS: 250\n{}{then}", wrong(refused));
        proxy.play(HELLO).await.play(&mail).await;
        backend.heard("EHLO").len()
    };
    let rset = "C: RSET\nS: 250";
    let taken = MESSAGE
        .split_once('\n')
        .unwrap()
        .1
        .split_once('\n')
        .unwrap()
        .1;
    let one = visit(4, rset).await;
    assert_eq!(visit(0, taken).await, one, "four are forgiven");
    assert_eq!(visit(4, rset).await, one, "and forgotten with a message");
    assert_eq!(visit(1, rset).await, one);
    assert_eq!(visit(0, taken).await, one + 1, "five are not");
}

const GROUP: &[u8] = b"MAIL FROM:<>\r\nRCPT TO:<b@example.org>\r\n";

/// As Exim does (drop): the refusal stands, though RCPT behind it finds nobody.
#[tokio::test]
async fn who_is_hung_up_on_at_mail_in_a_group_costs_nobody_else_anything() {
    let backend = Backend::with("MAIL", Act::SayAndClose("550 5.7.1 go away")).await;
    let proxy = before(&backend, "").await;
    for _ in 0..4 {
        let mut client = proxy.play(HELLO).await;
        client.send(GROUP).await;
        client.play("S: 250\nS: 550 5.7.1 go away").await;
    }
    counts_as_up(&proxy).await;
}

/// Five of them, and the connection goes to nobody else: the backend counts, too.
#[tokio::test]
async fn mail_that_is_refused_in_a_group_is_one_refusal() {
    let backend = Backend::with("MAIL", say("550 5.1.8 no such domain")).await;
    let behind = say("503 5.5.1 MAIL first");
    backend.state().acts.insert("RCPT", behind);
    let only_one = "connections = 1\nidle = \"60s\"\noffer-age = \"1h\"\ncheck = \"1h\"";
    let proxy = before(&backend, only_one).await;
    for _ in 0..4 {
        let mut client = proxy.play(HELLO).await;
        client.send(GROUP).await;
        client.play("S: 250\nS: 550 5.1.8").await;
    }
    let connections = backend.heard("EHLO").len();
    backend.state().acts.clear();
    proxy.play(HELLO).await.play(MESSAGE).await;
    assert_eq!(backend.heard("EHLO").len(), connections);
}
