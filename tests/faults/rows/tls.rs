//! Rows 28 and 29: TLS cut short, flooded, and a backend with the wrong certificate.

use std::time::Duration;

use super::accepted;
use crate::certificate::Certificate;
use crate::client::stuffed;
use crate::faults::client::{Connection, Security};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Neighbour, Row};
use crate::stream::Stream;

pub(super) const ROWS: [Row; 2] = [
    Row::new(28, "TLS ends without close_notify; key updates", broken_off),
    Row {
        site: |builder, _| {
            builder
                .set("[backend]\ntls = \"verify\"\nname = \"mx.example.org\"\nca = \"cert.pem\"\n")
        },
        neighbour: Neighbour::Shares,
        ..Row::new(29, "backend's certificate is another", certificate)
    },
];

fn secure(ground: &Ground) -> Connection {
    let opened = Connection::open(ground.program.address("implicit"), Security::Tls);
    let mut connection = opened.expect("a handshake");
    assert_eq!(connection.greet("client.example.com").ok(), Some(250));
    connection
}

fn broken_off(ground: &mut Ground) -> String {
    let load = ground.begin(Load {
        clients: 4,
        security: Security::Tls,
        ..Load::of("tls", ground.share(1))
    });
    for n in 0..ground.times(60) {
        // Without the dot, with half of it, with all but its last octet.
        for missing in [5, 3, 1] {
            truncated(ground, n, missing);
        }
    }
    for n in 0..ground.times(5) {
        flood(ground, n);
    }
    load.finish();
    ground.only("tls/", accepted);
    format!(
        "cut: {}; after a flood of key updates: {}",
        ground.heard("cut-"),
        ground.heard("flood-")
    )
}

/// The end of the connection is no end of a message.
fn truncated(ground: &Ground, number: usize, missing: usize) {
    let letter = Letter::new(&format!("cut-{missing}-{number}"), FINE, 1_500);
    let mut connection = secure(ground);
    assert_eq!(connection.begin(&letter).ok(), Some(354));
    let wire = stuffed(&letter.octets);
    let sent = connection.octets(&wire[..wire.len() - missing]);
    sent.expect("the proxy reads");
    connection.vanish();
    ground.enter(&letter.token, Told::Cut);
}

/// Key updates one after the other (RFC 8446 section 4.6.3): closed or served.
fn flood(ground: &Ground, number: usize) {
    let letter = Letter::new(&format!("flood-{number}"), FINE, 1_500);
    let mut connection = secure(ground);
    for _ in 0..2_000 {
        let Stream::Client(tls) = connection.stream() else {
            panic!("not in TLS");
        };
        tls.conn.refresh_traffic_keys().expect("TLS 1.3");
        if tls.conn.write_tls(&mut tls.sock).is_err() {
            break;
        }
    }
    let told = connection.deliver(&letter);
    ground.enter(&letter.token, told);
}

fn certificate(ground: &mut Ground) -> String {
    ground.load(Load::of("right", ground.share(3)));
    ground.only("right/", accepted);
    ground.backend_down();
    ground.backend_up_presenting(Certificate::make());
    ground.load(Load::of("wrong", ground.share(3)));
    ground.only("wrong/", Told::is_temporary);
    in_the_clear(ground);
    ground.backend_down();
    ground.backend_up();
    ground.recovers("renewed", Duration::from_secs(1));
    ground.load(Load::of("right-again", ground.share(3)));
    ground.only("right-again/", accepted);
    in_the_clear(ground);
    format!("wrong: {}", ground.heard("wrong/"))
}

/// Nothing of a message was said in the clear.
fn in_the_clear(ground: &Ground) {
    for heard in ground.backend().heard() {
        let begun = heard.lines.iter().position(|line| line == "STARTTLS");
        let mail = heard
            .lines
            .iter()
            .position(|line| line.starts_with("MAIL "));
        assert!(
            mail.is_none() || begun < mail && begun.is_some(),
            "{heard:?}"
        );
    }
}
