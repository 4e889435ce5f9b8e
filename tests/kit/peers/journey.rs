//! A message from a client through the proxy to a backend of others: the octets at the end are those at the start.

use sha2::{Digest, Sha256};

use super::{Arrived, Backend};
use crate::{Client, Proxy, journal};

/// As the table of docs/compatibility.md has it: who took part, how, with what, and that the octets were the same.
/// `cargo xtask compatibility` reads these lines.
pub fn row(side: &str, peer: &str, security: &str, used: &[String]) {
    println!(
        "compatibility: {side} | {peer} | {security} | {}",
        used.join(", ")
    );
}

/// As hexadecimal digits.
pub fn sha256(octets: &[u8]) -> String {
    let digest = Sha256::digest(octets);
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// What of these octets is not what the log says we added on top of the message, for the transaction in whose line `id` is:
/// the fields that it names must be there, in its order, each of its length.
fn below_ours<'o>(id: &str, octets: &'o [u8]) -> &'o [u8] {
    let lines = journal::wait_for(&["\"edits\"", id]);
    let line = lines
        .last()
        .expect("the log has a line for the transaction");
    let edits = line["fields"]["edits"].as_str().expect("a list of edits");
    edits.split_whitespace().fold(octets, |octets, edit| {
        let added = edit.strip_prefix('+').expect("nothing was removed");
        let (name, length) = added.rsplit_once(':').expect("NAME:LENGTH");
        let length: usize = length.parse().expect("a length");
        let (field, rest) = octets.split_at_checked(length).expect("so many octets");
        assert!(is_field(name, field), "{edit}: {}", field.escape_ascii());
        rest
    })
}

/// One field of that name, folded or not, and its end.
fn is_field(name: &str, octets: &[u8]) -> bool {
    let text = String::from_utf8_lossy(octets);
    let lines: Option<Vec<&str>> = text
        .strip_suffix("\r\n")
        .map(|it| it.split("\r\n").collect());
    lines.is_some_and(|lines| {
        let folded = lines[1..].iter().all(|it| it.starts_with([' ', '\t']));
        folded && lines[0].starts_with(&format!("{name}:"))
    })
}

/// Takes away what the log says was added; the rest must be what was sent.
pub fn must_equal(backend: &dyn Backend, sent: &[u8], arrived: &Arrived, reply: &str) {
    let rest = below_ours(backend.id_in(reply), &arrived.octets);
    assert_eq!(
        sha256(rest),
        sha256(sent),
        "{} octets sent, {} arrived:\n{}",
        sent.len(),
        rest.len(),
        String::from_utf8_lossy(rest)
    );
}

/// Three clients, one for each way in, each with what the proxy offered it.
pub fn each_way(proxy: &Proxy) -> [(&'static str, Client, String); 3] {
    let hello = |client: &mut Client| client.ask("EHLO client.example.com", "250 *").text();
    let mut plain = Client::connect(proxy.address("plain"));
    plain.expect("220 *");
    let offered = hello(&mut plain);
    let mut starttls = Client::connect(proxy.address("starttls"));
    starttls.expect("220 *");
    hello(&mut starttls);
    starttls.start_tls();
    let offered_in_tls = hello(&mut starttls);
    let mut implicit = Client::connect_tls(proxy.address("implicit"));
    implicit.expect("220 *");
    let offered_at_once = hello(&mut implicit);
    [
        ("plain", plain, offered),
        ("STARTTLS", starttls, offered_in_tls),
        ("implicit TLS", implicit, offered_at_once),
    ]
}

/// A message with everything that may be in a header section, and this body.
pub fn with_header(body: &[u8]) -> Vec<u8> {
    let mut message = b"From: Alice <alice@example.com>\r\nTo: bob@example.org\r\n\
        Subject: =?utf-8?q?caf=C3=A9?=\r\n\tfolded\r\nMessage-ID: <1@example.com>\r\n\
        Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n"
        .to_vec();
    message.extend_from_slice(body);
    message
}

/// What a client made use of, as the backend saw it: parameters of MAIL and RCPT (RFC 6152, 6531, 3461, 1870).
pub fn used(envelope: &[String]) -> Vec<String> {
    let words = [
        ("BODY=8BITMIME", "8BITMIME"),
        ("SMTPUTF8", "SMTPUTF8"),
        ("RET=", "DSN"),
        ("NOTIFY=", "DSN"),
        ("SIZE=", "SIZE"),
    ];
    let is_said = |word: &str| {
        envelope
            .iter()
            .any(|line| line.split(' ').any(|said| said.starts_with(word)))
    };
    let mut used: Vec<String> = words
        .iter()
        .filter(|(word, _)| is_said(word))
        .map(|(_, name)| (*name).to_owned())
        .collect();
    used.dedup();
    used
}

/// What is on top of `sent` in what the backend has, which must be all that is different: our own fields, whose length is
/// in the log, and below them the trace fields of a client that is a relay itself.
pub fn on_top(sender: &str, sent: &[u8], octets: &[u8]) -> String {
    let rest = below_ours(sender, octets);
    let at = rest.len().checked_sub(sent.len());
    let (top, below) = rest.split_at(at.expect("nothing was taken away"));
    assert_eq!(
        sha256(below),
        sha256(sent),
        "{}",
        String::from_utf8_lossy(octets)
    );
    String::from_utf8_lossy(top).into_owned()
}

/// Random octets, the same in every run.
#[derive(Debug)]
pub struct Noise(u64);

impl Noise {
    /// `seed` is not 0.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A line of that many octets: none of CR, LF, NUL; every third begins with a dot.
    pub fn line(&mut self, length: usize) -> Vec<u8> {
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

    /// Of 1 to 998 octets, the longest that RFC 5322 allows.
    pub fn three_hundred_lines(&mut self) -> Vec<u8> {
        let lengths = (0..300).map(|n| 1 + (n * 997) / 299);
        lengths.flat_map(|length| self.line(length)).collect()
    }
}
