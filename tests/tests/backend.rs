//! Backends that are down, change, lie or fall silent: the client hears 4xx, nothing is lost, nothing sent twice.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lazaret_tests::backend::{Flooded, say};
use lazaret_tests::certificate::Certificate;
use lazaret_tests::ports::free_port;
use lazaret_tests::{BackendDouble, Client, Proxy, Step};

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nA line.\r\n";

fn deliver(client: &mut Client) -> u16 {
    client
        .deliver("alice@example.com", &["bob@example.org"], MESSAGE)
        .code
}

#[test]
fn down_at_start_is_451_at_rcpt_and_recovers_by_itself() {
    let address = free_port();
    let proxy = Proxy::before(address).start();
    let mut client = Client::greeted(proxy.plain());
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "451 4.*");
    client.ask("RSET", "250 *");
    let backend = BackendDouble::start_at(address);
    assert_eq!(deliver(&mut client), 250);
    assert_eq!(backend.deliveries().len(), 1);
}

#[test]
fn going_down_and_coming_back_in_one_session() {
    let backend = BackendDouble::start();
    let address = backend.address();
    let proxy = Proxy::before(address).start();
    let mut client = Client::greeted(proxy.plain());
    assert_eq!(deliver(&mut client), 250);
    drop(backend);
    let deadline = Instant::now() + Duration::from_secs(10);
    // A connection that was open when it went down may serve one more message.
    while deliver(&mut client) == 250 {
        assert!(Instant::now() < deadline, "the backend is gone");
    }
    let backend = BackendDouble::start_at(address);
    assert_eq!(deliver(&mut client), 250);
    assert_eq!(backend.deliveries().len(), 1);
}

/// What the next client is offered. Half a second is all that it waits for the backend, and then it hears what was known
/// before: after one that waited so long the next one counts.
fn offered_now(proxy: &Proxy) -> String {
    for _ in 0..60 {
        let mut client = Client::connect(proxy.plain());
        client.expect("220 *");
        let asked = Instant::now();
        let offer = client.ask("EHLO client.example.com", "250 *").text();
        if asked.elapsed() < Duration::from_millis(500) {
            return offer;
        }
    }
    panic!("the backend is late for everybody");
}

#[test]
fn the_next_client_sees_what_the_backend_offers_now() {
    let backend = BackendDouble::start();
    backend.offer(["PIPELINING", "SIZE 1000000", "8BITMIME"]);
    let proxy = Proxy::before(backend.address()).start();
    let offers_dsn = || offered_now(&proxy).contains("DSN");
    assert!(!offers_dsn());
    backend.offer(["PIPELINING", "SIZE 1000000", "8BITMIME", "DSN"]);
    assert!(offers_dsn(), "the very next client sees it");
}

#[test]
fn a_fresh_connection_tells_what_the_backend_offers_now() {
    let backend = BackendDouble::start();
    backend.offer(["PIPELINING", "SIZE 1000000", "8BITMIME"]);
    let proxy = Proxy::before(backend.address())
        .set("[backend]\noffer-age = \"1h\"\nidle = \"0s\"\n")
        .start();
    let mut client = Client::greeted(proxy.plain());
    backend.offer(["PIPELINING", "SIZE 1000000", "8BITMIME", "DSN"]);
    assert_eq!(deliver(&mut client), 250);
    let mut next = Client::connect(proxy.plain());
    next.expect("220 *");
    let offer = next.ask("EHLO client.example.com", "250 *").text();
    assert!(offer.contains("DSN"), "{offer}");
}

/// Under load hardly anybody opens a connection of his own to ask: four a second, and one for each nine greetings.
#[test]
fn a_crowd_of_clients_asks_the_backend_rarely() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    let begun = Instant::now();
    for _ in 0..200 {
        Client::greeted(proxy.plain());
    }
    let took = begun.elapsed();
    let asked = backend.heard().len();
    let most = 2 + 200 / 8 + took.as_millis() as usize / 250;
    println!("200 clients in {took:?}, {asked} connections to ask the backend");
    assert!(asked <= most, "{asked} connections in {took:?}");
}

