//! Clients of others: swaks and Python's smtplib, in the clear, by STARTTLS and with TLS from the start.

use lazaret_tests::peers::clients::{LISTENERS, file, smtplib, swaks, version, without_last_end};
use lazaret_tests::peers::{self, journey};
use lazaret_tests::{BackendDouble, Delivery, Proxy};

/// The octets at the backend are those of the file, and above them only what the log says that we added.
fn must_have_arrived(sender: &str, sent: &[u8], delivery: &Delivery) {
    let top = journey::on_top(sender, sent, &delivery.octets);
    assert_eq!(top, "", "{sender}: more than what the log says");
}

/// With what a mail program is likely to change: dots, blanks at the end, empty lines, folding.
fn dotted() -> Vec<u8> {
    journey::with_header(
        b".a dot\r\n..\r\n. \r\ntrailing  \t \r\n\r\n\r\n  blanks\r\nFrom here\r\nthe end\r\n",
    )
}

/// A listener as the table of docs/compatibility.md calls it.
fn way(listener: &str) -> &'static str {
    match listener {
        "plain" => "plain",
        "starttls" => "STARTTLS",
        _ => "implicit TLS",
    }
}

#[test]
fn swaks_in_the_clear_by_starttls_and_in_tls() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    let message = dotted();
    let file = file(without_last_end(&message));
    for (n, listener) in LISTENERS.into_iter().enumerate() {
        let sender = format!("swaks-{listener}@example.com");
        let Some(said) = swaks(&proxy, listener, &sender, file.path(), &[]) else {
            return;
        };
        assert!(
            said.contains("250 2.0.0 Ok: queued as 4TEST1DOUBLE"),
            "{said}"
        );
        must_have_arrived(&sender, &message, &backend.wait_for(n + 1)[n]);
        peers::ran(&format!("swaks, {listener}"));
        journey::row(
            "client",
            &version("swaks", &["--version"], 2),
            way(listener),
            &[],
        );
    }
}

#[test]
fn swaks_pipelined() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    let message = dotted();
    let file = file(without_last_end(&message));
    let sender = "swaks-pipelined@example.com";
    if swaks(&proxy, "plain", sender, file.path(), &["--pipeline"]).is_none() {
        return;
    }
    must_have_arrived(sender, &message, &backend.wait_for(1)[0]);
    peers::ran("swaks, pipelined");
    let used = ["PIPELINING".to_owned()];
    journey::row(
        "client",
        &version("swaks", &["--version"], 2),
        "plain",
        &used,
    );
}

#[test]
fn smtplib_in_the_clear_by_starttls_and_in_tls() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    let mut sent = b"Subject: from smtplib\r\n\r\n.dot\r\n..\r\n".to_vec();
    sent.extend((1..10).chain(14..=255));
    sent.extend_from_slice(b"\r\n");
    let file = file(&sent);
    for (n, listener) in LISTENERS.into_iter().enumerate() {
        let sender = format!("smtplib-{listener}@example.com");
        let Some(said) = smtplib(&proxy, listener, &sender, file.path()) else {
            return;
        };
        assert!(
            said.contains("eve@example.net") && said.contains("550"),
            "{said}"
        );
        let delivered = backend.wait_for(n + 1);
        must_have_arrived(&sender, &sent, &delivered[n]);
        peers::ran(&format!("smtplib, {listener}"));
        let peer = version("python3", &["--version"], 1).replace("python3", "smtplib of Python");
        journey::row(
            "client",
            &peer,
            way(listener),
            &journey::used(&delivered[n].envelope),
        );
    }
}
