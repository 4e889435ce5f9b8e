//! `lazaret demo`, end to end: mail lands, an executable in disguise does not, the printed lines work as printed, and
//! Ctrl-C ends it with 0.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// A running demo; killed when a test fails.
struct Demo {
    child: Child,
    dir: tempfile::TempDir,
    banner: String,
}

impl Demo {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = spawn(dir.path());
        let banner = banner(child.stdout.take().unwrap());
        Self { child, dir, banner }
    }

    /// The lines to paste.
    fn suggestions(&self, program: &str) -> Vec<String> {
        let lines = self.banner.lines().map(str::trim);
        lines
            .filter(|line| line.starts_with(program))
            .map(str::to_owned)
            .collect()
    }

    fn smtp(&self) -> String {
        let line = self
            .banner
            .lines()
            .find(|l| l.contains("STARTTLS"))
            .unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    }

    fn mailbox(&self) -> Vec<String> {
        let new = self.dir.path().join("lazaret-demo/maildir/new");
        let files = std::fs::read_dir(new).unwrap();
        files
            .map(|f| std::fs::read_to_string(f.unwrap().path()).unwrap())
            .collect()
    }

    fn interrupt(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        self.child.wait().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A demo in this directory, on free ports.
fn spawn(dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_lazaret"))
        .args(["demo", "--smtp", "127.0.0.1:0", "--smtps", "127.0.0.1:0"])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Up to the empty line that ends it.
fn banner(stdout: impl Read) -> String {
    let mut text = String::new();
    let mut lines = BufReader::new(stdout);
    while !text.contains("pdf.exe") {
        assert!(
            lines.read_line(&mut text).unwrap() > 0,
            "the demo ended: {text}"
        );
    }
    text
}

fn shell(line: &str) -> (bool, String) {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

fn installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    match found {
        true => println!("peer: {program} ran"),
        false => {
            let required = std::env::var_os("LAZARET_REQUIRE_PEERS");
            let required = required.is_some_and(|value| value == "1");
            assert!(
                !required,
                "{program} is not installed, and LAZARET_REQUIRE_PEERS=1 wants it"
            );
            println!("skipped: {program} not installed");
        }
    }
    found
}

/// Sends each line of the client and returns the last reply.
fn converse(address: &str, lines: &[&str]) -> String {
    let stream = TcpStream::connect(address).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let mut replies = BufReader::new(stream.try_clone().unwrap());
    let mut client = stream;
    let mut last = reply(&mut replies);
    for line in lines {
        client.write_all(line.as_bytes()).unwrap();
        client.write_all(b"\r\n").unwrap();
        last = reply(&mut replies);
    }
    last
}

fn reply(replies: &mut impl BufRead) -> String {
    let mut text = String::new();
    loop {
        let start = text.len();
        assert!(
            replies.read_line(&mut text).unwrap() > 0,
            "closed after: {text}"
        );
        if text.as_bytes()[start..].get(3) == Some(&b' ') {
            return text;
        }
    }
}

const ENVELOPE: [&str; 4] = [
    "EHLO client.example.com",
    "MAIL FROM:<alice@example.com>",
    "RCPT TO:<bob@example.org>",
    "DATA",
];

#[test]
fn mail_lands_as_it_was_sent() {
    let demo = Demo::start();
    let message = "Subject: hello\r\nFrom: alice@example.com\r\n\r\n..one dot\r\nbody\r\n.";
    let answer = converse(&demo.smtp(), &[&ENVELOPE[..], &[message]].concat());
    assert!(answer.starts_with("250 "), "{answer}");
    let mailbox = demo.mailbox();
    assert_eq!(mailbox.len(), 1);
    assert!(
        mailbox[0]
            .contains("Return-Path: <alice@example.com>\r\nDelivered-To: bob@example.org\r\n")
    );
    // What this host is called is its own affair.
    let (_, client) = mailbox[0].split_once("client.example.com (").unwrap();
    let (client, _) = client.split_once(')').unwrap();
    assert!(client.ends_with(" [127.0.0.1]"), "{}", mailbox[0]);
    assert!(mailbox[0].contains("Subject: hello\r\n"));
    assert!(mailbox[0].ends_with("\r\n\r\n.one dot\r\nbody\r\n"));
    assert_eq!(demo.interrupt().code(), Some(0));
}

#[test]
fn an_executable_in_disguise_is_refused() {
    let demo = Demo::start();
    let message = "Subject: invoice\r\nMIME-Version: 1.0\r\n\
                   Content-Type: application/octet-stream; name=\"invoice.pdf.exe\"\r\n\
                   Content-Disposition: attachment; filename=\"invoice.pdf.exe\"\r\n\r\nMZ\r\n.";
    let answer = converse(&demo.smtp(), &[&ENVELOPE[..], &[message]].concat());
    assert!(answer.starts_with("550 5.7.1 "), "{answer}");
    assert!(demo.mailbox().is_empty());
}

#[test]
fn no_relay_for_strangers() {
    let demo = Demo::start();
    let relay = [ENVELOPE[0], ENVELOPE[1], "RCPT TO:<someone@example.net>"];
    let answer = converse(&demo.smtp(), &relay);
    assert!(answer.starts_with("550 5.7.1 "), "{answer}");
}

/// The banner is what a newcomer pastes first.
#[test]
fn the_printed_lines_work_as_printed() {
    let demo = Demo::start();
    assert!(demo.banner.lines().count() < 20, "{}", demo.banner);
    let mut delivered = 0;
    for program in ["swaks", "python3"] {
        let lines = demo.suggestions(program);
        assert!(!lines.is_empty(), "{}", demo.banner);
        if !installed(program) {
            continue;
        }
        for line in lines {
            let (success, text) = shell(&line);
            let refusal = line.contains("invoice.pdf.exe");
            assert_eq!(success, !refusal, "{line}\n{text}");
            // As swaks shows it, and as smtplib does; a queue id may hold these three digits, too.
            let refused = ["550 ", "(550,"].iter().any(|code| text.contains(code));
            assert_eq!(refused, refusal, "{line}\n{text}");
            delivered += usize::from(success);
        }
    }
    assert_eq!(demo.mailbox().len(), delivered);
}

#[test]
fn a_second_start_keeps_certificate_and_changed_rights() {
    let demo = Demo::start();
    let site = demo.dir.path().join("lazaret-demo");
    let certificate = std::fs::read(site.join("tls/fullchain.pem")).unwrap();
    let rights = first_policy(&site);
    let changed = std::fs::read_to_string(&rights).unwrap() + "\n# mine\n";
    std::fs::write(&rights, &changed).unwrap();
    let again = Command::new(env!("CARGO_BIN_EXE_lazaret"))
        .args([
            "demo",
            "--smtp",
            &demo.smtp(),
            "--dir",
            site.to_str().unwrap(),
        ])
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(2), "the port is in use");
    assert_eq!(
        std::fs::read(site.join("tls/fullchain.pem")).unwrap(),
        certificate
    );
    assert_eq!(std::fs::read_to_string(&rights).unwrap(), changed);
}

fn first_policy(site: &Path) -> std::path::PathBuf {
    let entries = std::fs::read_dir(site.join("filters.d")).unwrap();
    let mut paths: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    paths.sort();
    paths
        .into_iter()
        .find(|p| p.extension().is_some_and(|e| e == "toml"))
        .unwrap()
}

/// With nothing in the cache its filters are compiled first; nobody has to wait for that to stop it.
#[test]
fn it_is_interrupted_while_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let cache = dir.path().join("lazaret-demo/cache");
    let mut child = spawn(dir.path());
    while !cache.exists() {
        assert_eq!(child.try_wait().unwrap(), None);
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let mut said = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(said, "", "it had started before it was interrupted");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
