//! Clients of others: swaks and Python's smtplib, in the clear, by STARTTLS and with TLS from the start.

use std::net::SocketAddr;
use std::process::Command;

use lazaret_tests::peers::{self, journey};
use lazaret_tests::{BackendDouble, Delivery, Proxy};

/// What our proxy put on top of a delivered message is not part of what was sent.
fn without_received(delivery: &Delivery) -> String {
    let text = String::from_utf8_lossy(&delivery.octets).into_owned();
    let mut rest = text.as_str();
    if rest.starts_with("Received: ") {
        let mut end = rest.find("\r\n").expect("a line") + 2;
        while rest[end..].starts_with([' ', '\t']) {
            end += rest[end..].find("\r\n").expect("a line") + 2;
        }
        rest = &rest[end..];
    }
    rest.to_owned()
}

fn swaks(address: SocketAddr, extra: &[&str]) -> Option<String> {
    let program = peers::find("swaks")?;
    let mut command = Command::new(program);
    command
        .args([
            "--server",
            &address.to_string(),
            "--from",
            "alice@example.com",
        ])
        .args(["--to", "bob@example.org", "--header", "Subject: from swaks"])
        .args([
            "--body",
            ".a dot\n..\nthe end",
            "--helo",
            "client.example.com",
        ])
        .args(extra);
    Some(peers::run(&mut command))
}

/// A program with its version, which is a word of what it says of itself.
fn version(program: &str, arguments: &[&str], word: usize) -> String {
    let said = peers::run(Command::new(program).args(arguments));
    let version = said.split_whitespace().nth(word).expect("a version");
    format!("{program} {version}")
}

/// A listener as the table of docs/compatibility.md calls it.
fn way(listener: &str) -> &'static str {
    match listener {
        "plain" => "plain",
        "starttls" => "STARTTLS",
        _ => "implicit TLS",
    }
}

#[test]
fn swaks_in_the_clear_by_starttls_and_in_tls() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    let ways: [(&str, &[&str]); 3] = [
        ("plain", &[]),
        ("starttls", &["--tls"]),
        ("implicit", &["--tlsc"]),
    ];
    for (n, (listener, extra)) in ways.into_iter().enumerate() {
        let Some(said) = swaks(proxy.address(listener), extra) else {
            return;
        };
        assert!(
            said.contains("250 2.0.0 Ok: queued as 4TEST1DOUBLE"),
            "{said}"
        );
        let delivered = backend.wait_for(n + 1);
        let text = without_received(&delivered[n]);
        assert!(text.contains("Subject: from swaks\r\n"), "{text}");
        assert!(text.contains("\r\n.a dot\r\n..\r\nthe end\r\n"), "{text}");
        peers::ran(&format!("swaks, {listener}"));
        journey::row(
            "client",
            &version("swaks", &["--version"], 2),
            way(listener),
            &[],
        );
    }
}

#[test]
fn swaks_pipelined() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    if swaks(proxy.plain(), &["--pipeline"]).is_none() {
        return;
    }
    assert_eq!(backend.wait_for(1).len(), 1);
    peers::ran("swaks, pipelined");
    let used = ["PIPELINING".to_owned()];
    journey::row(
        "client",
        &version("swaks", &["--version"], 2),
        "plain",
        &used,
    );
}

/// Sends one message whose octets are known, and prints what the server said to it.
const SMTPLIB: &str = r#"
import smtplib, ssl, sys
port, way = int(sys.argv[1]), sys.argv[2]
trust = ssl.create_default_context(cafile=sys.argv[3])
if way == "implicit":
    smtp = smtplib.SMTP_SSL("127.0.0.1", port, local_hostname="client.example.com", context=trust)
else:
    smtp = smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.com")
if way == "starttls":
    smtp.starttls(context=trust)
message = b"Subject: from smtplib\r\n\r\n.dot\r\n..\r\n" + bytes(range(1, 10)) + bytes(range(14, 256)) + b"\r\n"
refused = smtp.sendmail("alice@example.com", ["bob@example.org", "eve@example.net"], message, ["BODY=8BITMIME"])
print(refused)
smtp.quit()
"#;

#[test]
fn smtplib_in_the_clear_by_starttls_and_in_tls() {
    let Some(python) = peers::find("python3") else {
        return;
    };
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    let certificate = proxy.dir().join("cert.pem");
    let mut sent = b"Subject: from smtplib\r\n\r\n.dot\r\n..\r\n".to_vec();
    sent.extend((1..10).chain(14..=255));
    sent.extend_from_slice(b"\r\n");
    for (n, listener) in ["plain", "starttls", "implicit"].into_iter().enumerate() {
        let mut command = Command::new(&python);
        command
            .args([
                "-c",
                SMTPLIB,
                &proxy.address(listener).port().to_string(),
                listener,
            ])
            .arg(&certificate);
        let said = peers::run(&mut command);
        assert!(
            said.contains("eve@example.net") && said.contains("550"),
            "{said}"
        );
        let delivered = backend.wait_for(n + 1);
        assert!(
            delivered[n].octets.ends_with(&sent),
            "{listener}: {:?}",
            delivered[n]
        );
        peers::ran(&format!("smtplib, {listener}"));
        let peer = version("python3", &["--version"], 1).replace("python3", "smtplib of Python");
        journey::row(
            "client",
            &peer,
            way(listener),
            &journey::used(&delivered[n].envelope),
        );
    }
}
