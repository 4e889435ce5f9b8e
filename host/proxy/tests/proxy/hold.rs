//! Slow clients keep no backend connection busy.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::kit::{Backend, Client, DATA, Running, Setup};

#[tokio::test]
async fn a_connection_held_too_long_is_given_back_and_the_journal_played_again() {
    let backend = Backend::honest().await;
    let proxy = Running::start(
        &backend,
        Setup {
            backend: "hold = \"5s\"\nidle = \"0s\"\noffer-age = \"1h\"\ncheck = \"1h\"",
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy.offered("DSN").await;
    client
        .play("C: MAIL FROM:<a@example.com> RET=HDRS\nS: 250\nC: RCPT TO:<b@example.org> NOTIFY=NEVER\nS: 250")
        .await;
    backend.left_alone().await;
    // An EHLO that was late may have asked twice.
    let quits = backend.heard("QUIT").len();
    assert!(quits >= 2, "{quits}: one for EHLO, one given back");
    client
        .play("C: RCPT TO:<c@example.org>\nS: 250\nC: DATA\nS: 354\nC: text\nC: .\nS: 250")
        .await;
    assert_eq!(backend.messages().len(), 1);
    assert_eq!(
        backend.heard("MAIL"),
        ["MAIL FROM:<a@example.com> RET=HDRS"; 2]
    );
    let [b, c] = [
        "RCPT TO:<b@example.org> NOTIFY=NEVER",
        "RCPT TO:<c@example.org>",
    ];
    assert_eq!(backend.heard("RCPT"), [b, b, c]);
}

/// What a slow client costs the backend grows with its recipients, not with their square.
#[tokio::test]
async fn rcpt_has_the_journal_played_three_times_and_then_hears_451() {
    let backend = Backend::honest().await;
    let setup = Setup {
        backend: "hold = \"3s\"",
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    let mut client = proxy
        .play("S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250")
        .await;
    for wanted in [
        "250",
        "250",
        "250",
        "250",
        "451 4.3.2 The mail server was",
        "451",
    ] {
        client
            .play(&format!("C: RCPT TO:<b@example.org>\nS: {wanted}"))
            .await;
        proxy.until_let_go().await;
    }
    // One that was accepted again is one; then each of three replays has it before it is asked.
    assert_eq!(backend.heard("RCPT").len(), 1 + 3 * 2);
    client.play("C: DATA\nS: 354\nC: a\nC: .\nS: 250").await;
    assert_eq!(backend.heard("RCPT").len(), 1 + 3 * 2 + 1);
    assert_eq!(backend.messages().len(), 1);
}

#[tokio::test]
async fn two_hundred_stalled_clients_do_not_keep_the_next_from_delivering() {
    let backend = Backend::honest().await;
    let tables = "[limits]\nconnections-per-client = 1000";
    let proxy = Running::start(
        &backend,
        Setup {
            tables,
            ..Setup::default()
        },
    )
    .await;
    let mut stalled: Vec<Client> = Vec::new();
    let mut opening = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let address = proxy.address;
        opening.spawn(async move {
            let mut client = Client::connect(address).await;
            client.play(DATA).await;
            client.send(b"Subject: stalled\r\n").await;
            client
        });
    }
    let began = Instant::now();
    while let Some(client) = opening.join_next().await {
        stalled.push(client.unwrap());
    }
    println!("200 clients at DATA after {:?}", began.elapsed());
    let began = Instant::now();
    proxy
        .play(DATA)
        .await
        .play("C: Subject: through\nC: .\nS: 250")
        .await;
    println!("the next delivered in {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(9));
    assert!(
        backend.state().peak <= 40,
        "{} connections",
        backend.state().peak
    );
    // And the stalled ones lose nothing when they go on.
    for client in &mut stalled[..50] {
        client.play("C: .\nS: 250").await;
    }
    assert_eq!(backend.messages().len(), 51);
    assert!(
        backend.state().peak <= 40,
        "{} connections",
        backend.state().peak
    );
}

#[tokio::test]
async fn waiting_for_a_connection_ends_with_451() {
    let backend = Backend::honest().await;
    backend
        .state()
        .acts
        .insert("RCPT", crate::kit::Act::Silence);
    let limits = "connections = 1\nwait = \"3s\"\noffer-age = \"1h\"";
    let proxy = Running::start(
        &backend,
        Setup {
            backend: limits,
            ..Setup::default()
        },
    )
    .await;
    let mut first = proxy
        .play("S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250")
        .await;
    // The backend is thinking about this one: nobody can take its connection.
    first.play("C: RCPT TO:<b@example.org>").await;
    backend.until_heard("RCPT").await;
    proxy
        .play("S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 451 4.3.2")
        .await;
}

#[tokio::test]
async fn a_client_that_trickles_octets_does_not_keep_what_others_wait_for() {
    let backend = Backend::honest().await;
    let limits = "connections = 1\noffer-age = \"1h\"";
    let proxy = Running::start(
        &backend,
        Setup {
            backend: limits,
            ..Setup::default()
        },
    )
    .await;
    let mut slow = proxy.play(DATA).await;
    let (over, is_over) = tokio::sync::oneshot::channel();
    let trickle = tokio::spawn(async move {
        let mut is_over = is_over;
        while is_over.try_recv().is_err() {
            slow.send(b"a").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        slow.play("C:\nC: .\nS: 250").await;
    });
    proxy
        .play(DATA)
        .await
        .play("C: Subject: through\nC: .\nS: 250")
        .await;
    over.send(()).unwrap();
    trickle.await.unwrap();
    assert_eq!(backend.messages().len(), 2);
}

#[tokio::test]
async fn a_client_that_floods_meets_its_deadlines_and_keeps_no_connection() {
    let backend = Backend::honest().await;
    let limits = "connections = 1\nwait = \"5s\"\noffer-age = \"1h\"";
    let tables =
        "[limits]\nmessage-size = \"64 KiB\"\n[deadlines]\nblock = \"2s\"\nsession = \"6s\"";
    let proxy = Running::start(
        &backend,
        Setup {
            backend: limits,
            tables,
            ..Setup::default()
        },
    )
    .await;
    let contents = ("x".repeat(998) + "\r\n").repeat(64);
    let commands = "NOOP\r\n".repeat(1000);
    for (opening, flood) in [
        (DATA, contents),
        (DATA.split("\nC: DATA").next().unwrap(), commands),
    ] {
        let client = proxy.play(opening).await;
        let (mut reading, mut writing) = tokio::io::split(client.0.into_inner());
        let replies =
            tokio::spawn(
                async move { tokio::io::copy(&mut reading, &mut tokio::io::sink()).await },
            );
        let flooding =
            tokio::spawn(async move { while writing.write_all(flood.as_bytes()).await.is_ok() {} });
        proxy
            .play("S: 220\nC: EHLO a\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250")
            .await;
        tokio::time::timeout(Duration::from_secs(20), flooding)
            .await
            .expect("closed by us")
            .unwrap();
        drop(replies.await);
    }
}

#[tokio::test]
async fn a_client_that_takes_no_replies_keeps_no_connection() {
    let backend = Backend::honest().await;
    let setup = Setup {
        backend: "connections = 1\nwait = \"5s\"\noffer-age = \"1h\"",
        tables: "[limits]\nrecipients = 100",
        ..Setup::default()
    };
    let proxy = Running::start(&backend, setup).await;
    let opening = DATA.split("\nC: DATA").next().unwrap();
    let mut client = proxy.play(opening).await;
    // Each is one too many, and no error: their replies fill what the system takes of them.
    let more = "RCPT TO:<c@example.org>\r\n".repeat(1000);
    let stalled = |sent: &Result<_, _>| sent.is_err();
    let wire = client.0.get_mut();
    while !stalled(&timeout(Duration::from_secs(1), wire.write_all(more.as_bytes())).await) {}
    proxy.play(opening).await;
}
