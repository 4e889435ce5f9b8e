//! Odd and broken messages in `mail/`: whatever they are, the octets that go on are those that came.

use std::path::Path;

use lazaret_tests::guests::Guest;
use lazaret_tests::{BackendDouble, Client, Delivery, Proxy};

/// The files, with CRLF at the end of each line.
fn messages() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("mail");
    let mut all: Vec<_> = std::fs::read_dir(directory)
        .expect("tests/mail")
        .map(|entry| {
            let path = entry.expect("a readable entry").path();
            let name = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            (name, with_crlf(&std::fs::read(&path).expect("a message")))
        })
        .collect();
    all.sort();
    assert!(all.len() > 10, "the messages are there");
    all
}

fn with_crlf(text: &[u8]) -> Vec<u8> {
    let lines = text.split_inclusive(|octet| *octet == b'\n');
    let ended = lines.map(|line| [line.strip_suffix(b"\n").unwrap_or(line), b"\r\n"].concat());
    ended.collect::<Vec<_>>().concat()
}

/// Delivers all messages through one session and returns what arrived, in the same order.
fn relay(proxy: &Proxy, backend: &BackendDouble, all: &[(String, Vec<u8>)]) -> Vec<Delivery> {
    let mut client = Client::greeted(proxy.plain());
    for (name, message) in all {
        let reply = client.deliver("alice@example.com", &["bob@example.org"], message);
        assert_eq!(reply.code, 250, "{name}: {reply:?}");
    }
    client.ask("QUIT", "221 *");
    backend.wait_for(all.len())
}

#[test]
fn untouched_messages_arrive_octet_for_octet() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .set("trace = \"never\"")
        .start();
    let all = messages();
    let arrived = relay(&proxy, &backend, &all);
    for ((name, sent), delivery) in all.iter().zip(&arrived) {
        assert!(
            delivery.octets == *sent,
            "{name}: {} octets, not {}",
            delivery.octets.len(),
            sent.len()
        );
    }
}

#[test]
fn a_filter_that_looks_at_everything_and_adds_a_field_changes_nothing_else() {
    let backend = BackendDouble::start();
    let policy = "[config.message]\n\
        do = [{ note = [\"transaction\", \"parts\", \"{parts}\"] }, { log = [\"debug\", \"{fields} {size} {field:subject}\"] },\n\
              { add = [\"X-Looked-At\", \"yes\"] }]\n";
    let policy = format!("time = \"5s\"\n{policy}");
    let proxy = Proxy::before(backend.address())
        .set("trace = \"never\"")
        .filter("10-look", Guest::Puppet, &policy)
        .start();
    let all = messages();
    let arrived = relay(&proxy, &backend, &all);
    for ((name, sent), delivery) in all.iter().zip(&arrived) {
        let added = b"X-Looked-At: yes\r\n";
        let octets = &delivery.octets;
        let at = octets
            .windows(added.len())
            .position(|window| window == added);
        let at = at.unwrap_or_else(|| panic!("{name}: the field is there"));
        let rest = [&octets[..at], &octets[at + added.len()..]].concat();
        // A message without a header section now has one, and an empty line after it where there was none.
        let same = rest == *sent || (name == "only-header" && rest.starts_with(sent));
        assert!(same, "{name}: {} octets, not {}", rest.len(), sent.len());
    }
}
