//! Connections to the backend that serve one transaction after another, of one client or of many; and which never do.

use std::time::{Duration, Instant};

use lazaret_tests::backend::{Heard, say};
use lazaret_tests::{BackendDouble, Client, Proxy, Step};

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nA line.\r\n";
const XFORWARD: [&str; 3] = ["PIPELINING", "8BITMIME", "XFORWARD NAME ADDR PORT HELO"];
const XCLIENT: [&str; 3] = ["PIPELINING", "8BITMIME", "XCLIENT NAME ADDR PORT HELO"];

fn deliver(client: &mut Client) -> u16 {
    client
        .deliver("alice@example.com", &["bob@example.org"], MESSAGE)
        .code
}

/// A client that says its name, delivers a message and leaves.
fn visit(proxy: &Proxy, name: &str) -> u16 {
    let mut client = Client::connect(proxy.plain());
    client.expect("220 *");
    client.ask(&format!("EHLO {name}"), "250 *");
    let code = deliver(&mut client);
    client.ask("QUIT", "221 *");
    code
}

/// A proxy that asks for the EHLO once and not again, so that each connection is one of a transaction.
fn proxy(backend: &BackendDouble, settings: &str) -> Proxy {
    let all = format!("[backend]\noffer-age = \"1h\"\ncheck = \"1h\"\n{settings}\n");
    Proxy::before(backend.address()).set(&all).start()
}

/// The connections over which a message came.
fn delivering(backend: &BackendDouble) -> Vec<Heard> {
    let heard = backend.heard();
    let delivers = |heard: &Heard| heard.lines.iter().any(|line| line == "DATA");
    heard.into_iter().filter(delivers).collect()
}

fn count(heard: &[Heard], beginning: &str) -> usize {
    let lines = heard.iter().flat_map(|heard| &heard.lines);
    lines.filter(|line| line.starts_with(beginning)).count()
}

/// What a backend does to a connection that nobody uses.
type Scene<'s> = &'s dyn Fn(&BackendDouble);

#[test]
fn one_connection_serves_the_clients_one_after_another() {
    let backend = BackendDouble::start();
    let proxy = proxy(&backend, "");
    for _ in 0..10 {
        assert_eq!(visit(&proxy, "client.example.com"), 250);
    }
    let connections = delivering(&backend);
    assert_eq!(connections.len(), 1, "{connections:#?}");
    assert_eq!(count(&connections, "EHLO "), 1);
    assert_eq!(backend.deliveries().len(), 10);
}

#[test]
fn each_transaction_is_told_whose_it_is() {
    let backend = BackendDouble::start();
    backend.offer(XFORWARD);
    let proxy = proxy(&backend, "identity = \"xforward\"");
    for name in ["one.example.com", "two.example.com"] {
        assert_eq!(visit(&proxy, name), 250);
    }
    let connections = delivering(&backend);
    assert_eq!(connections.len(), 1, "{connections:#?}");
    let lines = &connections[0].lines;
    let told = |name: &str| {
        let helo = format!("HELO={name}");
        lines
            .iter()
            .position(|line| line.contains(&helo))
            .expect("told")
    };
    let mails: Vec<_> = (0..lines.len())
        .filter(|n| lines[*n].starts_with("MAIL "))
        .collect();
    assert!(told("one.example.com") < mails[0], "{lines:#?}");
    let second = told("two.example.com");
    assert!(mails[0] < second && second < mails[1], "{lines:#?}");
}

#[test]
fn a_connection_under_a_clients_name_is_used_by_no_other() {
    let backend = BackendDouble::start();
    backend.offer(XCLIENT);
    let proxy = proxy(&backend, "identity = \"xclient\"");
    let mut client = Client::connect(proxy.plain());
    client.expect("220 *");
    client.ask("EHLO one.example.com", "250 *");
    assert_eq!(deliver(&mut client), 250);
    assert_eq!(deliver(&mut client), 250);
    client.ask("QUIT", "221 *");
    assert_eq!(visit(&proxy, "two.example.com"), 250);
    let connections = delivering(&backend);
    assert_eq!(connections.len(), 2, "{connections:#?}");
    assert_eq!(count(&connections[..1], "MAIL "), 2);
    for (connection, name) in connections.iter().zip(["one", "two"]) {
        let mut hellos = connection.lines.iter().filter(|l| l.starts_with("EHLO "));
        let last = hellos.next_back().expect("EHLO after XCLIENT");
        assert_eq!(last, &format!("EHLO {name}.example.com"));
    }
}

#[test]
fn a_name_said_anew_is_told_anew() {
    let backend = BackendDouble::start();
    backend.offer(XCLIENT);
    let proxy = proxy(&backend, "identity = \"xclient\"");
    let mut client = Client::greeted(proxy.plain());
    assert_eq!(deliver(&mut client), 250);
    client.ask("EHLO other.example.com", "250 *");
    assert_eq!(deliver(&mut client), 250);
    let connections = delivering(&backend);
    assert_eq!(connections.len(), 2, "{connections:#?}");
    assert_eq!(count(&connections[1..], "EHLO other.example.com"), 1);
}

