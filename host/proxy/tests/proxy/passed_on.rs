//! Who may say whose connection it is, what that changes, and what nobody else may say.

use crate::kit::{Backend, Client, Running, Setup};

const SESSION: &str = "C: EHLO client.example.com\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\n\
                       C: DATA\nS: 354\nC: a\nC: .\nS: 250";
const V1: &str = "C: PROXY TCP4 192.0.2.1 198.51.100.1 40000 25";
const HERE: &str = "proxy-protocol = { from = [\"127.0.0.1\"] }";

async fn proxy(backend: &Backend, listener: &'static str) -> Running {
    backend
        .state()
        .ehlo
        .push("XCLIENT NAME ADDR PORT PROTO HELO");
    Running::start(
        backend,
        Setup {
            backend: "identity = \"xclient\"",
            listener,
            ..Setup::default()
        },
    )
    .await
}

fn told(backend: &Backend) -> String {
    backend.heard("XCLIENT").pop().expect("one of them")
}

#[tokio::test]
async fn the_client_behind_a_balancer_is_the_client() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, HERE).await;
    proxy.play(&format!("{V1}\nS: 220\n{SESSION}")).await;
    let xclient = told(&backend);
    assert!(xclient.contains(" PORT=40000 "), "{xclient}");
    assert!(xclient.ends_with(" ADDR=192.0.2.1"), "{xclient}");
    let mut client = proxy.client().await;
    client.send(b"\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x24").await;
    client
        .send(&[0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
        .await;
    client.send(&[0; 16]).await;
    client.send(&[0x9c, 0x40, 0, 25]).await;
    client.play(&format!("S: 220\n{SESSION}")).await;
    let xclient = told(&backend);
    assert!(xclient.ends_with(" ADDR=IPV6:2001:db8::1"), "{xclient}");
}

#[tokio::test]
async fn a_balancer_that_says_nothing_is_not_served() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, HERE).await;
    for start in ["EHLO x\r\n", "PROXY TCP4 192.0.2.1\r\n", "PROXY UDP4 x\r\n"] {
        let mut client = proxy.client().await;
        client.send(start.as_bytes()).await;
        assert_eq!(client.rest().await, "", "{start}");
    }
    let mut checker = proxy.client().await;
    checker.send(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await;
    checker.play("S: 220\nC: QUIT\nS: 221").await;
}

#[tokio::test]
async fn others_come_in_only_where_that_is_meant() {
    let backend = Backend::honest().await;
    let strict = proxy(&backend, "proxy-protocol = { from = [\"192.0.2.9\"] }").await;
    let rest = strict.client().await.rest().await;
    assert!(rest.starts_with("554 No service here ("), "{rest}");
    assert!(rest.ends_with(")\r\n"), "{rest}");
    let open = proxy(
        &backend,
        "proxy-protocol = { from = [\"192.0.2.9\"], require = false }",
    )
    .await;
    open.play(&format!("S: 220\n{V1}\nS: 500\n{SESSION}")).await;
    assert!(told(&backend).ends_with(" ADDR=127.0.0.1"));
}

/// One connection of each client at once.
async fn one_a_client(backend: &Backend, listener: &'static str) -> Running {
    let setup = Setup {
        listener,
        tables: "[limits]\nconnections-per-client = 1",
        ..Setup::default()
    };
    Running::start(backend, setup).await
}

#[tokio::test]
async fn clients_behind_a_balancer_are_counted_by_their_own_address() {
    let backend = Backend::honest().await;
    let proxy = one_a_client(&backend, HERE).await;
    let _one = proxy.play(&format!("{V1}\nS: 220")).await;
    let other = "C: PROXY TCP4 192.0.2.2 198.51.100.1 40000 25\nS: 220";
    let _other = proxy.play(other).await;
    proxy
        .play(&format!("{V1}\nS: 421 Too many\nS: closed"))
        .await;
}

const XCLIENT: &str = "xclient = { from = [\"127.0.0.1\"] }";

#[tokio::test]
async fn clients_passed_on_by_xclient_are_counted_by_their_own_address() {
    let backend = Backend::honest().await;
    let proxy = one_a_client(&backend, XCLIENT).await;
    let passed_on = |address: &str, rest: &str| {
        format!("S: 220\nC: EHLO front.example.org\nS: 250\nC: XCLIENT ADDR={address}\n{rest}")
    };
    let _one = proxy.play(&passed_on("192.0.2.1", "S: 220")).await;
    let _other = proxy.play(&passed_on("192.0.2.2", "S: 220")).await;
    let again = passed_on("192.0.2.2", "S: 421 4.7.0 Too many\nS: closed");
    proxy.play(&again).await;
    let _front = proxy
        .play("S: 220\nC: EHLO front.example.org\nS: 250")
        .await;
}

#[tokio::test]
async fn a_front_behind_a_balancer_counts_for_the_clients_it_names_alone() {
    let backend = Backend::honest().await;
    let proxy = one_a_client(
        &backend,
        "proxy-protocol = { from = [\"127.0.0.1\"] }\nxclient = { from = [\"192.0.2.1\"] }",
    )
    .await;
    let front =
        format!("{V1}\nS: 220\nC: EHLO front.example.org\nS: 250\nC: XCLIENT ADDR=192.0.2.7");
    let _one = proxy.play(&format!("{front}\nS: 220")).await;
    let _idle = proxy.play(&format!("{V1}\nS: 220")).await;
    proxy
        .play(&format!("{front}\nS: 421 4.7.0 Too many\nS: closed"))
        .await;
}

