//! A message's whole way: what reaches the backend, what the client hears.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::kit;
use crate::kit::{Backend, Client, Running, Setup};

const HELLO: &str = "S: 220 mx.example.org\nC: EHLO client.example.com\nS: 250";

#[tokio::test]
async fn the_backends_reply_is_the_clients_reply() {
    let backend = Backend::honest().await;
    let proxy = Running::before(&backend).await;
    let mut client = proxy.play(HELLO).await;
    client
        .play(
            "C: MAIL FROM:<ann@example.com>
             S: 250 2.1.0 Sender ok
             C: RCPT TO:<bob@example.org>
             S: 250 2.0.0 Ok
             C: DATA
             S: 354
             C: Subject: hello
             C:
             C: ..stuffed
             C: .
             S: 250 2.0.0 Ok: queued as 4ABCDE
             C: QUIT
             S: 221
             S: closed",
        )
        .await;
    let message = backend.messages().remove(0);
    let (received, rest) = message.split_at(message.find("Subject").unwrap());
    assert_eq!(rest, "Subject: hello\r\n\r\n.stuffed\r\n");
    assert!(
        received.starts_with("Received: from client.example.com ([127.0.0.1]) by mx.example.org"),
        "{received}"
    );
    assert!(received.contains("for <bob@example.org>"), "{received}");
    assert_eq!(backend.heard("EHLO").last().unwrap(), "EHLO mx.example.org");
}

#[tokio::test]
async fn octets_are_exact_whatever_their_size_and_pieces() {
    let backend = Backend::honest().await;
    let proxy = Running::start(
        &backend,
        Setup {
            root: "trace = \"never\"",
            ..Setup::default()
        },
    )
    .await;
    let mut body = b"X: 1\r\n\r\n".to_vec();
    for n in 0_usize..40_000 {
        let line: Vec<u8> = (0..n % 97).map(|i| ((i * 7 + n) % 255 + 1) as u8).collect();
        body.extend(
            line.into_iter()
                .filter(|octet| !matches!(octet, b'\r' | b'\n')),
        );
        body.extend_from_slice(b"\r\n.\t\r\n");
    }
    for size in [body.len(), 1000] {
        let mut client = proxy.play(HELLO).await;
        client
            .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354")
            .await;
        let stuffed = [&b"\r\n"[..], &body].concat();
        let stuffed =
            String::from_utf8(stuffed.iter().flat_map(|b| b.escape_ascii()).collect()).unwrap();
        let stuffed = unescape(&stuffed.replace("\\r\\n.", "\\r\\n.."));
        for piece in stuffed[2..].chunks(size) {
            client.send(piece).await;
        }
        client.play("C: .\nS: 250").await;
        assert!(
            backend.state().messages.pop().unwrap() == body,
            "pieces of {size}"
        );
    }
}

/// Takes `escape_ascii` back.
fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'\\' => match rest.next().unwrap() {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
            octet => octet,
        });
    }
    octets
}

#[tokio::test]
async fn recipients_are_ours_or_refused_before_the_backend() {
    let backend = Backend::honest().await;
    let proxy = Running::before(&backend).await;
    let mut client = proxy.play(HELLO).await;
    client
        .play(
            "C: MAIL FROM:<ann@example.com>
             S: 250
             C: RCPT TO:<x@example.net>
             S: 550 5.7.1
             C: RCPT TO:<x@sub.example.org>
             S: 550 5.7.1
             C: RCPT TO:<x%example.net@example.org>
             S: 550 5.7.1
             C: RCPT TO:<example.net!x@example.org>
             S: 550 5.7.1
             C: RCPT TO:<\"x@example.net\"@example.org>
             S: 550 5.7.1
             C: RCPT TO:<x@[192.0.2.1]>
             S: 550 5.7.1
             C: RCPT TO:<@example.net:x@example.org>
             S: 250
             C: RCPT TO:<postmaster>
             S: 250",
        )
        .await;
    assert_eq!(
        backend.heard("RCPT"),
        ["RCPT TO:<x@example.org>", "RCPT TO:<postmaster>"]
    );
}

/// Who reads no reply before all is sent must not be cut off: it would not know that the message is refused for good.
#[tokio::test]
async fn a_large_message_with_a_bare_newline_is_refused_for_good() {
    let backend = Backend::honest().await;
    let proxy = Running::before(&backend).await;
    let mut client = proxy.play(HELLO).await;
    client.play("C: MAIL FROM:<ann@example.com>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354").await;
    client.send(b"A: 1\r\n\r\nbare\nline\r\n").await;
    let lines = "0123456789\r\n".repeat(100_000);
    for _ in 0..10 {
        client.send(lines.as_bytes()).await;
    }
    client.play("C: .\nS: 554 5.6.11\nS: closed").await;
}

