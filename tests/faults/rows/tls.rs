//! Rows 28 and 29: TLS cut short, flooded, and a backend with the wrong certificate.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use rustls::{HandshakeKind, SupportedProtocolVersion};

use super::accepted;
use crate::backend::{Step, say};
use crate::certificate::{self, Certificate};
use crate::client::stuffed;
use crate::faults::client::{Connection, Security, TO};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Neighbour, Row};
use crate::peers;
use crate::stream::Stream;

pub(super) const ROWS: [Row; 2] = [
    Row::new(
        28,
        "TLS cut off, resumed, renegotiated, flooded",
        broken_off,
    ),
    Row {
        site: |builder, _| {
            let trusted = [certificate::shared(), &EXPIRED].map(Certificate::pem);
            builder
                .file("trusted.pem", trusted.concat().as_bytes())
                .set("[backend]\ntls = \"verify\"\nname = \"mx.example.org\"\nca = \"trusted.pem\"\n")
        },
        neighbour: Neighbour::Shares,
        ..Row::new(29, "backend's certificate changes, expires", rotated)
    },
];

/// One that nothing is wrong with but its time.
static EXPIRED: LazyLock<Certificate> = LazyLock::new(Certificate::expired);

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
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        resumed(ground, version, ground.times(20));
    }
    let renegotiated = renegotiated(ground);
    load.finish();
    ground.only("tls/", accepted);
    ground.only("resumed-", accepted);
    format!(
        "cut: {}; resumed: {}; renegotiated: {renegotiated}; after a flood of key updates: {}",
        ground.heard("cut-"),
        ground.heard("resumed-"),
        ground.heard("flood-")
    )
}

/// A client that was here before is served like any other, and its session is taken up again.
fn resumed(ground: &Ground, version: &'static SupportedProtocolVersion, times: usize) {
    let config = certificate::shared().client_of(&[version]);
    let address = ground.program.address("implicit");
    for n in 0..=times {
        let socket = Stream::Plain(TcpStream::connect(address).expect("the proxy listens"));
        socket.patience(PATIENCE);
        let stream = socket.into_client_of(Arc::clone(&config));
        let stream = stream.expect("a handshake");
        let kind = match &stream {
            Stream::Client(tls) => tls.conn.handshake_kind(),
            _ => None,
        };
        let expected = match n {
            0 => HandshakeKind::Full,
            _ => HandshakeKind::Resumed,
        };
        assert_eq!(kind, Some(expected), "{version:?}, connection {n}");
        let mut connection = Connection::over(stream);
        assert_eq!(connection.greet("client.example.com").ok(), Some(250));
        let letter = Letter::new(&format!("resumed-{:?}-{n}", version.version), FINE, 1_500);
        ground.enter(&letter.token, connection.deliver(&letter));
    }
}

/// A client that wants another handshake in the middle of its message (TLS 1.2, RFC 5246 section 7.4.1.1): closed or
/// served, and the end of the connection is no end of the message.
fn renegotiated(ground: &mut Ground) -> String {
    let Some(openssl) = peers::installed("openssl") else {
        return ground.skip("openssl not installed");
    };
    for n in 0..ground.times(5) {
        let letter = Letter::new(&format!("again-{n}"), FINE, 1_500);
        let mut talk = Talk::start(&openssl, ground.program.address("implicit"));
        let begun = talk.begin(&letter);
        let told = match begun.and_then(|()| talk.renegotiate(&letter)) {
            Some(250) => Told::Accepted,
            Some(code) => Told::Refused(code),
            None => Told::Unknown,
        };
        ground.enter(&letter.token, told);
    }
    ground.heard("again-")
}

/// Whoever neither closes nor serves for so long waits for the other: that is no end of the message either.
const PATIENCE: Duration = Duration::from_secs(10);

/// `openssl s_client`, which asks for another handshake at a line `R`; ended when dropped.
struct Talk {
    child: Child,
    lines: Receiver<String>,
}

