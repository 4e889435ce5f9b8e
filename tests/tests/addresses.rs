//! A backend with several addresses: mail is spread, one that is dead is gone round and found again.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use lazaret_tests::backend::say;
use lazaret_tests::ports::free_port;
use lazaret_tests::{BackendDouble, Client, Proxy, Step};

const MESSAGE: &[u8] = b"Subject: hello\r\n\r\nA line.\r\n";

fn deliver(client: &mut Client) -> u16 {
    client
        .deliver("alice@example.com", &["bob@example.org"], MESSAGE)
        .code
}

fn visit(proxy: &Proxy) -> u16 {
    deliver(&mut Client::greeted(proxy.plain()))
}

/// A proxy before these addresses.
fn before(addresses: &[SocketAddr], settings: &str) -> Proxy {
    let list: Vec<_> = addresses.iter().map(|it| format!("\"{it}\"")).collect();
    let list = list.join(", ");
    Proxy::before(addresses[0])
        .set(&format!("[backend]\naddress = [{list}]\n{settings}\n"))
        .start()
}

fn counts(backends: [&BackendDouble; 2]) -> [usize; 2] {
    backends.map(|backend| backend.deliveries().len())
}

#[test]
fn mail_is_spread_evenly() {
    let (one, two) = (BackendDouble::start(), BackendDouble::start());
    let proxy = before(&[one.address(), two.address()], "");
    let visits: Vec<_> = (0..20).map(|_| visit(&proxy)).collect();
    assert_eq!(visits, [250; 20]);
    let [first, second] = counts([&one, &two]);
    assert_eq!(first + second, 20);
    assert!(first.abs_diff(second) <= 4, "{first} and {second}");
}

#[test]
fn one_that_is_down_is_gone_round_and_found_again_within_a_second() {
    let one = BackendDouble::start();
    let later = free_port();
    let proxy = before(&[one.address(), later], "");
    for _ in 0..5 {
        assert_eq!(visit(&proxy), 250);
    }
    assert_eq!(one.deliveries().len(), 5);
    let two = BackendDouble::start_at(later);
    let begun = Instant::now();
    while two.deliveries().is_empty() {
        assert_eq!(visit(&proxy), 250);
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "never found again"
        );
    }
    println!("found again after {:?}", begun.elapsed());
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn all_that_fails_before_a_promise_is_done_by_the_other() {
    let failures = [
        ("<connect>", vec![Step::Close]),
        ("<connect>", vec![say("421 4.3.2 too busy"), Step::Close]),
        ("<connect>", vec![say("554 5.3.2 no service"), Step::Close]),
        ("EHLO *", vec![Step::Close]),
        ("EHLO *", vec![say("550 5.5.1 no")]),
        ("MAIL *", vec![Step::Close]),
        ("MAIL *", vec![say("421 4.3.2 going down"), Step::Close]),
        ("MAIL *", vec![say("nonsense")]),
    ];
    for (pattern, steps) in failures {
        let (one, two) = (BackendDouble::start(), BackendDouble::start());
        one.always(pattern, steps.clone());
        let proxy = before(&[one.address(), two.address()], "");
        for _ in 0..6 {
            assert_eq!(visit(&proxy), 250, "{pattern} {steps:?}");
        }
        assert_eq!(counts([&one, &two]), [0, 6], "{pattern} {steps:?}");
    }
}

/// A refusal is an answer: the other one is not asked for a better one.
#[test]
fn a_refusal_is_not_asked_of_the_other() {
    let (one, two) = (BackendDouble::start(), BackendDouble::start());
    for backend in [&one, &two] {
        backend.always("MAIL *", [say("550 5.7.1 not you")]);
    }
    let proxy = before(&[one.address(), two.address()], "");
    let mut client = Client::greeted(proxy.plain());
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "550 5.7.1 not you");
    let asked = |backend: &BackendDouble| {
        let heard = backend.heard();
        let lines = heard.iter().flat_map(|heard| &heard.lines);
        lines.filter(|line| line.starts_with("MAIL ")).count()
    };
    assert_eq!(asked(&one) + asked(&two), 1);
}