#[tokio::test]
async fn a_listed_peer_says_whose_session_it_passes_on() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, XCLIENT).await;
    let mut client = proxy.client().await;
    client.play("S: 220\nC: EHLO front.example.org").await;
    let offer = client.lines().await;
    assert!(
        offer.contains(&"250 XCLIENT NAME ADDR PORT PROTO HELO".to_owned()),
        "{offer:?}"
    );
    client
        .play(
            "C: XCLIENT NAME=client.example.net PORT=40000\nS: 220 mx.example.org ESMTP\n\
             C: XCLIENT ADDR=192.0.2.1 HELO=client.example.net PROTO=ESMTP\nS: 220 mx.example.org ESMTP\n\
             C: XCLIENT ADDR=192.0.2.2\nS: 550 5.7.0\n\
             C: MAIL FROM:<>\nS: 503\nC: EHLO client.example.net",
        )
        .await;
    let offer = client.lines().await;
    assert!(
        !offer.iter().any(|line| line.contains("XCLIENT")),
        "{offer:?}"
    );
    client
        .play(&format!("C: XCLIENT ADDR=192.0.2.2\nS: 502\n{SESSION}"))
        .await;
    let xclient = told(&backend);
    assert!(
        xclient.starts_with("XCLIENT NAME=client.example.net PORT=40000 "),
        "{xclient}"
    );
    assert!(
        xclient.ends_with("HELO=client.example.com ADDR=192.0.2.1"),
        "{xclient}"
    );
}

#[tokio::test]
async fn xclient_is_taken_whole_or_not_at_all() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, XCLIENT).await;
    proxy
        .play(&format!(
            "S: 220\nC: EHLO front.example.org\nS: 250\n\
             C: XCLIENT ADDR=192.0.2.1 LOGIN=anybody\nS: 501 5.5.4\n\
             C: XCLIENT ADDR=[UNAVAILABLE]\nS: 501 5.5.4\n\
             C: MAIL FROM:<>\nS: 250\nC: XCLIENT ADDR=192.0.2.1\nS: 502\nC: RSET\nS: 250\n{SESSION}"
        ))
        .await;
    assert!(told(&backend).ends_with(" ADDR=127.0.0.1"));
}

#[tokio::test]
async fn nobody_else_may_say_it() {
    let backend = Backend::honest().await;
    let proxy = proxy(&backend, "xclient = { from = [\"192.0.2.9\"] }").await;
    let mut client = proxy.client().await;
    client.play("S: 220\nC: EHLO client.example.com").await;
    let offer = client.lines().await;
    assert!(
        !offer.iter().any(|line| line.contains("XCLIENT")),
        "{offer:?}"
    );
    client
        .play(&format!("C: XCLIENT ADDR=192.0.2.1\nS: 502\n{SESSION}"))
        .await;
    assert!(told(&backend).ends_with(" ADDR=127.0.0.1"));
}

/// The listed peer itself may be spared the filters; whom it passes on is judged by his own address.
#[tokio::test]
async fn bare_line_feeds_of_a_listed_device_become_crlf() {
    let backend = Backend::honest().await;
    let proxy = Running::start(
        &backend,
        Setup {
            listener: "newline-exempt = [\"127.0.0.1\"]",
            root: "trace = \"never\"",
            ..Setup::default()
        },
    )
    .await;
    let mut client: Client = proxy.client().await;
    client
        .send(b"HELO printer\nMAIL FROM:<>\nRCPT TO:<b@example.org>\nDATA\n")
        .await;
    client.send(b"Subject: toner\n\n..low\n.\nQUIT\n").await;
    let heard = client.rest().await;
    let last = heard.lines().last().unwrap_or_default();
    assert!(last.starts_with("221 2.0.0 Bye ("), "{heard}");
    assert_eq!(backend.messages(), ["Subject: toner\r\n\r\n.low\r\n"]);
}

#[tokio::test]
async fn chunks_leave_as_data() {
    let backend = Backend::honest().await;
    let proxy = Running::start(
        &backend,
        Setup {
            root: "trace = \"never\"",
            ..Setup::default()
        },
    )
    .await;
    let mut client = proxy
        .play("S: 220\nC: EHLO c.example.com\nS: 250\nC: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250")
        .await;
    client
        .send(b"BDAT 9\r\nA: 1\r\n\r\n.BDAT 11 LAST\r\n\r\n.\r\nno end")
        .await;
    client.play("S: 250 2.0.0 9 octets received\nS: 250").await;
    assert_eq!(backend.messages(), ["A: 1\r\n\r\n.\r\n.\r\nno end\r\n"]);
    assert_eq!(backend.heard("BDAT"), Vec::<String>::new());
    let envelope = "C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<b@example.org>\nS: 250\nC: BDAT 3 LAST";
    client.play(envelope).await;
    client.send(b"a\nb").await;
    client.play("S: 554 5.6.11\nC: NOOP\nS: 250").await;
    assert_eq!(backend.messages().len(), 1);
}