#[test]
fn silence_is_a_451_at_the_deadline() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .set("[backend]\nconnect = \"2s\"\nreply = \"2s\"\naccept = \"2s\"\n")
        .start();
    for (pattern, deliveries) in [("MAIL *", 0), ("RCPT *", 0), ("DATA", 0), (".", 0)] {
        backend.forget();
        backend.once(pattern, [Step::Silence]);
        let mut client = Client::greeted(proxy.plain());
        let begun = Instant::now();
        assert_eq!(deliver(&mut client), 451, "silent at {pattern}");
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "silent at {pattern}"
        );
        assert_eq!(backend.deliveries().len(), deliveries);
        backend.forget();
        client.ask("RSET", "250 *");
        assert_eq!(deliver(&mut client), 250, "after silence at {pattern}");
    }
}

#[test]
fn a_slow_backend_is_waited_for() {
    let backend = BackendDouble::start();
    backend.always(
        ".",
        [Step::Wait(Duration::from_millis(700)), Step::Ordinary],
    );
    backend.always(
        "RCPT *",
        [Step::Wait(Duration::from_millis(300)), Step::Ordinary],
    );
    let proxy = Proxy::before(backend.address()).start();
    assert_eq!(deliver(&mut Client::greeted(proxy.plain())), 250);
}

#[test]
fn a_commit_without_a_reply_is_a_451_and_not_tried_again() {
    for (keyword, end) in [("8BITMIME", "."), ("CHUNKING", "BDAT * LAST")] {
        let backend = BackendDouble::start();
        backend.offer(["PIPELINING", "SIZE 1000000", keyword]);
        backend.once(end, [Step::Commit, Step::Close]);
        let proxy = Proxy::before(backend.address()).start();
        assert_eq!(deliver(&mut Client::greeted(proxy.plain())), 451);
        std::thread::sleep(Duration::from_millis(300));
        let heard = backend.heard();
        let lines = heard.iter().flat_map(|it| &it.lines);
        let is_end = |line: &&String| *line == "." || line.ends_with(" LAST");
        let ends: Vec<_> = lines.filter(is_end).collect();
        assert_eq!(
            ends.len(),
            1,
            "one attempt, whose outcome is unknown: {ends:?}"
        );
        assert_eq!(backend.deliveries().len(), 1);
    }
}

/// A line that never ends is given up where a reply would long have ended: the connection is dropped while most of it is still
/// to come. What the network itself keeps on the way, some megabytes, was taken from the double too.
#[test]
fn a_hundred_megabytes_of_reply_are_not_read() {
    const LINE: usize = 100_000_000;
    const BUFFERED: usize = 20_000_000;
    for command in ["<connect>", "EHLO *", "MAIL *", "RCPT *", "DATA", "."] {
        let backend = BackendDouble::start();
        backend.always(command, [Step::Flood(b'x', LINE)]);
        // On an idle connection it would be tried again.
        let proxy = Proxy::before(backend.address())
            .set("[backend]\nidle = \"0s\"\n")
            .start();
        let mut client = Client::greeted(proxy.plain());
        let reply = client.deliver("alice@example.com", &["bob@example.org"], MESSAGE);
        assert!(reply.text().starts_with("451 4."), "{command}: {reply:?}");
        let floods = floods(&backend);
        println!("{command}: {floods:?}");
        let is_dropped = |it: &Flooded| it.cut_off && it.octets < BUFFERED;
        assert!(floods.iter().all(is_dropped), "{command}: {floods:?}");
        assert_eq!(backend.deliveries().len(), 0, "{command}");
        backend.behave();
        until_delivered(&proxy);
    }
}

/// What became of them, once there is one.
fn floods(backend: &BackendDouble) -> Vec<Flooded> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let floods = backend.floods();
        if !floods.is_empty() {
            return floods;
        }
        assert!(Instant::now() < deadline, "the flood is not stemmed");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// An address that was out of use is tried again soon.
fn until_delivered(proxy: &Proxy) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while deliver(&mut Client::greeted(proxy.plain())) != 250 {
        assert!(Instant::now() < deadline, "it does not recover");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_greeting_that_refuses_is_a_451_at_rcpt() {
    let backend = BackendDouble::start();
    backend.always("<connect>", [say("554 5.3.2 no service"), Step::Close]);
    let proxy = Proxy::before(backend.address()).start();
    let mut client = Client::greeted(proxy.plain());
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "451 4.*");
    client.ask("RSET", "250 *");
    backend.forget();
    assert_eq!(deliver(&mut client), 250);
}