/// Which of the two has the transaction that was begun.
fn begun<'b>(
    one: &'b BackendDouble,
    two: &'b BackendDouble,
) -> (&'b BackendDouble, &'b BackendDouble) {
    let has = |backend: &BackendDouble| {
        let heard = backend.heard();
        heard
            .iter()
            .flat_map(|heard| &heard.lines)
            .any(|line| line.starts_with("MAIL "))
    };
    if has(one) { (one, two) } else { (two, one) }
}

#[test]
fn after_mail_the_journal_is_played_at_the_other() {
    for death in ["RCPT TO:<carol*", "DATA"] {
        let (one, two) = (BackendDouble::start(), BackendDouble::start());
        let proxy = before(&[one.address(), two.address()], "");
        let mut client = Client::greeted(proxy.plain());
        client.ask("MAIL FROM:<alice@example.com>", "250 *");
        client.ask("RCPT TO:<bob@example.org>", "250 *");
        let (dying, other) = begun(&one, &two);
        dying.always(death, [Step::Close]);
        dying.always("<connect>", [Step::Close]);
        client.ask("RCPT TO:<carol@example.org>", "250 *");
        client.ask("DATA", "354 *");
        client.content(MESSAGE);
        client.expect("250 *");
        assert_eq!(dying.deliveries().len(), 0, "at {death}");
        let taken = other.deliveries();
        assert_eq!(taken.len(), 1, "at {death}");
        assert_eq!(
            taken[0].envelope,
            [
                "MAIL FROM:<alice@example.com>",
                "RCPT TO:<bob@example.org>",
                "RCPT TO:<carol@example.org>"
            ]
        );
    }
}

#[test]
fn another_that_refuses_a_recipient_gets_nothing() {
    let (one, two) = (BackendDouble::start(), BackendDouble::start());
    let proxy = before(&[one.address(), two.address()], "");
    let mut client = Client::greeted(proxy.plain());
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "250 *");
    client.ask("RCPT TO:<carol@example.org>", "250 *");
    client.ask("DATA", "354 *");
    let (dying, other) = begun(&one, &two);
    dying.always("DATA", [Step::Close]);
    dying.always("<connect>", [Step::Close]);
    other.always("RCPT TO:<carol*", [say("550 5.1.1 nobody here")]);
    client.content(MESSAGE);
    client.expect("451 4.3.0 *");
    assert_eq!(counts([&one, &two]), [0, 0]);
}

/// It may have been taken: nobody else gets it.
#[test]
fn after_the_dot_nothing_is_tried_again() {
    let steps = [vec![Step::Close], vec![Step::Commit, Step::Close]];
    let ends = [("8BITMIME", "."), ("CHUNKING", "BDAT * LAST")];
    for (steps, (keyword, end)) in steps.iter().flat_map(|it| ends.map(|end| (it, end))) {
        let commits = usize::from(steps.contains(&Step::Commit));
        let (one, two) = (BackendDouble::start(), BackendDouble::start());
        for backend in [&one, &two] {
            backend.offer(["PIPELINING", "SIZE 1000000", keyword]);
            backend.always(end, steps.clone());
        }
        let proxy = before(&[one.address(), two.address()], "");
        assert_eq!(visit(&proxy), 451);
        std::thread::sleep(Duration::from_millis(200));
        let dots = [&one, &two].map(|backend| {
            let heard = backend.heard();
            let lines = heard.iter().flat_map(|heard| &heard.lines);
            let is_end = |line: &&String| *line == "." || line.ends_with(" LAST");
            lines.filter(is_end).count()
        });
        assert_eq!(dots.iter().sum::<usize>(), 1, "{dots:?}");
        assert_eq!(counts([&one, &two]).iter().sum::<usize>(), commits);
    }
}