#[tokio::test]
async fn nothing_smuggled_reaches_the_backend() {
    let backend = Backend::honest().await;
    let proxy = Running::before(&backend).await;
    for end in [
        "\n.\n",
        "\r.\r",
        "\n.\r\n",
        "\r\n.\n",
        "\r\n.\r",
        "\r.\r\n",
        "\0\r\n.\r\n",
    ] {
        let mut client = proxy.play(HELLO).await;
        client.play("C: MAIL FROM:<ann@example.com>\nS: 250\nC: RCPT TO:<bob@example.org>\nS: 250\nC: DATA\nS: 354").await;
        let smuggled =
            "MAIL FROM:<evil@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nevil\r\n.\r\n";
        client
            .send(format!("A: 1\r\n\r\ntext{end}{smuggled}").as_bytes())
            .await;
        client.play("S: 554 5.6.11\nS: closed").await;
    }
    assert_eq!(backend.messages(), Vec::<String>::new());
    assert!(
        backend
            .heard("MAIL")
            .iter()
            .all(|mail| !mail.contains("evil"))
    );
}

#[tokio::test]
async fn a_client_that_leaves_before_its_dot_leaves_nothing() {
    let backend = Backend::honest().await;
    let proxy = Running::before(&backend).await;
    for said in [
        "",
        "C: MAIL FROM:<>\nS: 250",
        "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354\nC: A: 1\nC:\nC: half",
    ] {
        proxy.play(HELLO).await.play(said).await;
    }
    kit::client::Client::connect(proxy.address).await;
    let ended = "lazaret_sessions_ended_total";
    proxy.until(ended, |sessions| sessions >= 4.0).await;
    assert_eq!(backend.messages(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_backend_says_of_a_recipient_is_told_live() {
    let backend = Backend::with(
        "RCPT",
        kit::Act::Say(b"450-4.2.0 Grey\r\n450 4.2.0 listed\r\n".to_vec()),
    )
    .await;
    let proxy = Running::before(&backend).await;
    let mut client = proxy.play(HELLO).await;
    client
        .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>")
        .await;
    assert_eq!(client.lines().await, ["450-4.2.0 Grey", "450 4.2.0 listed"]);
    client.play("C: DATA\nS: 554").await;
}

/// What the next client is offered. Half a second is all that it waits for the backend, and then it hears what was known
/// before: after one that waited so long the next one counts.
async fn offered_now(proxy: &Running) -> String {
    for _ in 0..60 {
        let mut client = proxy.play("S: 220").await;
        let asked = Instant::now();
        client.play("C: EHLO a").await;
        let offer = client.lines().await.join("|");
        if asked.elapsed() < Duration::from_millis(500) {
            return offer;
        }
    }
    panic!("the backend is late for everybody");
}

#[tokio::test]
async fn ehlo_is_what_the_backend_offers_now() {
    let mut backend = Backend::honest().await;
    let proxy = Running::before(&backend).await;
    let first = offered_now(&proxy).await;
    assert!(
        first.contains("DSN") && first.contains("SMTPUTF8") && first.contains("SIZE 9934464"),
        "{first}"
    );
    backend.state().ehlo = vec!["8BITMIME"];
    let second = offered_now(&proxy).await;
    assert!(
        !second.contains("DSN") && second.contains("SIZE 52428800"),
        "{second}"
    );
    backend.go_down().await;
    let third = offered_now(&proxy).await;
    assert!(
        third.contains("PIPELINING") && !third.contains("DSN"),
        "{third}"
    );
}

/// Without SMTPUTF8 in the offer a sender returns its mail at once and for good (RFC 6531 section 3.2).
#[tokio::test]
async fn while_the_backend_is_down_its_last_offer_stands() {
    let mut backend = Backend::honest().await;
    let proxy = Running::before(&backend).await;
    let utf8 = "C: MAIL FROM:<j\u{f6}rg@example.com> SMTPUTF8 RET=HDRS\nS: 250\nC: RCPT TO:<b@example.org>\nS:";
    let mut client = proxy.offered("SMTPUTF8").await;
    client.play(&format!("{utf8} 250\nC: QUIT\nS: 221")).await;
    backend.go_down().await;
    // Twice: a connection that was open serves nobody now.
    for _ in 0..2 {
        let mut client = proxy.play(HELLO).await;
        client.play(&format!("{utf8} 451 4.3.")).await;
    }
    let mut client = proxy.client().await;
    client.play("S: 220\nC: EHLO client.example.com").await;
    let offer = client.lines().await.join("|");
    assert!(
        offer.contains("SMTPUTF8") && offer.contains("SIZE 9934464"),
        "{offer}"
    );
    backend.come_up().await;
    client.play(&format!("{utf8} 250")).await;
}

#[tokio::test]
async fn a_backend_that_is_down_at_start_is_used_once_it_is_up() {
    let mut backend = Backend::honest().await;
    backend.go_down().await;
    let proxy = Running::before(&backend).await;
    let mut client = proxy.play(HELLO).await;
    client
        .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 451 4.3.2\nC: RSET\nS: 250")
        .await;
    backend.come_up().await;
    client.play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354\nC: a\nC: .\nS: 250").await;
    assert_eq!(backend.messages().len(), 1);
}

#[tokio::test]
async fn two_transactions_share_a_connection_of_one_client() {
    let backend = Backend::honest().await;
    let proxy = Running::before(&backend).await;
    let mut client = proxy.play(HELLO).await;
    for _ in 0..2 {
        client.play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354\nC: a\nC: .\nS: 250").await;
    }
    client.play("C: MAIL FROM:<a@example.com>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: RSET\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: QUIT\nS: 221").await;
    assert_eq!(backend.messages().len(), 2);
    // Four transactions, of which the first may have had to open it.
    let found = proxy.metric("lazaret_backend_reused_total").await;
    assert!(found >= 3.0, "{found} found one");
}

/// From its end of data on the message is the backend's: the client must not send it again because it never heard so.
#[tokio::test]
async fn the_answer_to_a_message_waits_for_nothing_that_was_sent_behind_it() {
    let backend = Backend::with("MAIL FROM:<slow", kit::Act::Silence).await;
    let proxy = Running::before(&backend).await;
    let mut client = proxy.play(HELLO).await;
    client
        .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354")
        .await;
    client
        .send(b"a\r\n.\r\nMAIL FROM:<slow@example.com>\r\nRCPT TO:<b@example.org>\r\n")
        .await;
    client.play("S: 250 2.0.0 Ok: queued as").await;
}

#[tokio::test]
async fn headers_that_are_too_large_or_loop_are_refused() {
    let backend = Backend::honest().await;
    let proxy = Running::start(
        &backend,
        Setup {
            tables: "[limits]\nheader-size = \"4 KiB\"",
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.play(HELLO).await;
    let open = "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354";
    client.play(open).await;
    client
        .send(format!("A: {}\r\n\r\nb\r\n.\r\n", "x".repeat(5000)).as_bytes())
        .await;
    client.play("S: 552 5.3.4").await;
    client.play(open).await;
    client
        .send(format!("{}\r\nb\r\n.\r\n", "Received: a\r\n".repeat(101)).as_bytes())
        .await;
    client.play("S: 554 5.4.6").await;
    assert_eq!(backend.messages().len(), 0);
}

#[tokio::test]
async fn a_message_over_the_limit_gets_552_and_the_session_goes_on() {
    let backend = Backend::honest().await;
    let proxy = Running::start(
        &backend,
        Setup {
            tables: "[limits]\nmessage-size = \"64 KiB\"",
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.play(HELLO).await;
    client.play("C: MAIL FROM:<> SIZE=70000\nS: 552\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354").await;
    client
        .send(format!("A: 1\r\n\r\n{}.\r\n", "0123456789\r\n".repeat(10_000)).as_bytes())
        .await;
    client.play("S: 552 5.3.4\nC: NOOP\nS: 250").await;
    assert_eq!(backend.messages().len(), 0);
}

#[tokio::test]
async fn a_shutdown_says_421_to_the_idle_and_lets_the_rest_finish() {
    let backend = Backend::honest().await;
    let mut proxy = Running::before(&backend).await;
    let mut idle = proxy.play(HELLO).await;
    let mut busy = proxy.play(HELLO).await;
    busy.play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354")
        .await;
    proxy.stop();
    idle.play("S: 421 4.3.2\nS: closed").await;
    busy.play("C: a\nC: .\nS: 250\nS: 421 4.3.2\nS: closed")
        .await;
    drop((idle, busy));
    proxy.ended().await;
    assert_eq!(backend.messages().len(), 1);
}

#[tokio::test]
async fn too_many_clients_are_turned_away() {
    let backend = Backend::honest().await;
    let proxy = Running::start(
        &backend,
        Setup {
            tables: "[limits]\nconnections-per-client = 1",
            ..Setup::default()
        },
    )
    .await;
    let first = proxy.play(HELLO).await;
    proxy.play("S: 421 Too many\nS: closed").await;
    drop(first);
    // It is a moment in leaving.
    let late = Instant::now() + Duration::from_secs(20);
    while !proxy.client().await.reply().await.starts_with("220") {
        assert!(Instant::now() < late, "its place is never free");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Sends this ten times a second, a second longer than a deadline of five; then it must have been closed.
async fn trickle(mut client: Client, octets: &[u8]) {
    for _ in 0..60 {
        client.send(octets).await;
        sleep(Duration::from_millis(100)).await;
    }
    client.play("S: 421 4.4.2\nS: closed").await;
}

#[tokio::test]
async fn slow_clients_meet_total_deadlines() {
    let backend = Backend::honest().await;
    let tables = "[deadlines]\ncommand = \"5s\"\nblock = \"5s\"";
    let proxy = Running::start(
        &backend,
        Setup {
            tables,
            ..Setup::default()
        },
    )
    .await;
    let commanding = proxy.play(HELLO).await;
    let mut sending = proxy.play(HELLO).await;
    sending
        .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354")
        .await;
    // Octets come all the time, a command never, nor a block of content.
    tokio::join!(trickle(commanding, b"N"), trickle(sending, b"a\r\n"));
    assert_eq!(backend.messages().len(), 0);
}

#[tokio::test]
async fn a_spool_that_cannot_be_written_is_told_after_the_dot_and_recovers() {
    let backend = Backend::honest().await;
    let spool = tempfile::tempdir().unwrap();
    let root = format!("spool = \"{}\"", spool.path().display());
    let tables = "[limits]\nspool-memory = \"1 KiB\"";
    let setup = Setup {
        root: root.leak(),
        tables,
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    let path = spool.keep();
    std::fs::remove_dir(&path).unwrap();
    let mut client = proxy.play(HELLO).await;
    for (wanted, messages) in [("451 4.3.0", 0), ("250", 1)] {
        client
            .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354")
            .await;
        client
            .send("0123456789\r\n".repeat(10_000).as_bytes())
            .await;
        client.play(&format!("C: .\nS: {wanted}")).await;
        assert_eq!(backend.messages().len(), messages);
        std::fs::create_dir_all(&path).unwrap();
    }
    std::fs::remove_dir(&path).unwrap();
}

#[tokio::test]
async fn a_client_that_says_only_noop_is_not_too_slow() {
    let backend = Backend::honest().await;
    let tables = "[deadlines]\ncommand = \"3s\"\nsession = \"6s\"";
    let proxy = Running::start(
        &backend,
        Setup {
            tables,
            ..Setup::default()
        },
    )
    .await;
    // The time of the session begins later than this.
    let begun = Instant::now();
    let mut client = proxy.play(HELLO).await;
    let last = loop {
        sleep(Duration::from_millis(500)).await;
        client.play("C: NOOP").await;
        let reply = client.reply().await;
        if !reply.starts_with("250") {
            break reply;
        }
    };
    assert!(last.starts_with("421 4.4.2"), "{last}");
    // Longer than a command may take.
    assert!(begun.elapsed() >= Duration::from_secs(4));
    client.play("S: closed").await;
}

#[tokio::test]
async fn smtputf8_is_named_in_received() {
    let backend = Backend::honest().await;
    let proxy = Running::before(&backend).await;
    let mut client = proxy.offered("SMTPUTF8").await;
    client.play("C: MAIL FROM:<j\u{f6}rg@example.com> SMTPUTF8\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250").await;
    client.play("C: DATA\nS: 354\nC: a: b\nC: .\nS: 250").await;
    let message = backend.messages().remove(0).replace("\r\n", "");
    assert!(message.contains("with UTF8SMTP id "), "{message}");
}

#[tokio::test]
async fn a_message_that_never_ends_is_told_that_it_is_too_large() {
    let backend = Backend::honest().await;
    let tables = "[limits]\nmessage-size = \"64 KiB\"\n[deadlines]\nblock = \"5s\"";
    let proxy = Running::start(
        &backend,
        Setup {
            tables,
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.play(HELLO).await;
    client
        .play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: DATA\nS: 354")
        .await;
    // Slower than the deadline in whole, but coming: the size decides.
    for _ in 0..12 {
        client.send("0123456789\r\n".repeat(4_000).as_bytes()).await;
        sleep(Duration::from_millis(500)).await;
    }
    client.play("S: 552 5.3.4\nS: closed").await;
}
