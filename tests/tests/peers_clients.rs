//! Clients of others: swaks and Python's smtplib, in the clear, by STARTTLS and with TLS from the start.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use lazaret_tests::peers::{self, journey};
use lazaret_tests::{BackendDouble, Delivery, Proxy};
use tempfile::NamedTempFile;

const LISTENERS: [&str; 3] = ["plain", "starttls", "implicit"];

/// The octets at the backend are those of the file, and above them only what the log says that we added.
fn must_have_arrived(sender: &str, sent: &[u8], delivery: &Delivery) {
    let top = journey::on_top(sender, sent, &delivery.octets);
    assert_eq!(top, "", "{sender}: more than what the log says");
}

/// A file that holds this message.
fn file(message: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a directory for temporary files");
    std::fs::write(file.path(), message).expect("our file");
    file
}

/// Sends the file as it is.
fn swaks(address: SocketAddr, sender: &str, message: &Path, extra: &[&str]) -> Option<String> {
    let program = peers::find("swaks")?;
    let (address, data) = (address.to_string(), format!("@{}", message.display()));
    let mut command = Command::new(program);
    command
        .args(["--server", &address, "--helo", "client.example.com"])
        .args(["--from", sender, "--to", "bob@example.org"])
        .args(["--data", &data])
        .args(extra);
    Some(peers::run(&mut command))
}

/// swaks ends the last line itself.
fn without_last_end(message: &[u8]) -> &[u8] {
    message.strip_suffix(b"\r\n").expect("a line end")
}

/// With what a mail program is likely to change: dots, blanks at the end, empty lines, folding.
fn dotted() -> Vec<u8> {
    journey::with_header(
        b".a dot\r\n..\r\n. \r\ntrailing  \t \r\n\r\n\r\n  blanks\r\nFrom here\r\nthe end\r\n",
    )
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
    let message = dotted();
    let file = file(without_last_end(&message));
    let ways: [&[&str]; 3] = [&[], &["--tls"], &["--tlsc"]];
    for (n, (listener, extra)) in LISTENERS.into_iter().zip(ways).enumerate() {
        let sender = format!("swaks-{listener}@example.com");
        let Some(said) = swaks(proxy.address(listener), &sender, file.path(), extra) else {
            return;
        };
        assert!(
            said.contains("250 2.0.0 Ok: queued as 4TEST1DOUBLE"),
            "{said}"
        );
        must_have_arrived(&sender, &message, &backend.wait_for(n + 1)[n]);
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
    let message = dotted();
    let file = file(without_last_end(&message));
    let sender = "swaks-pipelined@example.com";
    if swaks(proxy.plain(), sender, file.path(), &["--pipeline"]).is_none() {
        return;
    }
    must_have_arrived(sender, &message, &backend.wait_for(1)[0]);
    peers::ran("swaks, pipelined");
    let used = ["PIPELINING".to_owned()];
    journey::row(
        "client",
        &version("swaks", &["--version"], 2),
        "plain",
        &used,
    );
}

/// Sends a file as it is, and prints what the server said to it.
const SMTPLIB: &str = r#"
import smtplib, ssl, sys
port, way, sender, file = int(sys.argv[1]), *sys.argv[2:5]
trust = ssl.create_default_context(cafile=sys.argv[5])
if way == "implicit":
    smtp = smtplib.SMTP_SSL("127.0.0.1", port, local_hostname="client.example.com", context=trust)
else:
    smtp = smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.com")
if way == "starttls":
    smtp.starttls(context=trust)
message = open(file, "rb").read()
refused = smtp.sendmail(sender, ["bob@example.org", "eve@example.net"], message, ["BODY=8BITMIME"])
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
    let file = file(&sent);
    for (n, listener) in LISTENERS.into_iter().enumerate() {
        let sender = format!("smtplib-{listener}@example.com");
        let port = proxy.address(listener).port().to_string();
        let mut command = Command::new(&python);
        command
            .args(["-c", SMTPLIB, &port, listener, &sender])
            .args([file.path(), &certificate]);
        let said = peers::run(&mut command);
        assert!(
            said.contains("eve@example.net") && said.contains("550"),
            "{said}"
        );
        let delivered = backend.wait_for(n + 1);
        must_have_arrived(&sender, &sent, &delivered[n]);
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