#[test]
fn clients_are_offered_what_all_that_are_alive_offer() {
    let one = BackendDouble::start();
    one.offer(["PIPELINING", "SIZE 3000000", "8BITMIME", "DSN"]);
    let two = BackendDouble::start();
    two.offer(["PIPELINING", "SIZE 2000000", "8BITMIME"]);
    let proxy = before(&[one.address(), two.address()], "");
    let offer = || {
        let mut client = Client::connect(proxy.plain());
        client.expect("220 *");
        client.ask("EHLO client.example.com", "250 *").text()
    };
    // Neither is waited for longer than half a second.
    let smaller = format!("SIZE {}", 2_000_000 - (64 << 10));
    let deadline = Instant::now() + Duration::from_secs(30);
    let both = loop {
        let offer = offer();
        if offer.contains(&smaller) {
            break offer;
        }
        assert!(Instant::now() < deadline, "{offer}");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(!both.contains("DSN"), "{both}");
    drop(two);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !offer().contains("DSN") {
        assert!(Instant::now() < deadline, "{}", offer());
    }
    assert!(offer().contains(&format!("SIZE {}", 3_000_000 - (64 << 10))));
}

/// It takes connections and says nothing: one client waits for it, those after him do not.
#[test]
fn one_that_hangs_is_left_alone() {
    let (one, two) = (BackendDouble::start(), BackendDouble::start());
    one.always("<connect>", [Step::Silence]);
    let proxy = before(
        &[one.address(), two.address()],
        "reply = \"3s\"\nconnect = \"3s\"",
    );
    let begun = Instant::now();
    for _ in 0..10 {
        assert_eq!(visit(&proxy), 250);
    }
    println!("ten messages in {:?}", begun.elapsed());
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(counts([&one, &two]), [0, 10]);
    one.forget();
    let deadline = Instant::now() + Duration::from_secs(30);
    while one.deliveries().is_empty() {
        assert_eq!(visit(&proxy), 250);
        assert!(Instant::now() < deadline, "never found again");
    }
}

/// All of them hang: whoever comes while one client is trying hears 451 at once, not after the deadline.
#[test]
fn when_all_hang_clients_are_not_kept_waiting() {
    let one = BackendDouble::start();
    one.always("<connect>", [Step::Silence]);
    let proxy = before(&[one.address()], "reply = \"10s\"\nconnect = \"10s\"");
    let address = proxy.plain();
    let mail = || {
        let mut client = Client::greeted(address);
        let begun = Instant::now();
        client.ask("MAIL FROM:<alice@example.com>", "250 *");
        client.ask("RCPT TO:<bob@example.org>", "451 4.3.*");
        begun.elapsed()
    };
    // Now it is known to be down.
    mail();
    let mut waits: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..20).map(|_| scope.spawn(mail)).collect();
        clients
            .into_iter()
            .map(|it| it.join().expect("answered"))
            .collect()
    });
    waits.sort();
    println!("waited {waits:?}");
    let median = waits[waits.len() / 2];
    assert!(median < Duration::from_secs(5), "{waits:?}");
    one.forget();
    let deadline = Instant::now() + Duration::from_secs(30);
    while visit(&proxy) != 250 {
        assert!(Instant::now() < deadline, "never found again");
    }
}

/// It greets well and fails every transaction: a health check does not see that.
#[test]
fn one_that_fails_every_transaction_is_left_alone_for_longer_and_longer() {
    let (one, two) = (BackendDouble::start(), BackendDouble::start());
    one.always("MAIL *", [Step::Close]);
    let proxy = before(&[one.address(), two.address()], "");
    let begun = Instant::now();
    for _ in 0..60 {
        assert_eq!(visit(&proxy), 250);
    }
    let heard = one.heard();
    let lines = heard.iter().flat_map(|heard| &heard.lines);
    let asked = lines.filter(|line| line.starts_with("MAIL ")).count();
    // Each failure is two lines at most: on an idle connection and on a fresh one. Three to know it, then trials with
    // pauses of 1, 2, 4 s.
    let trials = (begun.elapsed().as_secs_f64() + 1.0).log2().floor() as usize;
    println!("asked {asked} times in {:?}", begun.elapsed());
    assert!(
        asked >= 3 && asked <= 2 * (3 + trials),
        "{asked} with {trials} trials"
    );
    assert_eq!(two.deliveries().len(), 60);
}

