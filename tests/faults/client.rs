//! A client that expects the worst: whatever happens on its connection is an answer.

use std::io::{self, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::ledger::Told;
use super::letter::Letter;
use crate::Segments;
use crate::client::stuffed;
use crate::stream::{Lines, Stream};

/// A reply that takes longer counts as none.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Whose mail it is.
pub const TO: &str = "bob@example.org";

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: Stream,
    lines: Lines,
    segments: Segments,
    /// from the last dot to its reply
    answered: Duration,
}

impl Connection {
    /// Connects, in TLS if `secure`, and hears nothing yet.
    ///
    /// # Errors
    /// No connection, or no handshake.
    pub fn open(address: SocketAddr, security: Security) -> io::Result<Self> {
        let socket = TcpStream::connect_timeout(&address, PATIENCE)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let stream = Stream::Plain(socket);
        Ok(Self::over(match security {
            Security::Plain => stream,
            Security::Tls => stream.into_client()?,
        }))
    }

    /// Over a stream that is open.
    pub fn over(stream: Stream) -> Self {
        Self {
            stream,
            lines: Lines::default(),
            segments: Segments::Whole,
            answered: Duration::ZERO,
        }
    }

    /// Hears the greeting and says EHLO: the code of the first reply that is not positive, or 250.
    ///
    /// # Errors
    /// The connection ended.
    pub fn greet(&mut self, name: &str) -> io::Result<u16> {
        let greeting = self.reply()?;
        match greeting {
            220 => self.ask(&format!("EHLO {name}")),
            _ => Ok(greeting),
        }
    }

    /// From now on hands octets to the network like this.
    pub fn segments(&mut self, segments: Segments) {
        self.segments = segments;
    }

    /// Sends octets as they are.
    ///
    /// # Errors
    /// The connection ended.
    pub fn octets(&mut self, octets: &[u8]) -> io::Result<()> {
        let size = match self.segments {
            Segments::Whole => octets.len().max(1),
            Segments::Single => 1,
        };
        octets
            .chunks(size)
            .try_for_each(|chunk| self.stream.write_all(chunk))?;
        self.stream.flush()
    }

    /// Sends a line and hears the code of the reply.
    ///
    /// # Errors
    /// The connection ended.
    pub fn ask(&mut self, line: &str) -> io::Result<u16> {
        self.octets(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// The code of the next reply.
    ///
    /// # Errors
    /// The connection ended.
    pub fn reply(&mut self) -> io::Result<u16> {
        loop {
            let line = self.lines.next(&mut self.stream)?;
            let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
            if line.get(3) != Some(&b'-') {
                let text = String::from_utf8_lossy(&line);
                let code = text.get(..3).and_then(|code| code.parse().ok());
                return code.ok_or_else(|| io::Error::other(format!("not a reply: {text:?}")));
            }
        }
    }

    /// MAIL, RCPT, DATA: the code of the first refusal, or 354.
    ///
    /// # Errors
    /// The connection ended.
    pub fn begin(&mut self, letter: &Letter) -> io::Result<u16> {
        for command in [
            format!("MAIL FROM:<{}>", letter.sender),
            format!("RCPT TO:<{TO}>"),
        ] {
            let code = self.ask(&command)?;
            if code != 250 {
                return Ok(code);
            }
        }
        self.ask("DATA")
    }

    /// One transaction.
    pub fn deliver(&mut self, letter: &Letter) -> Told {
        match self.begin(letter) {
            Ok(354) => {}
            Ok(code) => return Told::Refused(code),
            Err(_) => return Told::Cut,
        }
        if self.octets(&stuffed(&letter.octets)).is_err() {
            return self.reply().map_or(Told::Unknown, Told::Refused);
        }
        let dot = Instant::now();
        let reply = self.reply();
        self.answered = dot.elapsed();
        match reply {
            Ok(250) => Told::Accepted,
            Ok(code) => Told::Refused(code),
            Err(_) => Told::Unknown,
        }
    }

    /// Says that nothing more will be said, and still listens.
    pub fn half_close(&mut self) {
        let _ = self.stream.socket().shutdown(Shutdown::Write);
    }

    /// Goes away as a program that ends: no QUIT, no close_notify.
    pub fn vanish(self) {
        let _ = self.stream.socket().shutdown(Shutdown::Both);
    }

    /// Goes away with a reset.
    pub fn reset(self) {
        self.stream.reset();
    }

    /// The stream below.
    pub fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// in the clear
    #[default]
    Plain,
    /// TLS from the start
    Tls,
}

/// What a client knows that was never greeted. A program that closes what it has accepted is heard as an end, not as a reset.
fn unheard(error: &io::Error) -> Told {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Told::NoConnection,
        _ => Told::Cut,
    }
}

/// A client that sends one letter after the other, over one connection as long as that holds.
#[derive(Debug)]
pub struct Sender {
    address: SocketAddr,
    security: Security,
    connection: Option<Connection>,
    segments: Segments,
    answered: Duration,
}

impl Sender {
    /// To a listener.
    pub fn to(address: SocketAddr, security: Security, segments: Segments) -> Self {
        Self {
            address,
            security,
            connection: None,
            segments,
            answered: Duration::ZERO,
        }
    }

    /// How long the reply to the last message took that was accepted, from its dot on.
    pub fn answered(&self) -> Duration {
        self.answered
    }

    /// Sends it, once.
    pub fn send(&mut self, letter: &Letter) -> Told {
        let mut connection = match self.connect() {
            Ok(connection) => connection,
            Err(told) => return told,
        };
        let told = connection.deliver(letter);
        self.answered = connection.answered;
        if self.goes_on(&mut connection, told) {
            self.connection = Some(connection);
        }
        told
    }

    fn connect(&mut self) -> Result<Connection, Told> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let opened = Connection::open(self.address, self.security);
        let mut connection = opened.map_err(|error| unheard(&error))?;
        connection.segments(self.segments);
        let greeting = connection.reply().map_err(|error| unheard(&error))?;
        if greeting != 220 {
            return Err(Told::Refused(greeting));
        }
        match connection.ask("EHLO client.example.com") {
            Ok(250) => Ok(connection),
            Ok(code) => Err(Told::Refused(code)),
            Err(_) => Err(Told::Cut),
        }
    }

    /// Is the session in step and open after that?
    fn goes_on(&self, connection: &mut Connection, told: Told) -> bool {
        match told {
            Told::Accepted => true,
            Told::Refused(421) | Told::Unknown | Told::Cut | Told::NoConnection => false,
            Told::Refused(_) => connection.ask("RSET").is_ok_and(|code| code == 250),
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.connection {
            let _ = connection.ask("QUIT");
        }
    }
}
