//! A log that is never in the way and never deceives.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lazaret_tests::guests::Guest;
use lazaret_tests::ports::free_port;
use lazaret_tests::program::Program;
use lazaret_tests::{BackendDouble, Client, Proxy};
use serde_json::Value;

use crate::PROGRAM;

const PATIENCE: Duration = Duration::from_secs(20);

/// Octets of an attack, sent on a connection of its own; whatever the answer is.
fn send(address: SocketAddr, octets: &[u8]) {
    let mut tcp = TcpStream::connect(address).expect("the proxy listens");
    tcp.set_read_timeout(Some(Duration::from_secs(2)))
        .expect("a socket option");
    // It may close before all is sent.
    let _ = tcp.write_all(octets);
    let _ = tcp.shutdown(std::net::Shutdown::Write);
    let _ = tcp.read_to_end(&mut Vec::new());
}

/// What would end a line, steer a terminal, break out of JSON, or pass for another field.
const INJECTIONS: [&str; 8] = [
    "a\u{1b}[2J\u{1b}]0;owned\u{7}",
    "a\rINFO delivered",
    "a\nINFO delivered",
    "a\u{85}b\u{2028}c\u{2029}d",
    "a\",\"by\":\"nobody\",\"x\":\"",
    "a\\\",\\\"b\u{0}",
    "a\u{202e}gro.elpmaxe",
    "a\u{8}\u{8}\u{8}b\u{7f}",
];

fn attack(address: SocketAddr) {
    for text in INJECTIONS {
        for line in [
            format!("EHLO {text}\r\n"),
            format!("EHLO [{text}]\r\n"),
            format!("EHLO x\r\nMAIL FROM:<{text}@example.com>\r\n"),
            format!("EHLO x\r\nMAIL FROM:<\"{text}\"@example.com>\r\nRCPT TO:<b@example.org>\r\n"),
            format!("EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<{text}@example.org>\r\n"),
            format!("EHLO x\r\nMAIL FROM:<a@example.com> ENVID={text}\r\n"),
            format!(
                "EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nSubject: {text}\r\n{text}: x\r\n\r\n{text}\r\n.\r\n"
            ),
            format!("{text}\r\nXCLIENT NAME={text} ADDR=192.0.2.1\r\n"),
        ] {
            send(address, line.as_bytes());
        }
    }
    let garbage: Vec<u8> = (0..=255).cycle().take(20_000).collect();
    let huge = format!(
        "EHLO x\r\nMAIL FROM:<{}@example.com>\r\n",
        "x".repeat(60_000)
    );
    for octets in [
        &garbage[..],
        huge.as_bytes(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"EHLO x\r\nPOST / HTTP/1.1\r\n",
        b"\x16\x03\x01\x00\x05hello",
        b"EHLO x\r\nAUTH PLAIN AGFsaWNlAGh1bnRlcjI=\r\n",
        b"EHLO x\r\nAUTH LOGIN\r\nYWxpY2U=\r\naHVudGVyMg==\r\n",
        b"EHLO x\r\nMAIL FROM:<a@example.com> AUTH=hunter2\r\n",
        b"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nx\n.\r\n.\r\n",
        b"EHLO x\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<eve@example.org>\r\n",
    ] {
        send(address, octets);
    }
    send(address, "x\r\n".repeat(100).as_bytes());
    let half = "EHLO x\r\nMAIL FROM:<half@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\nhalf a message";
    send(address, half.as_bytes());
}

/// No control may be in what a reader gets to see, whoever reads.
fn is_harmless(value: &Value) -> bool {
    match value {
        Value::String(text) => !text
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}')),
        Value::Object(fields) => fields.values().all(is_harmless),
        Value::Array(values) => values.iter().all(is_harmless),
        _ => true,
    }
}

