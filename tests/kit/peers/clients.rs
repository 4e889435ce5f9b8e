//! Clients of others, which send what is in a file: swaks and Python's smtplib.

use std::path::Path;
use std::process::Command;

use tempfile::NamedTempFile;

use super::{find, run};
use crate::Proxy;

/// Their ways in: in the clear, STARTTLS, TLS from the first octet.
pub const LISTENERS: [&str; 3] = ["plain", "starttls", "implicit"];

/// A file that holds this message.
pub fn file(message: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().expect("a directory for temporary files");
    std::fs::write(file.path(), message).expect("our file");
    file
}

/// swaks ends the last line itself.
pub fn without_last_end(message: &[u8]) -> &[u8] {
    message.strip_suffix(b"\r\n").expect("a line end")
}

/// A program with its version, which is a word of what it says of itself.
pub fn version(program: &str, arguments: &[&str], word: usize) -> String {
    let said = run(Command::new(program).args(arguments));
    let version = said.split_whitespace().nth(word).expect("a version");
    format!("{program} {version}")
}

/// Sends the file as it is to bob@example.org; what swaks saw of the dialogue. None if it is not installed.
pub fn swaks(
    proxy: &Proxy,
    listener: &str,
    sender: &str,
    message: &Path,
    extra: &[&str],
) -> Option<String> {
    let program = find("swaks")?;
    let address = proxy.address(listener).to_string();
    let tls = match listener {
        "starttls" => Some("--tls"),
        "implicit" => Some("--tlsc"),
        _ => None,
    };
    let mut command = Command::new(program);
    command
        .args(["--server", &address, "--helo", "client.example.com"])
        .args(["--from", sender, "--to", "bob@example.org"])
        .args(["--data", &format!("@{}", message.display())])
        .args(tls)
        .args(extra);
    Some(run(&mut command))
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

/// Sends the file as it is to bob@example.org and eve@example.net; which of them were refused, and with what. None if
/// Python is not installed.
pub fn smtplib(proxy: &Proxy, listener: &str, sender: &str, message: &Path) -> Option<String> {
    let python = find("python3")?;
    let port = proxy.address(listener).port().to_string();
    let certificate = proxy.dir().join("cert.pem");
    let mut command = Command::new(python);
    command
        .args(["-c", SMTPLIB, &port, listener, sender])
        .args([message, &certificate]);
    Some(run(&mut command))
}
