//! A client that says exactly what a test tells it to.

use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::glob;
use crate::stream::{Lines, Stream};

/// How long a reply may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// How octets are handed to the network.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum Segments {
    /// as many as were given at once
    Whole,
    /// one octet at a time, in TLS one octet a record
    Single,
}

/// One connection to a proxy.
#[derive(Debug)]
pub struct Client {
    stream: Option<Stream>,
    lines: Lines,
    segments: Segments,
}

/// A reply: its code, and its lines as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// e.g. 250
    pub code: u16,
    /// each with its code
    pub lines: Vec<String>,
}

impl Reply {
    /// All lines as one text.
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }

    /// The id of the session, which our own replies carry at their end.
    pub fn session(&self) -> Option<&str> {
        let last = self.lines.last()?;
        let (_, id) = last.strip_suffix(')')?.rsplit_once('(')?;
        Some(id)
    }
}

impl Client {
    /// Connects in the clear.
    pub fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("the proxy listens");
        socket.set_nodelay(true).expect("a socket option");
        let stream = Stream::Plain(socket);
        stream.patience(PATIENCE);
        Self {
            stream: Some(stream),
            lines: Lines::default(),
            segments: Segments::Whole,
        }
    }

    /// Connects and begins TLS at once.
    pub fn connect_tls(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.handshake().expect("a TLS handshake");
        client
    }

    /// Connects in the clear, hears the greeting, says EHLO.
    pub fn greeted(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.expect("220 *");
        client.ask("EHLO client.example.com", "250 *");
        client
    }

    /// From now on hands octets to the network like this.
    pub fn segments(&mut self, segments: Segments) {
        self.segments = segments;
    }

    /// From now on waits this long for a reply.
    pub fn patience(&mut self, patience: Duration) {
        self.stream().patience(patience);
    }

    /// The TLS handshake; what was heard in the clear and not yet read is an error of the server.
    pub fn handshake(&mut self) -> io::Result<()> {
        assert!(
            self.lines.waiting().is_empty(),
            "octets in the clear before TLS"
        );
        let stream = self.stream.take().expect("a connection");
        self.stream = Some(stream.into_client()?);
        Ok(())
    }

    /// STARTTLS and the handshake.
    pub fn start_tls(&mut self) {
        self.ask("STARTTLS", "220 *");
        self.handshake().expect("a TLS handshake");
    }

    /// Sends octets as they are.
    pub fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        let segments = self.segments;
        let stream = self.stream();
        match segments {
            Segments::Whole => stream.write_all(octets)?,
            Segments::Single => {
                for octet in octets.chunks(1) {
                    stream.write_all(octet)?;
                    stream.flush()?;
                }
            }
        }
        stream.flush()
    }

    /// Sends a line.
    pub fn say(&mut self, line: &str) {
        let sent = self.octets(format!("{line}\r\n").as_bytes());
        sent.unwrap_or_else(|error| panic!("could not send {line:?}: {error}"));
    }

    /// Hears a whole reply; `None` if the connection ended instead.
    pub fn hear(&mut self) -> Option<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self
                .line()
                .unwrap_or_else(|error| panic!("no reply: {error}"))?;
            let last = line.as_bytes().get(3) != Some(&b'-');
            lines.push(line);
            if last {
                break;
            }
        }
        let code = lines[0].get(..3).and_then(|code| code.parse().ok());
        let code = code.unwrap_or_else(|| panic!("not a reply: {lines:?}"));
        Some(Reply { code, lines })
    }

    /// Hears one line, without CRLF; `None` at the end of the connection.
    pub fn line(&mut self) -> io::Result<Option<String>> {
        let stream = self.stream.as_mut().expect("a connection");
        let line = match self.lines.next(stream) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            other => other?,
        };
        Ok(line.map(|line| String::from_utf8_lossy(&line).into_owned()))
    }

    /// Puts a line back, to be heard again.
    pub fn unhear(&mut self, line: &str) {
        self.lines.put_back(format!("{line}\r\n").as_bytes());
    }

    /// Hears a reply whose last line must fit `pattern`.
    pub fn expect(&mut self, pattern: &str) -> Reply {
        let Some(reply) = self.hear() else {
            panic!("the connection ended where {pattern:?} was expected");
        };
        let last = reply.lines.last().expect("a reply has a line");
        assert!(
            glob::fits(pattern, last),
            "expected {pattern:?}, heard {reply:?}"
        );
        reply
    }

    /// Sends a line and hears the reply to it.
    pub fn ask(&mut self, line: &str, pattern: &str) -> Reply {
        self.say(line);
        self.expect(pattern)
    }

    /// One transaction from MAIL to the reply after the dot; `message` has lines with CRLF and is
    /// stuffed here. Ends early with the first reply that is not positive; then there is no transaction.
    pub fn deliver(&mut self, from: &str, to: &[&str], message: &[u8]) -> Reply {
        let mut commands = vec![format!("MAIL FROM:<{from}>")];
        commands.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
        for command in commands {
            self.say(&command);
            let reply = self.hear().expect("a reply");
            if reply.code != 250 {
                if command.starts_with("RCPT") && reply.code != 421 {
                    self.ask("RSET", "250 *");
                }
                return reply;
            }
        }
        self.say("DATA");
        let reply = self.hear().expect("a reply to DATA");
        if reply.code != 354 {
            return reply;
        }
        self.content(message);
        self.hear().expect("a reply after the dot")
    }

    /// The message and the dot.
    pub fn content(&mut self, message: &[u8]) {
        let sent = self.octets(&stuffed(message));
        sent.unwrap_or_else(|error| panic!("could not send the message: {error}"));
    }

    /// Is everything that was heard read, and nothing more coming for so long after `since`? What comes later stays to be
    /// heard.
    pub fn is_silent(&mut self, since: Instant, wait: Duration) -> bool {
        if !self.lines.waiting().is_empty() {
            return false;
        }
        let left = wait.saturating_sub(since.elapsed());
        self.stream().patience(left.max(Duration::from_millis(1)));
        let heard = self.line();
        self.stream().patience(PATIENCE);
        let Ok(Some(line)) = heard else { return true };
        let is_late = since.elapsed() >= wait;
        self.unhear(&line);
        is_late
    }

    /// Must see the end of the connection, and nothing before it.
    pub fn ended(&mut self) {
        let heard = self
            .line()
            .unwrap_or_else(|error| panic!("not closed: {error}"));
        assert_eq!(heard, None, "a reply where the end was expected");
    }

    /// Closes.
    pub fn close(&mut self) {
        self.stream().close();
    }

    fn stream(&mut self) -> &mut Stream {
        self.stream.as_mut().expect("a connection")
    }
}

/// A message as it crosses the wire: dots doubled, CRLF at the end, then the dot (RFC 5321 section 4.5.2).
pub fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut wire = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        if line.first() == Some(&b'.') {
            wire.push(b'.');
        }
        wire.extend_from_slice(line);
    }
    if !wire.is_empty() && !wire.ends_with(b"\r\n") {
        wire.extend_from_slice(b"\r\n");
    }
    wire.extend_from_slice(b".\r\n");
    wire
}
