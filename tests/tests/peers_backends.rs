//! Backends of others: Postfix, Exim, OpenSMTPD. On every way in the octets arrive as they were sent, with all that the
//! backend offers made use of, in the clear and by TLS behind us.

use std::os::unix::fs::PermissionsExt;

use lazaret_tests::peers::journey::{each_way, must_equal, row, with_header};
use lazaret_tests::peers::{self, Backend, Exim, OpenSmtpd, Postfix, Service};
use lazaret_tests::{Client, Proxy};

/// What is asked for where it is offered: keyword, parameter of MAIL, of RCPT.
const WISHES: [(&str, &str, &str); 3] = [
    ("8BITMIME", " BODY=8BITMIME", ""),
    ("SMTPUTF8", " SMTPUTF8", ""),
    ("DSN", " RET=HDRS ENVID=e1", " NOTIFY=FAILURE"),
];

fn message(has_8bit: bool) -> Vec<u8> {
    let greeting = if has_8bit {
        "Grüße.\r\n"
    } else {
        "Greetings.\r\n"
    };
    with_header(
        format!("{greeting}.\u{20}\r\n..two\r\n.\r\ntrailing  \t \r\n\r\nend\r\n").as_bytes(),
    )
}

/// One message, with everything that was offered; what that was, and the reply.
fn deliver(client: &mut Client, offered: &str, message: &[u8]) -> (Vec<String>, String) {
    let is_offered = |word: &str| {
        offered
            .lines()
            .any(|line| line[4..].split(' ').next() == Some(word))
    };
    let wishes: Vec<_> = WISHES
        .iter()
        .filter(|(word, ..)| is_offered(word))
        .collect();
    let mail: String = wishes.iter().map(|(_, mail, _)| *mail).collect();
    let rcpt: String = wishes.iter().map(|(.., rcpt)| *rcpt).collect();
    client.ask(&format!("MAIL FROM:<alice@example.com>{mail}"), "250 *");
    client.ask(&format!("RCPT TO:<bob@example.org>{rcpt}"), "250 *");
    let mut used: Vec<String> = wishes.iter().map(|(word, ..)| (*word).to_owned()).collect();
    let text = match is_offered("CHUNKING") {
        true => {
            used.push("CHUNKING".to_owned());
            in_chunks(client, message)
        }
        false => {
            client.ask("DATA", "354 *");
            client.content(message);
            client.expect("250 *").text()
        }
    };
    (used, text)
}

fn in_chunks(client: &mut Client, message: &[u8]) -> String {
    let (first, second) = message.split_at(message.len() / 2);
    let sent = client.octets(&[format!("BDAT {}\r\n", first.len()).as_bytes(), first].concat());
    sent.expect("the proxy reads");
    client.expect("250 *");
    let sent =
        client.octets(&[format!("BDAT {} LAST\r\n", second.len()).as_bytes(), second].concat());
    sent.expect("the proxy reads");
    client.expect("250 *").text()
}

/// On the three ways in; `tls` is the proxy's own way to the backend.
fn journeys(backend: &dyn Backend, tls: &str) {
    let proxy = Proxy::before(backend.address()).set(tls).start();
    let behind = if tls.is_empty() {
        "plain"
    } else {
        "STARTTLS, verified"
    };
    // All of these offer it.
    proxy.until_offered("DSN");
    for (n, (way, mut client, offered)) in each_way(&proxy).into_iter().enumerate() {
        let message = message(offered.contains("8BITMIME"));
        let (used, reply) = deliver(&mut client, &offered, &message);
        let arrived = backend.arrived(n + 1);
        assert_eq!(arrived.len(), n + 1, "{}", backend.log());
        must_equal(backend, &message, &arrived[n], &reply);
        peers::ran(&format!("{}, {way}, {behind}", backend.name()));
        row(
            "backend",
            &backend.name(),
            &format!("{way}; {behind}"),
            &used,
        );
    }
}

const VERIFY: &str = "[backend]\ntls = \"verify\"\nname = \"mx.example.org\"\nca = \"cert.pem\"\n";

/// A directory with the certificate that the proxy believes.
fn certificate() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a temporary directory");
    lazaret_tests::certificate::shared().write(dir.path());
    // It is read by servers that are not root.
    for file in ["cert.pem", "key.pem"] {
        let mode = PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(dir.path().join(file), mode).expect("our file");
    }
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).expect("our directory");
    dir
}

#[test]
fn postfix() {
    let Some(postfix) = Postfix::start(Service::default(), "") else {
        return;
    };
    journeys(&postfix, "");
}

#[test]
fn postfix_in_tls() {
    let dir = certificate();
    let tls = format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {0}/cert.pem\nsmtpd_tls_key_file = {0}/key.pem",
        dir.path().display()
    );
    let Some(postfix) = Postfix::start(Service::default(), &tls) else {
        return;
    };
    journeys(&postfix, VERIFY);
}

#[test]
fn exim() {
    let Some(exim) = Exim::start("") else {
        return;
    };
    journeys(&exim, "");
}

#[test]
fn exim_in_tls() {
    let dir = certificate();
    let tls = format!(
        "tls_advertise_hosts = *\ntls_certificate = {0}/cert.pem\ntls_privatekey = {0}/key.pem",
        dir.path().display()
    );
    let Some(exim) = Exim::start(&tls) else {
        return;
    };
    journeys(&exim, VERIFY);
}

/// In the clear only: the process in which Debian's build keeps its key signs nothing with OpenSSL 3, for no client.
#[test]
fn opensmtpd() {
    let Some(smtpd) = OpenSmtpd::start() else {
        return;
    };
    journeys(&smtpd, "");
}