/// What was begun and not ended is reset first.
#[test]
fn nothing_of_one_transaction_gets_into_the_next() {
    let backend = BackendDouble::start();
    let proxy = proxy(&backend, "");
    let mut first = Client::greeted(proxy.plain());
    first.ask("MAIL FROM:<mallory@example.com>", "250 *");
    first.ask("RCPT TO:<victim@example.org>", "250 *");
    first.ask("RSET", "250 *");
    assert_eq!(visit(&proxy, "client.example.com"), 250);
    let taken = backend.deliveries();
    assert_eq!(
        taken[0].envelope,
        ["MAIL FROM:<alice@example.com>", "RCPT TO:<bob@example.org>"]
    );
    let connections = delivering(&backend);
    assert_eq!(count(&connections, "RSET"), 1, "{connections:#?}");
    assert_eq!(count(&connections, "MAIL "), 2, "{connections:#?}");
}

#[test]
fn a_refused_message_leaves_a_connection_that_is_reset() {
    let backend = BackendDouble::start();
    let proxy = proxy(&backend, "");
    backend.once(".", [say("554 5.7.1 no")]);
    assert_eq!(visit(&proxy, "client.example.com"), 554);
    assert_eq!(visit(&proxy, "client.example.com"), 250);
    let connections = delivering(&backend);
    assert_eq!(connections.len(), 1, "{connections:#?}");
    assert_eq!(count(&connections, "RSET"), 1);
}