/// Waits until the client's connection is given back, and closed.
fn until_given_back(backend: &BackendDouble) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while backend.connections() > 0 {
        assert!(Instant::now() < deadline, "it is held for ever");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn after_hold_the_journal_is_played_again() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .set("[backend]\nhold = \"2s\"\nidle = \"0s\"\n")
        .start();
    let mut client = Client::greeted(proxy.plain());
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "250 *");
    client.ask("DATA", "354 *");
    until_given_back(&backend);
    assert_eq!(backend.deliveries().len(), 0);
    client.content(MESSAGE);
    client.expect("250 *");
    let heard: Vec<String> = backend
        .heard()
        .into_iter()
        .flat_map(|it| it.lines)
        .collect();
    let mails = heard
        .iter()
        .filter(|line| line.starts_with("MAIL "))
        .count();
    // On a busy machine there may have been a silence before DATA, too.
    assert!((2..=3).contains(&mails), "{heard:?}");
    assert_eq!(backend.deliveries().len(), 1);
}

#[test]
fn a_backend_that_changed_its_mind_after_hold_gets_nothing() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .set("[backend]\nhold = \"2s\"\nidle = \"0s\"\n")
        .start();
    for later in ["550 5.1.1 gone", "451 4.2.0 busy"] {
        let mut client = Client::greeted(proxy.plain());
        client.ask("MAIL FROM:<alice@example.com>", "250 *");
        client.ask("RCPT TO:<bob@example.org>", "250 *");
        client.ask("DATA", "354 *");
        backend.once("RCPT *", [say(later)]);
        until_given_back(&backend);
        client.content(MESSAGE);
        client.expect("451 4.*");
    }
    assert_eq!(backend.deliveries().len(), 0);
}

/// RFC 6531 section 3.5: nobody said yes yet, and no address takes it.
#[test]
fn smtputf8_that_the_backend_no_longer_offers_is_550_at_rcpt() {
    let backend = BackendDouble::start();
    backend.offer(["SIZE 1000000", "8BITMIME", "SMTPUTF8"]);
    let proxy = Proxy::before(backend.address())
        .set("[backend]\nidle = \"0s\"\noffer-age = \"1h\"\n")
        .start();
    proxy.until_offered("SMTPUTF8");
    let mut client = Client::greeted(proxy.plain());
    backend.offer(["SIZE 1000000", "8BITMIME"]);
    let mail = "MAIL FROM:<al\u{ef}ce@example.com> SMTPUTF8";
    client.ask(mail, "250 *");
    client.ask(
        "RCPT TO:<bob@example.org>",
        "550 5.6.7 The mail server no longer takes UTF-8 addresses (*)",
    );
    client.ask("RSET", "250 *");
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "250 *");
}

/// Another address, or the same one behind a change: what it has less is no reason to give the message up.
#[test]
fn a_backend_that_offers_less_after_hold_is_no_reason_for_a_bounce() {
    let all = ["PIPELINING", "SIZE 1000000", "8BITMIME", "SMTPUTF8", "DSN"];
    let less = [
        ["SIZE 1000000", "8BITMIME", "DSN"],
        ["SIZE 1000000", "8BITMIME", "SMTPUTF8"],
        ["SIZE 20", "SMTPUTF8", "DSN"],
    ];
    for offer in less {
        let backend = BackendDouble::start();
        backend.offer(all);
        let proxy = Proxy::before(backend.address())
            .set("[backend]\nhold = \"2s\"\nidle = \"0s\"\noffer-age = \"1h\"\n")
            .start();
        proxy.until_offered("SMTPUTF8");
        let mut client = Client::greeted(proxy.plain());
        client.ask("MAIL FROM:<alice@example.com> SMTPUTF8 RET=HDRS", "250 *");
        client.ask("RCPT TO:<bob@example.org>", "250 *");
        client.ask("DATA", "354 *");
        backend.offer(offer);
        until_given_back(&backend);
        client.content(MESSAGE);
        client.expect("451 4.3.2 The mail server takes less now than before, try later (*)");
        assert_eq!(backend.deliveries().len(), 0);
    }
}

