//! Nothing is lost and nothing is delivered twice, whatever the backend does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use lazaret_tests::backend::say;
use lazaret_tests::{BackendDouble, Client, Proxy, Step};

const CLIENTS: usize = 12;
const MESSAGES: usize = 15;

/// What the backend does wrong, and at which command. Only `Commit` takes a message without saying so.
fn faults() -> Vec<(&'static str, Vec<Step>)> {
    let half = Step::Say(b"25".to_vec());
    vec![
        ("MAIL *", vec![Step::Close]),
        ("MAIL *", vec![say("421 4.3.2 going down"), Step::Close]),
        ("RCPT *", vec![half.clone(), Step::Close]),
        ("RCPT *", vec![say("451 4.3.0 busy")]),
        ("DATA", vec![say("999 what")]),
        ("DATA", vec![Step::Close]),
        ("<content>", vec![Step::Close]),
        (".", vec![Step::Close]),
        (".", vec![say("452 4.3.1 full")]),
        (".", vec![say("554 5.7.1 no")]),
        (".", vec![half, Step::Close]),
        (".", vec![Step::Commit, Step::Close]),
        (
            ".",
            vec![Step::Wait(Duration::from_millis(100)), Step::Ordinary],
        ),
        ("EHLO *", vec![Step::Close]),
        ("<connect>", vec![Step::Close]),
    ]
}

/// The same where messages go out in one chunk.
fn faults_of_chunks() -> Vec<(&'static str, Vec<Step>)> {
    let faults = faults().into_iter();
    let faults = faults.filter(|(pattern, _)| !["DATA", "<content>"].contains(pattern));
    let at_chunk = |(pattern, steps)| match pattern {
        "." => ("BDAT * LAST", steps),
        _ => (pattern, steps),
    };
    faults.map(at_chunk).collect()
}

/// What one client was told about each of its messages.
fn client(address: std::net::SocketAddr, number: usize) -> Vec<(String, u16)> {
    let mut client = Client::greeted(address);
    let send = |message: usize| {
        let token = format!("token-{number}-{message}");
        let text = format!("Subject: {token}\r\n\r\n{token}\r\n");
        let reply = client.deliver("alice@example.com", &["bob@example.org"], text.as_bytes());
        if reply.code != 250 {
            client.ask("RSET", "250 *");
        }
        (token, reply.code)
    };
    (0..MESSAGES).map(send).collect()
}

/// What all clients were told, each message by its token.
fn tell(address: std::net::SocketAddr) -> Vec<(String, u16)> {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| std::thread::spawn(move || client(address, number)))
        .collect();
    let join = |client: std::thread::JoinHandle<_>| client.join().expect("answered to its end");
    clients.into_iter().flat_map(join).collect()
}

/// How often the backend took each message.
fn taken(backend: &BackendDouble) -> BTreeMap<String, usize> {
    let mut taken = BTreeMap::new();
    for delivery in backend.deliveries() {
        let text = String::from_utf8_lossy(&delivery.octets).into_owned();
        let token = text.lines().last().expect("a body").to_owned();
        *taken.entry(token).or_default() += 1;
    }
    taken
}

#[test]
fn accepted_is_delivered_once_and_refused_is_not() {
    adds_up("8BITMIME", &faults());
}

#[test]
fn chunks_that_are_accepted_are_delivered_once_and_others_are_not() {
    adds_up("CHUNKING", &faults_of_chunks());
}

fn adds_up(keyword: &str, all: &[(&'static str, Vec<Step>)]) {
    let backend = BackendDouble::start();
    backend.offer(["PIPELINING", "SIZE 1000000", keyword]);
    let silent = all
        .iter()
        .filter(|(_, steps)| steps.contains(&Step::Commit))
        .count();
    for (pattern, steps) in all.iter().cycle().take(3 * all.len()) {
        backend.once(pattern, steps.clone());
    }
    let proxy = Proxy::before(backend.address())
        .set("[backend]\nconnections = 5\nreply = \"5s\"\naccept = \"10s\"\n")
        .start();
    let told = tell(proxy.plain());
    let taken = taken(&backend);

    let doubled: Vec<_> = taken.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "delivered twice: {doubled:?}");
    let (accepted, refused): (Vec<_>, Vec<_>) = told.iter().partition(|(_, code)| *code == 250);
    let lost: Vec<_> = accepted
        .iter()
        .filter(|(token, _)| !taken.contains_key(token))
        .collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    let ghosts = refused
        .iter()
        .filter(|(token, _)| taken.contains_key(token))
        .count();
    assert_eq!(
        ghosts,
        3 * silent,
        "only what the backend took without saying so"
    );

    println!(
        "{} accepted, {} refused, {ghosts} taken in silence",
        accepted.len(),
        refused.len()
    );
    assert!(refused.len() >= all.len(), "the faults happened");
    let codes: BTreeSet<u16> = told.iter().map(|(_, code)| *code).collect();
    assert!(
        codes.is_subset(&BTreeSet::from([250, 451, 452, 554])),
        "{codes:?}"
    );
}
