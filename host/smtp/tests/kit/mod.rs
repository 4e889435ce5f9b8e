//! Plays transcripts against the server machine.
//!
//! `C:` is what the client sends, CRLF added; `C|` the same without CRLF; `S:` what it hears.
//! `\r`, `\n`, `\0`, `\\` and `\xNN` are escapes in what is sent. `...` at the end of an `S:` line
//! stands for any rest. Each group of `C` lines is sent in one piece, and the `S:` lines behind it
//! are all that comes back. Each transcript is also played one octet at a time.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![allow(dead_code, reason = "each test file uses its part")]

use lazaret_smtp::{
    CloseReason, Enhanced, Event, Extensions, Keyword, Own, Path, Reply, Server, ServerConfig,
};

/// How the session is set up, and who judges it.
#[derive(Clone)]
pub struct Play {
    pub config: ServerConfig,
    pub offer: Extensions,
    /// Asked instead of the built-in judge; `None` leaves the question to that.
    pub judge: fn(&Event) -> Option<Answer>,
    pub greets: bool,
}

/// How a question is answered.
pub enum Answer {
    Reply(Reply),
    RefuseHello(Reply),
    Close(Reply),
}

/// What came out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Played {
    pub messages: Vec<Vec<u8>>,
    pub senders: Vec<Path>,
    pub recipients: Vec<Path>,
    pub resets: usize,
    pub closed: Option<CloseReason>,
    content: Vec<u8>,
}

pub fn config() -> ServerConfig {
    ServerConfig {
        hostname: "mx.example.org".to_owned(),
        max_message: 1000,
        ..ServerConfig::default()
    }
}

/// As in front of a backend that can do everything.
pub fn offer() -> Extensions {
    let backend = Extensions::from_iter([Keyword::EightBitMime, Keyword::SmtpUtf8, Keyword::Dsn]);
    let own = Own {
        max_message: 1000,
        headroom: 0,
        start_tls: true,
    };
    Extensions::offer(&backend, &own)
}

impl Default for Play {
    fn default() -> Self {
        Self {
            config: config(),
            offer: offer(),
            judge: |_| None,
            greets: true,
        }
    }
}

/// Plays from the greeting on, with the default set-up.
pub fn check(transcript: &str) -> Played {
    Play::default().check(transcript)
}

/// As `check`, with the greeting and an accepted EHLO in front.
pub fn check_hello(transcript: &str) -> Played {
    Play::default().check_hello(transcript)
}

/// As `check_hello`, with MAIL and one RCPT in front.
pub fn check_envelope(transcript: &str) -> Played {
    Play::default().check_envelope(transcript)
}

pub const HELLO: &str = "
    S: 220 mx.example.org ESMTP
    C: EHLO client.example.net
    S: 250-mx.example.org
    S: 250-PIPELINING
    S: 250-SIZE 1000
    S: 250-STARTTLS
    S: 250-ENHANCEDSTATUSCODES
    S: 250-8BITMIME
    S: 250-SMTPUTF8
    S: 250-DSN
    S: 250-CHUNKING
    S: 250 HELP
";

pub const ENVELOPE: &str = "
    C: MAIL FROM:<a@example.net>
    S: 250 2.1.0 Sender ok
    C: RCPT TO:<b@example.org>
    S: 250 2.1.5 Recipient ok
";

impl Play {
    pub fn check_hello(&self, transcript: &str) -> Played {
        self.check(&format!("{HELLO}{transcript}"))
    }

    pub fn check_envelope(&self, transcript: &str) -> Played {
        self.check(&format!("{HELLO}{ENVELOPE}{transcript}"))
    }

    pub fn check(&self, transcript: &str) -> Played {
        let whole = self.play(transcript, usize::MAX);
        let single = self.play(transcript, 1);
        assert_eq!(whole, single, "one octet at a time it went differently");
        whole
    }

    fn play(&self, transcript: &str, chunk: usize) -> Played {
        let mut server = Server::new(self.config.clone());
        let mut played = Played::default();
        if self.greets {
            server.greet();
        }
        self.drive(&mut server, &mut played);
        for (sent, expected) in exchanges(transcript) {
            let mut heard = Vec::new();
            for piece in sent.chunks(chunk.min(sent.len().max(1))) {
                server.receive(piece);
                self.drive(&mut server, &mut played);
                heard.extend_from_slice(&server.output().split());
            }
            heard.extend_from_slice(&server.output().split());
            compare(&sent, &expected, &String::from_utf8(heard).unwrap());
        }
        played
    }

