//! Many clients at once: the slow ones do not keep the others from the backend.

use std::time::{Duration, Instant};

use lazaret_tests::{BackendDouble, Client, Proxy, Step};

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nA line.\r\n";

#[test]
fn two_hundred_that_stop_after_data_do_not_keep_the_next_from_delivering() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .set(
            "[backend]\nconnections = 40\nhold = \"1s\"\n[limits]\nconnections-per-client = 1000\n",
        )
        .start();
    let address = proxy.plain();
    let begin = |n: usize| {
        let mut client = Client::greeted(address);
        client.say(&format!("MAIL FROM:<slow{n}@example.com>"));
        client.say("RCPT TO:<bob@example.org>");
        client
    };
    // All of them want a connection to the backend now, and there are forty.
    let mut stopped: Vec<_> = (0..200).map(begin).collect();
    for client in &mut stopped {
        client.expect("250 *");
        client.expect("250 *");
        client.ask("DATA", "354 *");
    }
    let begun = Instant::now();
    let reply =
        Client::greeted(address).deliver("alice@example.com", &["bob@example.org"], MESSAGE);
    assert_eq!(reply.code, 250, "{reply:?}");
    println!("the 201st was served after {:?}", begun.elapsed());
    assert!(
        backend.most_connections() <= 41,
        "{} connections",
        backend.most_connections()
    );
    // The others are served as well when they go on: what was said to the backend is said again.
    for client in stopped.iter_mut().take(50) {
        client.content(MESSAGE);
        client.expect("250 *");
    }
    assert_eq!(backend.wait_for(51).len(), 51);
}

/// A proxy that may have one connection to its backend, and waits so long for it.
fn narrow(backend: &BackendDouble, wait: &str) -> Proxy {
    Proxy::before(backend.address())
        .set(&format!(
            "[backend]\nconnections = 1\nhold = \"20s\"\nwait = \"{wait}\"\n"
        ))
        .start()
}

/// Waits until the backend has heard the end of a message.
fn until_the_dot(backend: &BackendDouble) {
    let deadline = Instant::now() + Duration::from_secs(30);
    let is_dot = |line: &String| line == ".";
    while !backend.heard().iter().any(|it| it.lines.iter().any(is_dot)) {
        assert!(Instant::now() < deadline, "no message comes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn who_says_nothing_gives_the_only_connection_back() {
    let backend = BackendDouble::start();
    let proxy = narrow(&backend, "15s");
    let mut first = Client::greeted(proxy.plain());
    first.ask("MAIL FROM:<alice@example.com>", "250 *");
    first.ask("RCPT TO:<bob@example.org>", "250 *");
    let mut second = Client::greeted(proxy.plain());
    second.ask("MAIL FROM:<carol@example.com>", "250 *");
    second.ask("RCPT TO:<bob@example.org>", "250 *");
    // The first one does not notice.
    first.ask("RCPT TO:<dave@example.org>", "250 *");
    first.ask("DATA", "354 *");
    first.content(MESSAGE);
    first.expect("250 *");
    assert_eq!(backend.most_connections(), 1);
}

#[test]
fn a_backend_that_is_used_up_is_a_451_at_rcpt_and_recovers() {
    let backend = BackendDouble::start();
    // Much less than the first one takes, and enough to find a connection where nobody is.
    let proxy = narrow(&backend, "2s");
    backend.once(".", [Step::Wait(Duration::from_secs(8)), Step::Ordinary]);
    let address = proxy.plain();
    let busy = std::thread::spawn(move || {
        Client::greeted(address).deliver("alice@example.com", &["bob@example.org"], MESSAGE)
    });
    until_the_dot(&backend);
    let mut second = Client::greeted(proxy.plain());
    second.ask("MAIL FROM:<carol@example.com>", "250 *");
    second.ask("RCPT TO:<bob@example.org>", "451 4.3.2 *");
    assert_eq!(busy.join().expect("it is answered").code, 250);
    second.ask("RSET", "250 *");
    second.ask("MAIL FROM:<carol@example.com>", "250 *");
    second.ask("RCPT TO:<bob@example.org>", "250 *");
}

#[test]
fn clients_over_the_limit_hear_421() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .set("[limits]\nconnections-per-client = 3\n")
        .start();
    let mut held: Vec<_> = (0..3).map(|_| Client::greeted(proxy.plain())).collect();
    let mut refused = Client::connect(proxy.plain());
    refused.expect("421 *");
    refused.ended();
    held.pop().expect("three").ask("QUIT", "221 *");
    let deadline = Instant::now() + Duration::from_secs(30);
    while Client::connect(proxy.plain())
        .hear()
        .is_none_or(|reply| reply.code != 220)
    {
        assert!(Instant::now() < deadline, "the place is free again");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn running_sessions_end_with_421_at_shutdown_and_a_running_message_is_delivered() {
    let backend = BackendDouble::start();
    let mut proxy = Proxy::before(backend.address()).start();
    let mut idle = Client::greeted(proxy.plain());
    let mut busy = Client::greeted(proxy.plain());
    busy.ask("MAIL FROM:<alice@example.com>", "250 *");
    busy.ask("RCPT TO:<bob@example.org>", "250 *");
    busy.ask("DATA", "354 *");
    let stopping = std::thread::spawn(move || proxy.stop());
    idle.expect("421 *");
    idle.ended();
    busy.content(MESSAGE);
    busy.expect("250 *");
    stopping.join().expect("the proxy ends");
    assert_eq!(backend.deliveries().len(), 1);
}