#[test]
fn one_that_dies_under_load_costs_no_message() {
    let (one, two) = (BackendDouble::start(), BackendDouble::start());
    let proxy = before(&[one.address(), two.address()], "connections = 10");
    let address = proxy.plain();
    let client = |number: usize| {
        let mut told = Vec::new();
        for message in 0..20 {
            let token = format!("token-{number}-{message}");
            let text = format!("Subject: {token}\r\n\r\n{token}\r\n");
            let mut client = Client::greeted(address);
            let to = ["bob@example.org"];
            let reply = client.deliver("alice@example.com", &to, text.as_bytes());
            told.push((text, reply.code));
        }
        told
    };
    let told: Vec<_> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..10).map(|n| scope.spawn(move || client(n))).collect();
        std::thread::sleep(Duration::from_millis(300));
        one.always("<connect>", [Step::Close]);
        one.hang_up();
        clients
            .into_iter()
            .flat_map(|it| it.join().expect("answered"))
            .collect()
    });
    let mut taken: Vec<_> = [&one, &two]
        .into_iter()
        .flat_map(|it| it.deliveries())
        .collect();
    taken.sort_by(|a, b| a.octets.cmp(&b.octets));
    let stored = taken.len();
    taken.dedup_by(|a, b| a.octets == b.octets);
    assert_eq!(taken.len(), stored, "delivered twice");
    let (accepted, refused): (Vec<_>, Vec<_>) = told.iter().partition(|(_, code)| *code == 250);
    for (text, _) in &accepted {
        let is_it = |octets: &[u8]| octets.ends_with(text.as_bytes());
        assert!(taken.iter().any(|it| is_it(&it.octets)), "lost: {text}");
    }
    println!("{} accepted, {} refused", accepted.len(), refused.len());
    // Only what was between DATA and the reply to its dot.
    assert!(refused.len() <= 10, "{}", refused.len());
    assert!(refused.iter().all(|(_, code)| *code == 451));
}

#[test]
fn a_host_name_stands_for_its_addresses() {
    let backend = BackendDouble::start();
    let port = backend.address().port();
    let proxy = Proxy::before(backend.address())
        .set(&format!("[backend]\naddress = [\"localhost:{port}\"]\n"))
        .start();
    for _ in 0..3 {
        assert_eq!(visit(&proxy), 250);
    }
    assert_eq!(backend.deliveries().len(), 3);
}

#[test]
fn a_host_name_without_address_is_a_451() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .set("[backend]\naddress = [\"no-such-host.invalid:25\"]\n")
        .start();
    let mut client = Client::greeted(proxy.plain());
    client.ask("MAIL FROM:<alice@example.com>", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "451 4.3.2 *");
}

/// What the admin port says.
fn ask(admin: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(admin).expect("the admin port listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn one_of_two_dead_is_degraded_and_both_are_red() {
    let (one, two) = (BackendDouble::start(), BackendDouble::start());
    let admin = free_port();
    let list = format!("[\"{}\", \"{}\"]", one.address(), two.address());
    let proxy = Proxy::before(one.address())
        .set(&format!(
            "[backend]\naddress = {list}\n[admin]\nlisten = [\"{admin}\"]\n"
        ))
        .start();
    let until = |begins: &str, says: &str| {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = ask(admin, "/healthz");
            if answer.starts_with(begins) && answer.contains(says) {
                return;
            }
            assert!(Instant::now() < deadline, "{answer}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    until("HTTP/1.1 200", "ok\n");
    assert_eq!(visit(&proxy), 250);
    let down = two.address();
    drop(two);
    until("HTTP/1.1 200", "degraded");
    until("HTTP/1.1 200", &format!("backend address {down}: "));
    let status = ask(admin, "/status");
    assert!(
        status.contains("\"state\":\"down\"") && status.contains("\"state\":\"up\""),
        "{status}"
    );
    drop(one);
    until("HTTP/1.1 503", "the backend cannot be used");
}

#[test]
fn a_commit_without_a_reply_is_counted() {
    let backend = BackendDouble::start();
    let admin = free_port();
    let proxy = Proxy::before(backend.address())
        .set(&format!("[admin]\nlisten = [\"{admin}\"]\n"))
        .start();
    backend.once(".", [Step::Commit, Step::Close]);
    assert_eq!(visit(&proxy), 451);
    assert_eq!(visit(&proxy), 250);
    let status = ask(admin, "/status");
    assert!(status.contains("\"ambiguous\":1"), "{status}");
    let counted = format!(
        "lazaret_backend_ambiguous_total{{backend=\"{}\"}} 1.0",
        backend.address()
    );
    let metrics = ask(admin, "/metrics");
    assert!(metrics.lines().any(|line| line == counted), "{metrics}");
}