/// BDAT is for what a journey less matters to, and for backends that are surely there.
#[test]
fn large_messages_and_late_ones_go_out_by_data() {
    let large = [
        b"Subject: hello\r\n\r\n".to_vec(),
        b"A line.\r\n".repeat(8000),
    ]
    .concat();
    let late = Duration::from_millis(5200);
    for (message, wait, verb) in [
        (MESSAGE, Duration::ZERO, "BDAT"),
        (MESSAGE, late, "DATA"),
        (&*large, Duration::ZERO, "DATA"),
    ] {
        let backend = BackendDouble::start();
        backend.offer(["PIPELINING", "SIZE 1000000", "8BITMIME", "CHUNKING"]);
        backend.record_commands_only();
        let proxy = Proxy::before(backend.address()).start();
        let mut client = Client::greeted(proxy.plain());
        client.ask("MAIL FROM:<alice@example.com>", "250 *");
        client.ask("RCPT TO:<bob@example.org>", "250 *");
        std::thread::sleep(wait);
        client.ask("DATA", "354 *");
        client.content(message);
        client.expect("250 *");
        let heard = backend.heard();
        let mut lines = heard.iter().flat_map(|it| &it.lines);
        assert!(
            lines.any(|line| line.starts_with(verb)),
            "{verb}: {heard:#?}"
        );
        let taken = backend.deliveries().remove(0).octets;
        assert!(taken.ends_with(message), "{verb}");
    }
}

#[test]
fn identity_by_xclient_starts_with_the_client() {
    let backend = BackendDouble::start();
    backend.offer([
        "PIPELINING",
        "SIZE 1000000",
        "8BITMIME",
        "XCLIENT NAME ADDR PORT PROTO HELO LOGIN",
    ]);
    let proxy = Proxy::before(backend.address())
        .set("[backend]\nidentity = \"xclient\"\n")
        .start();
    assert_eq!(deliver(&mut Client::greeted(proxy.plain())), 250);
    let heard: Vec<String> = backend
        .heard()
        .into_iter()
        .flat_map(|it| it.lines)
        .collect();
    let told = heard
        .iter()
        .position(|line| line.starts_with("XCLIENT ") && line.contains("ADDR=127.0.0.1"));
    let mail = heard.iter().position(|line| line.starts_with("MAIL "));
    assert!(told.is_some() && told < mail, "{heard:?}");
    assert!(
        heard.iter().any(|line| line == "EHLO client.example.com"),
        "{heard:?}"
    );
}

#[test]
fn identity_that_the_backend_does_not_offer_is_a_451() {
    let backend = BackendDouble::start();
    for identity in ["xclient", "xforward"] {
        let proxy = Proxy::before(backend.address())
            .set(&format!("[backend]\nidentity = \"{identity}\"\n"))
            .start();
        let mut client = Client::greeted(proxy.plain());
        client.ask("MAIL FROM:<alice@example.com>", "250 *");
        client.ask("RCPT TO:<bob@example.org>", "451 4.3.5 *");
    }
    assert_eq!(backend.deliveries().len(), 0);
}

#[test]
fn identity_by_xforward_names_the_client() {
    let backend = BackendDouble::start();
    backend.offer([
        "PIPELINING",
        "SIZE 1000000",
        "8BITMIME",
        "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE",
    ]);
    let proxy = Proxy::before(backend.address())
        .set("[backend]\nidentity = \"xforward\"\n")
        .start();
    assert_eq!(deliver(&mut Client::greeted(proxy.plain())), 250);
    let heard: Vec<String> = backend
        .heard()
        .into_iter()
        .flat_map(|it| it.lines)
        .collect();
    let told: String = heard
        .iter()
        .filter(|line| line.starts_with("XFORWARD "))
        .cloned()
        .collect();
    assert!(
        told.contains("ADDR=127.0.0.1") && told.contains("HELO=client.example.com"),
        "{heard:?}"
    );
}

/// What the client hears of a message, with the backend's TLS policy and what the backend does at STARTTLS.
fn with_tls(policy: &str, offers: bool, steps: Option<Step>) -> u16 {
    let backend = BackendDouble::start();
    let mut offer = vec!["PIPELINING", "SIZE 1000000", "8BITMIME"];
    if offers {
        offer.push("STARTTLS");
    }
    backend.offer(offer);
    if let Some(step) = steps {
        backend.always("STARTTLS", [step]);
    }
    let proxy = Proxy::before(backend.address())
        .set(&format!("[backend]\n{policy}\n"))
        .start();
    deliver(&mut Client::greeted(proxy.plain()))
}