    /// Answers until there is nothing more to do.
    pub fn drive(&self, server: &mut Server, played: &mut Played) {
        loop {
            let event = server.next();
            match &event {
                Event::NeedInput => return,
                Event::Close(reason) => {
                    played.closed = Some(*reason);
                    return;
                }
                _ => played.note(&event),
            }
            if server.awaits_answer() {
                self.answer(server, &event);
            }
        }
    }

    fn answer(&self, server: &mut Server, event: &Event) {
        match (self.judge)(event) {
            Some(Answer::Reply(reply)) => return server.answer(reply),
            Some(Answer::RefuseHello(reply)) => return server.refuse_hello(reply),
            Some(Answer::Close(reply)) => return server.close(reply),
            None => {}
        }
        match event {
            Event::Hello(_) => server.accept_hello(&self.offer),
            Event::StartTls => {
                server.start_tls();
                server.tls_established();
            }
            Event::Data => server.go_ahead(),
            Event::Mail(_) => server.answer(Reply::sender_ok()),
            Event::Rcpt(_) => server.answer(Reply::recipient_ok()),
            _ => server.answer(Reply::ok()),
        }
    }
}

impl Played {
    fn note(&mut self, event: &Event) {
        match event {
            Event::Mail(path) => self.senders.push(path.clone()),
            Event::Rcpt(path) => self.recipients.push(path.clone()),
            Event::Reset => {
                self.resets += 1;
                self.content.clear();
            }
            Event::Content(octets) => self.content.extend_from_slice(octets),
            Event::End(end) => {
                if end.fault.is_none() {
                    assert_eq!(
                        end.octets,
                        self.content.len() as u64,
                        "octets of the message"
                    );
                }
                self.messages.push(std::mem::take(&mut self.content));
            }
            _ => {}
        }
    }

    /// The only message.
    pub fn message(&self) -> &[u8] {
        assert_eq!(self.messages.len(), 1, "messages");
        &self.messages[0]
    }
}

/// Groups of what is sent and what is heard then.
fn exchanges(transcript: &str) -> Vec<(Vec<u8>, Vec<String>)> {
    let mut all: Vec<(Vec<u8>, Vec<String>)> = vec![Default::default()];
    for line in transcript
        .lines()
        .map(str::trim_start)
        .filter(|l| !l.is_empty())
    {
        let text = line.get(3..).unwrap_or_default();
        let last = all.last_mut().unwrap();
        match line.get(..2) {
            Some("S:") => last.1.push(text.to_owned()),
            Some(mark @ ("C:" | "C|")) => {
                let mut octets = unescape(text);
                octets.extend_from_slice(if mark == "C:" { b"\r\n" } else { b"" });
                if last.1.is_empty() && !last.0.is_empty() {
                    last.0.extend_from_slice(&octets);
                } else {
                    all.push((octets, Vec::new()));
                }
            }
            _ => panic!("not a line of a transcript: {line}"),
        }
    }
    all
}

fn unescape(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'\\' => match rest.next().expect("something behind the backslash") {
                b'r' => b'\r',
                b'n' => b'\n',
                b'0' => 0,
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => other,
            },
            other => other,
        });
    }
    octets
}

fn compare(sent: &[u8], expected: &[String], heard: &str) {
    let lines: Vec<&str> = heard.split_terminator("\r\n").collect();
    let same = lines.len() == expected.len()
        && lines
            .iter()
            .zip(expected)
            .all(|(line, pattern)| matches(line, pattern));
    assert!(
        same,
        "\nC: {}\nexpected:\n  {}\nheard:\n  {}\n",
        sent.escape_ascii(),
        expected.join("\n  "),
        lines.join("\n  ")
    );
    assert!(
        lines.iter().all(|line| line.len() + 2 <= 512),
        "reply line too long"
    );
    let sent = sent.to_ascii_uppercase();
    let hello = |line: &[u8]| line == b"EHLO" || line == b"HELO";
    let hello = sent.windows(4).any(hello);
    assert!(
        hello || lines.iter().all(|line| has_its_enhanced_code(line)),
        "no enhanced code, or of another class: {heard}"
    );
}

/// RFC 2034 section 4: on every 2yz, 4yz and 5yz, of the same class; 220 may be a greeting.
fn has_its_enhanced_code(line: &str) -> bool {
    let (code, text) = line.split_at(4);
    let word = text.split(' ').next().unwrap_or_default();
    let code = &code[..3];
    match Enhanced::parse(word) {
        Some(enhanced) => code.starts_with(&enhanced.class.to_string()),
        None => matches!(code, "220" | "354"),
    }
}

fn matches(line: &str, pattern: &str) -> bool {
    match pattern.strip_suffix("...") {
        Some(front) => line.starts_with(front),
        None => line == pattern,
    }
}