/// Fault 8: whatever a backend does with an idle connection, the next client does not notice.
#[test]
fn what_happens_to_an_idle_connection_is_no_clients_business() {
    let close = |backend: &BackendDouble| backend.hang_up();
    let farewell = |backend: &BackendDouble| {
        backend.shout("421 4.4.2 timeout exceeded");
        backend.hang_up();
    };
    let injected = |backend: &BackendDouble| backend.shout("250 2.0.0 Ok: queued as INJECTED");
    let half = |backend: &BackendDouble| backend.shout("250-and");
    let scenes: [(&str, Scene<'_>); 4] = [
        ("close", &close),
        ("421", &farewell),
        ("250", &injected),
        ("half a reply", &half),
    ];
    let backend = BackendDouble::start();
    let proxy = proxy(&backend, "");
    for (name, happen) in scenes {
        assert_eq!(visit(&proxy, "client.example.com"), 250);
        backend.forget();
        happen(&backend);
        assert_eq!(visit(&proxy, "client.example.com"), 250, "{name}");
        let taken = backend.deliveries();
        assert_eq!(taken.len(), 1, "{name}");
        // Nothing was said on the one in doubt.
        let heard = backend.heard();
        assert_eq!(count(&heard, "MAIL "), 1, "{name}: {heard:#?}");
        assert_eq!(count(&heard, "EHLO "), 1, "{name}: {heard:#?}");
    }
}

#[test]
fn a_connection_that_dies_at_mail_is_replaced_unnoticed() {
    let deaths = [
        vec![Step::Close],
        vec![say("421 4.3.2 too many messages"), Step::Close],
        vec![say("999 what")],
        vec![Step::Flood(b'x', 100_000)],
    ];
    let backend = BackendDouble::start();
    let proxy = proxy(&backend, "");
    for steps in deaths {
        assert_eq!(visit(&proxy, "client.example.com"), 250);
        backend.once("MAIL *", steps.clone());
        assert_eq!(visit(&proxy, "client.example.com"), 250, "{steps:?}");
    }
    assert_eq!(backend.deliveries().len(), 8);
}

/// Without a fresh start in between: who lies, or is out of step, is out of use.
#[test]
fn a_connection_that_lied_is_not_used_again() {
    let lies = [
        "999 what",
        "250 2.0.0 \x1b[2Jok",
        "250-a\r\n550 b",
        "250 2.0.0 ok\r\n250 2.0.0 ok",
    ];
    let backend = BackendDouble::start();
    let proxy = proxy(&backend, "");
    for lie in lies {
        // Before the dot another connection takes it all from the start; after it nobody knows what was taken.
        for (command, code, last) in [
            ("RCPT *", 250, "RCPT "),
            ("DATA", 250, "DATA"),
            (".", 451, "."),
        ] {
            assert_eq!(visit(&proxy, "client.example.com"), 250);
            let liar = backend.heard().len() - 1;
            backend.once(command, [say(lie)]);
            assert_eq!(
                visit(&proxy, "client.example.com"),
                code,
                "{command} {lie:?}"
            );
            assert_eq!(
                visit(&proxy, "client.example.com"),
                250,
                "{command} {lie:?}"
            );
            let lines = &backend.heard()[liar].lines;
            let said = lines.last().expect("it was used");
            assert!(said.starts_with(last), "{command} {lie:?}: {lines:#?}");
        }
    }
}

#[test]
fn reuse_ends_after_so_many_transactions() {
    let backend = BackendDouble::start();
    let proxy = proxy(&backend, "reuse = 3");
    for _ in 0..7 {
        assert_eq!(visit(&proxy, "client.example.com"), 250);
    }
    let messages: Vec<_> = delivering(&backend)
        .iter()
        .map(|heard| count(std::slice::from_ref(heard), "MAIL "))
        .collect();
    assert_eq!(messages, [3, 3, 1]);
}

#[test]
fn an_idle_connection_is_closed_politely_when_its_time_is_over() {
    let backend = BackendDouble::start();
    let proxy = proxy(&backend, "idle = \"3s\"");
    assert_eq!(visit(&proxy, "client.example.com"), 250);
    assert_eq!(backend.connections(), 1);
    let deadline = Instant::now() + Duration::from_secs(30);
    while backend.connections() > 0 {
        assert!(Instant::now() < deadline, "it is still open");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(visit(&proxy, "client.example.com"), 250);
    assert_eq!(delivering(&backend).len(), 2);
}

#[test]
fn without_idle_each_transaction_has_its_own() {
    let backend = BackendDouble::start();
    let proxy = proxy(&backend, "idle = \"0s\"");
    for _ in 0..3 {
        assert_eq!(visit(&proxy, "client.example.com"), 250);
    }
    assert_eq!(delivering(&backend).len(), 3);
}

#[test]
fn in_tls_a_connection_is_used_again_too() {
    let backend = BackendDouble::start();
    backend.offer(["PIPELINING", "8BITMIME", "STARTTLS"]);
    let proxy = proxy(&backend, "tls = \"require\"");
    for _ in 0..5 {
        assert_eq!(visit(&proxy, "client.example.com"), 250);
    }
    let connections = delivering(&backend);
    assert_eq!(connections.len(), 1, "{connections:#?}");
    backend.hang_up();
    assert_eq!(visit(&proxy, "client.example.com"), 250);
}

/// What a newer connection was offered counts: an old one may be of a process that is about to end.
#[test]
fn a_connection_from_before_a_change_is_not_used_again() {
    let backend = BackendDouble::start();
    backend.offer(["PIPELINING", "8BITMIME"]);
    let proxy = Proxy::before(backend.address()).start();
    assert_eq!(visit(&proxy, "client.example.com"), 250);
    backend.offer(["PIPELINING", "8BITMIME", "DSN"]);
    let deadline = Instant::now() + Duration::from_secs(30);
    let offers_dsn = |client: &mut Client| {
        client.expect("220 *");
        let offer = client.ask("EHLO client.example.com", "250 *");
        offer.text().contains("DSN")
    };
    let mut client = Client::connect(proxy.plain());
    while !offers_dsn(&mut client) {
        assert!(Instant::now() < deadline, "it is not offered");
        client = Client::connect(proxy.plain());
    }
    client.ask("MAIL FROM:<alice@example.com> RET=HDRS", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "250 *");
}

/// Each client is told what was asked for it, mostly on a connection that is open; backends count greetings without mail.
#[test]
fn an_idle_connection_is_asked_anew_but_not_for_ever() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    for _ in 0..60 {
        let mut client = Client::connect(proxy.plain());
        client.expect("220 *");
        client.ask("EHLO client.example.com", "250 *");
        client.ask("QUIT", "221 *");
    }
    let heard = backend.heard();
    let greetings = |heard: &Heard| count(std::slice::from_ref(heard), "EHLO ");
    assert!(count(&heard, "EHLO ") >= 60, "{heard:#?}");
    assert!(heard.len() < 50, "{} connections", heard.len());
    assert!(heard.iter().map(greetings).max() <= Some(9), "{heard:#?}");
    assert_eq!(visit(&proxy, "client.example.com"), 250);
}

/// Twenty clients over three connections: all are served in turn, and the backend never sees a fourth.
#[test]
fn who_waits_for_a_connection_gets_the_next_one() {
    let backend = BackendDouble::start();
    backend.always(".", [Step::Wait(Duration::from_millis(20)), Step::Ordinary]);
    let proxy = proxy(&backend, "connections = 3");
    let address = proxy.plain();
    let client = || {
        let mut client = Client::greeted(address);
        let codes: Vec<_> = (0..5).map(|_| deliver(&mut client)).collect();
        assert_eq!(codes, [250; 5]);
    };
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(client);
        }
    });
    assert_eq!(backend.deliveries().len(), 100);
    assert!(
        backend.most_connections() <= 3,
        "{}",
        backend.most_connections()
    );
    assert!(delivering(&backend).len() <= 6, "used again");
}
