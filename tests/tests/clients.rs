//! Clients that talk garbage, never end a line, stall, or vanish: a reply or a close, and nobody else notices.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use lazaret_tests::guests::Guest;
use lazaret_tests::{BackendDouble, Client, Proxy};

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nA line.\r\n";

/// A proxy whose patience with clients is short.
fn impatient(backend: &BackendDouble) -> Proxy {
    Proxy::before(backend.address())
        .set("[deadlines]\ncommand = \"3s\"\nblock = \"3s\"\nhandshake = \"3s\"\n")
        .start()
}

/// How long until the other side closes; panics after half a minute.
fn until_closed(socket: &mut TcpStream) -> Duration {
    let begun = Instant::now();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .expect("a socket option");
    let mut octets = [0; 4096];
    loop {
        match socket.read(&mut octets) {
            Ok(0) => return begun.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                return begun.elapsed();
            }
            Err(error) => panic!("not closed: {error}"),
        }
    }
}

fn still_serves(proxy: &Proxy) {
    let mut client = Client::greeted(proxy.plain());
    let reply = client.deliver("alice@example.com", &["bob@example.org"], MESSAGE);
    assert_eq!(reply.code, 250, "{reply:?}");
}

#[test]
fn an_idle_client_hears_421_at_the_deadline() {
    let backend = BackendDouble::start();
    let proxy = impatient(&backend);
    let mut client = Client::greeted(proxy.plain());
    client.expect("421 4.*");
    client.ended();
    still_serves(&proxy);
}

#[test]
fn a_line_that_grows_octet_by_octet_is_over_at_the_deadline() {
    let backend = BackendDouble::start();
    let proxy = impatient(&backend);
    let mut client = Client::greeted(proxy.plain());
    let begun = Instant::now();
    while client.octets(b"N").is_ok() && begun.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(100));
        client.patience(Duration::from_millis(10));
        if matches!(client.line(), Ok(Some(line)) if line.starts_with("421")) {
            break;
        }
    }
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "closed after {:?}",
        begun.elapsed()
    );
    still_serves(&proxy);
}

#[test]
fn a_message_that_stops_is_over_at_the_deadline_and_leaves_nothing() {
    let backend = BackendDouble::start();
    let proxy = impatient(&backend);
    let mut client = Client::greeted(proxy.plain());
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "250 *");
    client.ask("DATA", "354 *");
    client.octets(b"Subject: never").unwrap();
    client.expect("421 4.*");
    client.ended();
    assert_eq!(backend.deliveries().len(), 0);
    still_serves(&proxy);
}

#[test]
fn a_tls_handshake_that_stalls_or_is_none_is_closed() {
    let backend = BackendDouble::start();
    let proxy = impatient(&backend);
    let mut stalled = TcpStream::connect(proxy.address("implicit")).unwrap();
    let took = until_closed(&mut stalled);
    assert!(took < Duration::from_secs(9), "closed after {took:?}");
    let mut garbage = TcpStream::connect(proxy.address("implicit")).unwrap();
    garbage.write_all(b"EHLO client.example.com\r\n").unwrap();
    let took = until_closed(&mut garbage);
    assert!(took < Duration::from_secs(9), "closed after {took:?}");
    still_serves(&proxy);
}

#[test]
fn a_broken_handshake_after_starttls_is_closed() {
    let backend = BackendDouble::start();
    let proxy = impatient(&backend);
    let mut client = Client::connect(proxy.address("starttls"));
    client.expect("220 *");
    client.ask("EHLO client.example.com", "250 *");
    client.ask("STARTTLS", "220 *");
    client.octets(b"MAIL FROM:<alice@example.com>\r\n").unwrap();
    client.patience(Duration::from_secs(5));
    while let Ok(Some(line)) = client.line() {
        assert!(!line.starts_with("250"), "served in the clear: {line}");
    }
    still_serves(&proxy);
}

#[test]
fn random_octets_are_refused_and_the_proxy_lives() {
    let backend = BackendDouble::start();
    let proxy = impatient(&backend);
    let mut seed = 0x5eed_u64;
    for _ in 0..20 {
        let noise: Vec<u8> = (0..20_000)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 56) as u8
            })
            .collect();
        for listener in ["plain", "implicit"] {
            let mut socket = TcpStream::connect(proxy.address(listener)).unwrap();
            let _ = socket.write_all(&noise);
            let _ = socket.shutdown(Shutdown::Write);
            until_closed(&mut socket);
        }
    }
    still_serves(&proxy);
    assert_eq!(backend.deliveries().len(), 1);
}

#[test]
fn clients_that_vanish_anywhere_leave_nothing_behind() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .filter(
            "10-look",
            Guest::Puppet,
            "[config]\nmail = {}\nrcpt = {}\nmessage = {}\n",
        )
        .start();
    let steps = [
        "EHLO client.example.com",
        "MAIL FROM:<alice@example.com>",
        "RCPT TO:<bob@example.org>",
        "DATA",
        "Subject: half",
        "",
        "of a message",
    ];
    for last in 0..=steps.len() {
        for unheard in [true, false] {
            let mut client = Client::connect(proxy.plain());
            for step in &steps[..last] {
                client.say(step);
            }
            if !unheard {
                client.patience(Duration::from_millis(50));
                while matches!(client.line(), Ok(Some(_))) {}
            }
            client.close();
        }
    }
    still_serves(&proxy);
    let deadline = Instant::now() + Duration::from_secs(30);
    while backend.connections() > 0 {
        assert!(
            Instant::now() < deadline,
            "{} connections stay",
            backend.connections()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(backend.deliveries().len(), 1);
}

#[test]
fn who_speaks_before_the_greeting_is_known_to_filters() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .set("[deadlines]\ngreet-delay = \"500ms\"\n")
        .filter(
            "10-early",
            Guest::Puppet,
            "[config]\nmail = { reject = \"early {early}\" }\n",
        )
        .start();
    let mut polite = Client::greeted(proxy.plain());
    polite.ask("MAIL FROM:<alice@example.com>", "550 5.7.1 early false (*)");
    let is_early = |_| {
        let mut hasty = Client::connect(proxy.plain());
        hasty.say("EHLO client.example.com");
        hasty.expect("220 *");
        hasty.expect("250 *");
        let reply = hasty.ask("MAIL FROM:<alice@example.com>", "550 5.7.1 early *");
        reply.text().contains(" early true (")
    };
    // On a busy machine the greeting may go out before we come to say it.
    assert!((0..5).any(is_early));
}