impl Talk {
    fn start(openssl: &Path, address: SocketAddr) -> Self {
        let mut child = Command::new(openssl)
            .args(["s_client", "-tls1_2", "-crlf", "-connect"])
            .arg(address.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl starts");
        let (said, lines) = mpsc::channel();
        let replies = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        std::thread::spawn(move || {
            let mut replies = replies.map_while(Result::ok);
            replies.try_for_each(|line| said.send(line))
        });
        Self { child, lines }
    }

    fn say(&mut self, text: &str) -> Option<()> {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        stdin.write_all(text.as_bytes()).ok()?;
        stdin.flush().ok()?;
        // It looks for `R` where what it reads at once begins.
        std::thread::sleep(Duration::from_millis(100));
        Some(())
    }

    /// The last line of the next reply; what openssl says itself is let pass.
    fn reply(&mut self) -> Option<u16> {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).ok()?;
            let code = line.get(..3).and_then(|code| code.parse().ok());
            if code.is_some() && line.as_bytes().get(3) == Some(&b' ') {
                return code;
            }
        }
    }

    /// Up to the first half of the message.
    fn begin(&mut self, letter: &Letter) -> Option<()> {
        let sender = format!("MAIL FROM:<{}>\n", letter.sender);
        let recipient = format!("rcpt TO:<{TO}>\n");
        assert_eq!(self.reply(), Some(220), "the greeting");
        let commands = ["EHLO client.example.com\n", &sender, &recipient, "DATA\n"];
        for (command, code) in commands.into_iter().zip([250, 250, 250, 354]) {
            self.say(command)?;
            assert_eq!(self.reply(), Some(code), "{command}");
        }
        let (half, _) = halves(letter);
        self.say(&half)
    }

    /// The code that the message ends with, if the connection does not end before.
    fn renegotiate(&mut self, letter: &Letter) -> Option<u16> {
        self.say("R\n")?;
        let (_, half) = halves(letter);
        self.say(&half)?;
        self.say(".\n")?;
        self.reply()
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // Our own child; it may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Its lines, with the ends that openssl turns into CRLF.
fn halves(letter: &Letter) -> (String, String) {
    let text = String::from_utf8_lossy(&letter.octets).replace("\r\n", "\n");
    let (half, rest) = text.split_at(text.find("\n\n").expect("a header section") + 2);
    (half.to_owned(), rest.to_owned())
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

const ROTATED: &str = "rotated";

/// Under one load that goes on: the right certificate, one that nobody trusts, and one that is trusted and was valid once;
/// each is followed by the right one.
fn rotated(ground: &mut Ground) -> String {
    let load = ground.begin(Load::of(ROTATED, usize::MAX));
    ground.until_more(ground.share(5));
    let wrong = refuses(ground, &Certificate::make(), "invalid peer certificate");
    let expired = refuses(ground, &EXPIRED, "certificate expired");
    load.stop();
    ground.only(ROTATED, |told| accepted(told) || told.is_temporary());
    in_the_clear(ground);
    format!(
        "{wrong} refused of one nobody trusts, {expired} of one that has expired; in all: {}",
        ground.heard(ROTATED)
    )
}

/// Presents it until a share of the messages has been sent, of which none may be accepted, and the right one again. How many
/// messages that were.
fn refuses(ground: &Ground, certificate: &Certificate, complaint: &str) -> usize {
    let complaints = || ground.program.log(&[complaint]).len();
    let (said, tried) = (complaints(), ground.backend().all_connections());
    restart(ground, certificate);
    ground.until_more(20);
    until_entered(ground);
    let (accepted, sent) = (ground.accepted(ROTATED), ground.count(ROTATED));
    ground.until_more(ground.share(5));
    let refused = ground.count(ROTATED) - sent;
    assert_eq!(ground.accepted(ROTATED), accepted, "{complaint}");
    assert!(complaints() > said, "no line `{complaint}` in the log");
    assert!(ground.backend().all_connections() > tried, "nobody tried");
    ground.backend().present(certificate::shared());
    ground.recovers(&format!("renewed-{sent}"), Duration::from_secs(1));
    ground.until_more(ground.share(5));
    assert!(ground.accepted(ROTATED) > accepted, "after {complaint}");
    refused
}

/// Waits until the clients have entered what the backend has taken: whoever was accepted just before may be late with that,
/// however many others come meanwhile.
fn until_entered(ground: &Ground) {
    let taken = ground.backend().deliveries().len();
    let deadline = Instant::now() + ground.patience(Duration::from_secs(2));
    while ground.accepted("") < taken && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The backend presents another certificate, as after a restart: to who connects from now on. Who is connected hears 421 at
/// the next message, until nobody is.
fn restart(ground: &Ground, certificate: &Certificate) {
    let backend = ground.backend();
    backend.present(certificate);
    backend.always("MAIL *", [say("421 4.3.2 restarting"), Step::Close]);
    let deadline = Instant::now() + ground.patience(Duration::from_secs(10));
    while backend.connections() > 0 {
        assert!(Instant::now() < deadline, "connections stay open");
        std::thread::sleep(Duration::from_millis(1));
    }
    backend.behave();
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
