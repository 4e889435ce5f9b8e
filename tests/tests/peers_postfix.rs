//! The whole journey, to a real Postfix: the octets at the end are those at the start.

use lazaret_tests::guests::Guest;
use lazaret_tests::peers::journey::{each_way, must_equal, sha256, with_header};
use lazaret_tests::peers::{self, Backend, Postfix, Service};
use lazaret_tests::{Client, Proxy, Segments};

/// Everything a real backend needs to know of us: who the client is, by XCLIENT.
const XCLIENT: Service<'static> = Service {
    command: "smtpd -o smtpd_authorized_xclient_hosts=127.0.0.1",
};

fn before(postfix: &Postfix) -> lazaret_tests::proxy::Builder {
    Proxy::before(postfix.address()).set("[backend]\nidentity = \"xclient\"\n")
}

fn greet(client: &mut Client) {
    client.ask("EHLO client.example.com", "250 *");
}

fn deliver(client: &mut Client, message: &[u8]) -> String {
    client.ask("MAIL FROM:<alice@example.com> BODY=8BITMIME", "250 *");
    client.ask("RCPT TO:<bob@example.org>", "250 *");
    client.ask("DATA", "354 *");
    client.content(message);
    client.expect("250 *").text()
}

/// Random octets, the same in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A line of that many octets: none of CR, LF, NUL; every third begins with a dot.
    fn line(&mut self, length: usize) -> Vec<u8> {
        let mut line: Vec<u8> = (0..length)
            .map(|_| match (self.next() % 256) as u8 {
                b'\r' | b'\n' | 0 => b'.',
                octet => octet,
            })
            .collect();
        if self.next().is_multiple_of(3) {
            line[0] = b'.';
        }
        line.extend_from_slice(b"\r\n");
        line
    }
}

#[test]
fn octets_are_exact_on_every_way_in() {
    let Some(postfix) = Postfix::start(XCLIENT, "") else {
        return;
    };
    let proxy = before(&postfix).start();
    let message = with_header(b"Hello.\r\n..\r\n. \r\n.two\r\ntrailing  \t \r\n\r\n\r\nend\r\n");
    for (n, (_, mut client, _)) in each_way(&proxy).into_iter().enumerate() {
        let reply = deliver(&mut client, &message);
        must_equal(&postfix, &message, &postfix.arrived(n + 1)[n], &reply);
        client.segments(Segments::Single);
        client.ask("QUIT", "221 *");
    }
    peers::ran("postfix, three ways in");
}

#[test]
fn random_8bit_lines_arrive_as_they_were() {
    let Some(postfix) = Postfix::start(XCLIENT, "") else {
        return;
    };
    let proxy = before(&postfix).start();
    let mut noise = Noise(0x1a2a_4e7b_1a2a_4e7b);
    let lengths: Vec<usize> = (0..300).map(|n| 1 + (n * 997) / 299).collect();
    let body: Vec<u8> = lengths
        .iter()
        .flat_map(|length| noise.line(*length))
        .collect();
    let message = with_header(&body);
    let mut client = Client::connect_tls(proxy.address("implicit"));
    client.expect("220 *");
    greet(&mut client);
    let reply = deliver(&mut client, &message);
    must_equal(&postfix, &message, &postfix.arrived(1)[0], &reply);
    println!("{} octets, SHA-256 {}", message.len(), sha256(&message));
    peers::ran("postfix, 8-bit");
}

#[test]
fn ten_megabytes_arrive_as_they_were() {
    let Some(postfix) = Postfix::start(XCLIENT, "") else {
        return;
    };
    let proxy = before(&postfix).start();
    let mut noise = Noise(7);
    let line = noise.line(76);
    let message = with_header(&line.repeat(10 * 1024 * 1024 / line.len()));
    let mut client = Client::greeted(proxy.plain());
    let reply = deliver(&mut client, &message);
    must_equal(&postfix, &message, &postfix.arrived(1)[0], &reply);
    peers::ran("postfix, 10 MB");
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
    client.ask("MAIL FROM:<alice@example.com>", "250 2.1.0 Ok");
    client.ask(
        "RCPT TO:<nobody@example.org>",
        "550 5.1.1 <nobody@example.org>*User unknown*",
    );
    client.ask("RCPT TO:<bob@example.org>", "250 2.1.5 Ok");
    client.ask("DATA", "354 *");
    client.content(&with_header(b"Hello.\r\n"));
    client.expect("250 2.0.0 Ok: queued as *");
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