#[test]
fn lines_of_an_attack_parse_and_hold_no_control_and_no_password() {
    let backend = BackendDouble::start();
    let builder = Proxy::before(backend.address()).filter(
        "10-puppet",
        Guest::Puppet,
        "[config]\nmail = { do = [{ flood = 1000 }, { print = 1000 }] }\n\
         rcpt = [{ when = \"eve\", reject = \"x\\u001b[2J\\r\\n250 ok\" }]\n",
    );
    let program = Program::run(PROGRAM, builder);
    attack(program.plain());
    let mut good = Client::greeted(program.plain());
    good.say("QUIT");
    // All sessions are over; what was said is on its way.
    program.logs(&["half", "abandoned"]);
    let log = program.log(&[]);
    let lines: Vec<&str> = log.iter().map(String::as_str).collect();
    assert!(lines.len() > 50, "only {} lines", lines.len());
    let mut transactions = std::collections::BTreeMap::<String, usize>::new();
    for line in lines {
        assert!(line.bytes().all(|octet| octet >= 0x20), "{line:?}");
        let object: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(is_harmless(&object), "{line:?}");
        for secret in ["hunter2", "AGFsaWNlAGh1bnRlcjI", "aHVudGVyMg"] {
            assert!(!line.contains(secret), "{line}");
        }
        if let Some(id) = object["transaction"].as_str() {
            *transactions.entry(id.to_owned()).or_default() += 1;
        }
    }
    assert!(transactions.len() > 10, "{transactions:?}");
    assert!(
        transactions.values().all(|lines| *lines == 1),
        "{transactions:?}"
    );
}

/// The program with a log that nobody reads until [`lines`](Self::lines).
struct Unread {
    child: Child,
    address: SocketAddr,
    admin: SocketAddr,
    _dir: tempfile::TempDir,
}

impl Unread {
    fn run(backend: &BackendDouble) -> Self {
        let (address, admin) = (free_port(), free_port());
        let listen = format!(
            "[listener-plain]\nlisten = [\"{address}\"]\n[admin]\nlisten = [\"{admin}\"]\n"
        );
        let dir = Proxy::before(backend.address()).set(&listen).write();
        let child = Command::new(PROGRAM)
            .args(["run", "--log-format", "json", "--log", "trace", "--config"])
            .arg(dir.path().join("lazaret.toml"))
            .env("XDG_RUNTIME_DIR", dir.path())
            .env("XDG_CACHE_HOME", dir.path())
            .env("XDG_STATE_HOME", dir.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let deadline = Instant::now() + PATIENCE;
        for port in [address, admin] {
            while TcpStream::connect(port).is_err() {
                assert!(Instant::now() < deadline, "it never listens");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Self {
            child,
            address,
            admin,
            _dir: dir,
        }
    }

    fn metric(&self, name: &str) -> f64 {
        let mut tcp = TcpStream::connect(self.admin).expect("the admin port");
        tcp.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .expect("a request");
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).expect("an answer");
        let line = answer
            .lines()
            .find(|line| line.split(' ').next() == Some(name));
        let value = line.and_then(|line| line.rsplit(' ').next());
        value
            .and_then(|value| value.parse().ok())
            .unwrap_or_else(|| panic!("no {name}"))
    }

    /// Its log, from now on read.
    fn lines(&mut self) -> impl Iterator<Item = String> + use<> {
        use std::io::BufRead;
        let stderr = self.child.stderr.take().expect("a pipe");
        let lines = std::io::BufReader::new(stderr).lines();
        lines.map_while(Result::ok)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_log_that_nobody_reads_keeps_no_mail() {
    let backend = BackendDouble::start();
    let mut program = Unread::run(&backend);
    let mut delivered = 0;
    let deadline = Instant::now() + Duration::from_secs(120);
    // More than pipe and queue hold: until lines are dropped, then some more.
    while program.metric("lazaret_log_lines_dropped_total") == 0.0 {
        assert!(Instant::now() < deadline, "nothing was dropped");
        let mut client = Client::greeted(program.address);
        for _ in 0..5 {
            let reply = client.deliver(
                "a@example.com",
                &["b@example.org"],
                b"Subject: x\r\n\r\nx\r\n",
            );
            assert_eq!(reply.code, 250, "{reply:?}");
            delivered += 1;
        }
        // At level trace each session is some lines.
        for _ in 0..200 {
            Client::connect(program.address).expect("220 *");
        }
    }
    let mut client = Client::greeted(program.address);
    let reply = client.deliver(
        "a@example.com",
        &["b@example.org"],
        b"Subject: x\r\n\r\nx\r\n",
    );
    assert_eq!(reply.code, 250, "after the log was full: {reply:?}");
    assert!(delivered > 0);
    let mut log = program.lines();
    let spans = "\"span\":\"session/transaction/stage\"";
    let in_spans = log.find(|line| line.contains(spans));
    assert!(in_spans.is_some(), "no line in a stage of a transaction");
    let line = log.find(|line| line.contains("lines dropped"));
    let line = line.expect("the log ends without it");
    let told: Value = serde_json::from_str(&line).expect("a line of JSON");
    assert!(
        told["dropped"].as_u64().is_some_and(|dropped| dropped > 0),
        "{line}"
    );
}
