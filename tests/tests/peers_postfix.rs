//! The whole journey, to a real Postfix: the octets at the end are those at the start.

use std::time::{Duration, Instant};

use lazaret_tests::guests::Guest;
use lazaret_tests::peers::journey::{Noise, each_way, must_equal, sha256, with_header};
use lazaret_tests::peers::{self, Arrived, Backend, Postfix, Service};
use lazaret_tests::{Client, Proxy, Segments};

/// Everything a real backend needs to know of us: who the client is, by XCLIENT.
const XCLIENT: Service<'static> = Service {
    command: "smtpd -o smtpd_authorized_xclient_hosts=127.0.0.1",
};

fn before(postfix: &Postfix) -> lazaret_tests::proxy::Builder {
    Proxy::before(postfix.address()).set("[backend]\nidentity = \"xclient\"\n")
}

fn deliver(client: &mut Client, message: &[u8]) -> String {
    client.ask("MAIL FROM:<alice@example.com> BODY=8BITMIME", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "250 *");
    client.ask("DATA", "354 *");
    client.content(message);
    client.expect("250 *").text()
}

#[test]
fn octets_are_exact_on_every_way_in_whole_and_one_a_segment() {
    let Some(postfix) = Postfix::start(XCLIENT, "") else {
        return;
    };
    let proxy = before(&postfix).start();
    let message = with_header(b"Hello.\r\n..\r\n. \r\n.two\r\ntrailing  \t \r\n\r\n\r\nend\r\n");
    let mut count = 0;
    for segments in [Segments::Whole, Segments::Single] {
        for (way, mut client, _) in each_way(&proxy) {
            client.segments(segments);
            let reply = deliver(&mut client, &message);
            count += 1;
            must_equal(&postfix, &message, &newest(&postfix, count), &reply);
            client.ask("QUIT", "221 *");
            println!("{way}, {segments:?}: {} octets", message.len());
        }
    }
    peers::ran("postfix, three ways in, whole and one octet a segment");
}

#[test]
fn postfix_gets_a_small_message_in_one_chunk() {
    let Some(postfix) = Postfix::start(XCLIENT, "") else {
        return;
    };
    let proxy = before(&postfix).set("[backend]\nidle = \"0s\"\n").start();
    let message = with_header(b"Hello.\r\n..\r\n.two\r\n");
    let ways = each_way(&proxy).into_iter().zip(1..);
    let count = ways.map(|((_, mut client, _), count)| {
        let reply = deliver(&mut client, &message);
        must_equal(&postfix, &message, &newest(&postfix, count), &reply);
        client.ask("QUIT", "221 *");
        count
    });
    let count = count.max().expect("a way");
    let chunks = || postfix.log().matches(" bdat=1 ").count();
    let late = Instant::now() + Duration::from_secs(10);
    while chunks() < count && Instant::now() < late {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(chunks(), count, "{}", postfix.log());
    peers::ran("postfix, BDAT");
}

/// The last one of so many.
fn newest(postfix: &Postfix, count: usize) -> Arrived {
    let arrived = postfix.arrived(count);
    assert_eq!(arrived.len(), count, "what arrived");
    arrived.last().expect("at least one").clone()
}

/// The message arrives by each way in as it was.
fn must_arrive_by_each_way(message: &[u8], name: &str) {
    let Some(postfix) = Postfix::start(XCLIENT, "") else {
        return;
    };
    let proxy = before(&postfix).start();
    for (n, (way, mut client, _)) in each_way(&proxy).into_iter().enumerate() {
        let reply = deliver(&mut client, message);
        must_equal(&postfix, message, &newest(&postfix, n + 1), &reply);
        println!(
            "{way}: {} octets, SHA-256 {}",
            message.len(),
            sha256(message)
        );
        peers::ran(&format!("postfix, {name}, {way}"));
    }
}

#[test]
fn random_8bit_lines_arrive_as_they_were() {
    let message = with_header(&Noise::new(0x1a2a_4e7b_1a2a_4e7b).three_hundred_lines());
    must_arrive_by_each_way(&message, "8-bit");
}

#[test]
fn ten_megabytes_of_noise_arrive_as_they_were() {
    let mut noise = Noise::new(7);
    let mut body = Vec::new();
    while body.len() < 10 << 20 {
        body.extend(noise.line(76));
    }
    must_arrive_by_each_way(&with_header(&body), "10 MB");
}

#[test]
fn a_filters_fields_are_added_and_nothing_else_is_touched() {
    let Some(postfix) = Postfix::start(XCLIENT, "") else {
        return;
    };
    let policy = "[config]\nmessage = { do = [{ add = [\"X-Spam-Score\", \"1.5\"] }, { add = [\"X-Seen-From\", \"{client}\"] }] }\n";
    let proxy = before(&postfix)
        .filter("10-tag", Guest::Puppet, policy)
        .start();
    let message = with_header(b"Hello.\r\n");
    let mut client = Client::greeted(proxy.plain());
    let reply = deliver(&mut client, &message);
    let arrived = &postfix.arrived(1)[0];
    must_equal(&postfix, &message, arrived, &reply);
    let top = String::from_utf8_lossy(&arrived.octets).into_owned();
    assert!(
        top.contains("X-Seen-From: 127.0.0.1\r\nX-Spam-Score: 1.5\r\n"),
        "{top}"
    );
    peers::ran("postfix, edited");
}

#[test]
fn postfix_says_what_the_client_hears() {
    let Some(postfix) = Postfix::start(
        XCLIENT,
        "virtual_mailbox_maps = inline:{ bob@example.org=inbox/ }",
    ) else {
        return;
    };
    let proxy = before(&postfix).start();
    let mut client = Client::greeted(proxy.plain());
    client.ask("MAIL FROM:<alice@example.com>", "250 2.1.0 *");
    client.ask(
        "RCPT TO:<nobody@example.org>",
        "550 5.1.1 <nobody@example.org>*User unknown*",
    );
    client.ask("RCPT TO:<bob@example.org>", "250 2.1.5 Ok");
    client.ask("DATA", "354 *");
    client.content(&with_header(b"Hello.\r\n"));
    client.expect("250 2.0.0 Ok: *queued as *");
    assert_eq!(postfix.arrived(1).len(), 1);
    peers::ran("postfix, replies");
}

#[test]
fn postfix_learns_who_the_client_is() {
    let Some(postfix) = Postfix::start(XCLIENT, "") else {
        return;
    };
    let proxy = before(&postfix).start();
    let mut client = Client::greeted(proxy.plain());
    deliver(&mut client, &with_header(b"Hello.\r\n"));
    let own = String::from_utf8_lossy(&postfix.arrived(1)[0].own).into_owned();
    assert!(own.contains("Received: from client.example.com ("), "{own}");
    assert!(own.contains("[127.0.0.1]"), "{own}");
    peers::ran("postfix, xclient");
}

#[test]
fn postfix_over_tls() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    lazaret_tests::certificate::shared().write(dir.path());
    let tls = format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {0}/cert.pem\nsmtpd_tls_key_file = {0}/key.pem",
        dir.path().display()
    );
    let Some(postfix) = Postfix::start(XCLIENT, &tls) else {
        return;
    };
    let proxy = before(&postfix)
        .set("[backend]\ntls = \"verify\"\nname = \"mx.example.org\"\nca = \"cert.pem\"\n")
        .start();
    let message = with_header(b"Hello.\r\n");
    let reply = deliver(&mut Client::greeted(proxy.plain()), &message);
    must_equal(&postfix, &message, &postfix.arrived(1)[0], &reply);
    peers::ran("postfix, TLS");
}
