//! `parallel = "scan"`: two filters wait for their scanners side by side.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use lazaret_tests::guests::Guest;
use lazaret_tests::{BackendDouble, Client, Proxy};

use crate::letter;

/// A scanner that waits for the other one, and then for so long, before it says this; once.
fn scanner(both: &Arc<Barrier>, wait: Duration, says: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let both = both.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let _ = lines.find(String::is_empty);
            both.wait();
            std::thread::sleep(wait);
            let length = says.len();
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            let _ = (&stream).write_all((head + says).as_bytes());
        }
    });
    address
}

/// In turn the first must be late, so it is not given long.
fn policy(server: SocketAddr, parallel: &str) -> String {
    let seconds = if parallel == "scan" { 20 } else { 2 };
    format!(
        "grant = [\"http:{server}\"]\nparallel = \"{parallel}\"\nwall = \"40s\"\nhttp-time = \"{seconds}s\"\n\
         [config]\nserver = \"http://{server}/\"\n"
    )
}

struct World {
    _proxy: Proxy,
    client: Client,
    backend: BackendDouble,
}

/// The first scanner takes longer than the second.
fn world(parallel: &str, says: [&'static str; 2]) -> World {
    let both = Arc::new(Barrier::new(2));
    let one = scanner(&both, Duration::from_millis(1500), says[0]);
    let other = scanner(&both, Duration::from_millis(100), says[1]);
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .filter("10-one", Guest::Scanner, &policy(one, parallel))
        .filter("20-other", Guest::Scanner, &policy(other, parallel))
        .start();
    World {
        client: Client::greeted(proxy.plain()),
        _proxy: proxy,
        backend,
    }
}

impl World {
    fn sent(&mut self) -> String {
        let letter = letter("a@example.com");
        let reply = self
            .client
            .deliver("a@example.com", &["bob@example.org"], letter.as_bytes());
        reply.text()
    }
}

/// Neither scanner answers before the other was asked: one after the other, both would be late. The second one's word is there
/// first, and the first one's counts.
#[test]
fn both_are_asked_at_once_and_answer_in_the_order_of_names() {
    let mut world = world("scan", ["one says no", "other says no"]);
    let begun = Instant::now();
    let reply = world.sent();
    assert!(reply.starts_with("550 5.7.1 one says no ("), "{reply}");
    assert!(
        begun.elapsed() >= Duration::from_millis(1500),
        "the slowest decides the wait"
    );
    assert!(world.backend.deliveries().is_empty());
}

#[test]
fn the_second_counts_where_the_first_has_no_objection() {
    let mut world = world("scan", ["", "other says no"]);
    let reply = world.sent();
    assert!(reply.starts_with("550 5.7.1 other says no ("), "{reply}");
}

/// The proof that the proof can fail: in turn, the first waits in vain for the second to be asked.
#[test]
fn in_turn_the_first_is_late() {
    let mut world = world("no", ["one says no", "other says no"]);
    let reply = world.sent();
    assert!(reply.starts_with("451 4.7.1 unavailable ("), "{reply}");
}