#[test]
fn tls_to_the_backend_never_falls_back() {
    let verify = "tls = \"verify\"\nname = \"mx.example.org\"\nca = \"cert.pem\"";
    assert_eq!(with_tls("tls = \"opportunistic\"", true, None), 250);
    assert_eq!(with_tls("tls = \"opportunistic\"", false, None), 250);
    assert_eq!(with_tls("tls = \"require\"", true, None), 250);
    assert_eq!(with_tls("tls = \"require\"", false, None), 451);
    assert_eq!(with_tls(verify, true, None), 250);
    assert_eq!(with_tls(verify, false, None), 451);
    let other = "tls = \"verify\"\nname = \"other.example.org\"\nca = \"cert.pem\"";
    assert_eq!(with_tls(other, true, None), 451);
    let refused = say("454 4.7.0 no TLS now");
    for policy in ["tls = \"opportunistic\"", "tls = \"require\"", verify] {
        assert_eq!(
            with_tls(policy, true, Some(refused.clone())),
            451,
            "{policy}"
        );
    }
}

#[test]
fn octets_behind_the_backends_220_are_not_taken_for_replies() {
    let injected = Step::Say(b"220 2.0.0 go ahead\r\n250 injected\r\n".to_vec());
    for policy in ["opportunistic", "require"] {
        let policy = format!("tls = \"{policy}\"");
        assert_eq!(
            with_tls(&policy, true, Some(injected.clone())),
            451,
            "{policy}"
        );
    }
}

/// What one client after another hears until `stop`, with when each came and went; how many heard 451.
fn visits(
    address: SocketAddr,
    stop: &AtomicBool,
    refused: &AtomicUsize,
) -> Vec<(Instant, Instant, u16)> {
    let mut told = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let came = Instant::now();
        let code = deliver(&mut Client::greeted(address));
        told.push((came, Instant::now(), code));
        refused.fetch_add(usize::from(code == 451), Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(5));
    }
    told
}

/// Waits until so many more are counted.
fn until_more(count: &AtomicUsize, more: usize) {
    let wanted = count.load(Ordering::SeqCst) + more;
    let deadline = Instant::now() + Duration::from_secs(60);
    while count.load(Ordering::SeqCst) < wanted && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn while_the_certificate_is_expired_clients_hear_451_and_nothing_goes_in_clear() {
    let (first, expired, renewed) = (
        Certificate::make(),
        Certificate::expired(),
        Certificate::make(),
    );
    let backend = BackendDouble::start();
    backend.offer(["PIPELINING", "SIZE 1000000", "8BITMIME", "STARTTLS"]);
    backend.present(&first);
    let believed = [&first, &expired, &renewed].map(Certificate::pem).concat();
    let proxy = Proxy::before(backend.address())
        .file("believed.pem", believed.as_bytes())
        .set("[backend]\ntls = \"verify\"\nname = \"mx.example.org\"\nca = \"believed.pem\"\n")
        .start();
    let (address, stop) = (proxy.plain(), AtomicBool::new(false));
    let refused = AtomicUsize::new(0);
    let (told, bad, good) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| visits(address, &stop, &refused)))
            .collect();
        backend.wait_for(20);
        backend.present(&expired);
        backend.hang_up();
        let bad = Instant::now();
        until_more(&refused, 16);
        let good = Instant::now();
        backend.present(&renewed);
        let before = backend.deliveries().len();
        backend.wait_for(before + 20);
        stop.store(true, Ordering::SeqCst);
        let told: Vec<_> = clients
            .into_iter()
            .flat_map(|it| it.join().expect("answered"))
            .collect();
        (told, bad, good)
    });
    let meanwhile = told
        .iter()
        .filter(|(came, went, _)| *came >= bad && *went <= good);
    let codes: Vec<_> = meanwhile.map(|(.., code)| *code).collect();
    println!(
        "{} visits, {} of them while it was expired",
        told.len(),
        codes.len()
    );
    assert!(
        codes.len() > 4 && codes.iter().all(|code| *code == 451),
        "{codes:?}"
    );
    assert!(told.iter().all(|(.., code)| [250, 451].contains(code)));
    assert!(
        told.iter()
            .any(|(came, _, code)| *came > good && *code == 250)
    );
    let accepted = told.iter().filter(|(.., code)| *code == 250).count();
    assert!(backend.deliveries().len() >= accepted, "lost");
    for connection in backend.heard() {
        let lines = &connection.lines;
        let at = |verb: &str| lines.iter().position(|line| line.starts_with(verb));
        assert!(
            at("MAIL").is_none() || at("STARTTLS") < at("MAIL"),
            "{lines:?}"
        );
    }
}
