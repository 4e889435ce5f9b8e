//! One conversation with clamd: `zINSTREAM`, the message in chunks with their lengths before them, one answer.

#[cfg(test)]
#[path = "../tests/checks/clamd.rs"]
mod checks;

use std::fmt;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use lazaret_filter::Error;

/// Octets of an answer. Names of signatures are short; whoever says more is not clamd.
const MOST_OF_AN_ANSWER: usize = 1024;

/// Octets of a signature's name that are told to others.
const MOST_OF_A_NAME: usize = 100;

/// A conversation that has begun.
pub struct Clamd {
    stream: TcpStream,
    until: Instant,
    /// what goes out at once: a length and a chunk
    buffer: Vec<u8>,
}

/// What clamd says of the octets it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// nothing known
    Clean,
    /// that signature, its name made safe for replies and fields
    Found(String),
    /// more octets than its StreamMaxLength
    TooLarge,
}

/// Why nobody knows.
#[derive(Debug)]
pub enum Trouble {
    /// no answer within `time`
    Late,
    /// the connection was refused, reset or ended
    Broken(io::Error),
    /// an error of its own, made safe
    Said(String),
    /// no answer of clamd's
    Nonsense,
    /// the message cannot be read
    Unreadable(Error),
}

impl Clamd {
    /// Connects and says what will come; `time` is for all of the conversation.
    pub fn connect(address: SocketAddr, time: Duration) -> Result<Self, Trouble> {
        let until = Instant::now() + time;
        let stream = TcpStream::connect_timeout(&address, time)?;
        let buffer = b"zINSTREAM\0".to_vec();
        Ok(Self {
            stream,
            until,
            buffer,
        })
    }

    /// One more chunk, not empty. Clamd answers before the end only when it wants no more.
    pub fn send(&mut self, octets: &[u8]) -> Result<Option<Look>, Trouble> {
        // A chunk is 64 KiB at most.
        self.buffer
            .extend_from_slice(&(octets.len() as u32).to_be_bytes());
        self.buffer.extend_from_slice(octets);
        match self.flush() {
            Ok(()) => Ok(None),
            Err(Trouble::Broken(error)) => match self.hear() {
                Ok(Look::TooLarge) => Ok(Some(Look::TooLarge)),
                Err(Trouble::Said(error)) => Err(Trouble::Said(error)),
                _ => Err(Trouble::Broken(error)),
            },
            Err(trouble) => Err(trouble),
        }
    }

    /// Ends the message and waits.
    pub fn answer(mut self) -> Result<Look, Trouble> {
        self.buffer.extend_from_slice(&[0; 4]);
        let sent = self.flush();
        match (sent, self.hear()) {
            (Err(_), Ok(Look::Clean | Look::Found(_))) => Err(Trouble::Nonsense),
            (_, heard) => heard,
        }
    }

    fn flush(&mut self) -> Result<(), Trouble> {
        let mut sent = 0;
        while sent < self.buffer.len() {
            self.stream.set_write_timeout(Some(left(self.until)?))?;
            match self.stream.write(&self.buffer[sent..])? {
                0 => return Err(Trouble::Broken(io::ErrorKind::WriteZero.into())),
                more => sent += more,
            }
        }
        self.buffer.clear();
        Ok(())
    }

    fn hear(&mut self) -> Result<Look, Trouble> {
        let mut heard = [0; MOST_OF_AN_ANSWER];
        let mut length = 0;
        // Asking for no octets waits for ever in the sandbox.
        while length < heard.len() {
            self.stream.set_read_timeout(Some(left(self.until)?))?;
            match self.stream.read(&mut heard[length..])? {
                0 if length == 0 => {
                    return Err(Trouble::Broken(io::ErrorKind::UnexpectedEof.into()));
                }
                0 => return Err(Trouble::Nonsense),
                more => length += more,
            }
            if heard[..length].contains(&0) {
                return read(&heard[..length]);
            }
        }
        Err(Trouble::Nonsense)
    }
}

/// The time that is left; a timeout of none would be no timeout.
fn left(until: Instant) -> Result<Duration, Trouble> {
    let left = until.saturating_duration_since(Instant::now());
    match left < Duration::from_millis(1) {
        true => Err(Trouble::Late),
        false => Ok(left),
    }
}

/// `stream: OK`, `stream: NAME FOUND` or `.. ERROR`, and the zero octet that ends it.
pub fn read(answer: &[u8]) -> Result<Look, Trouble> {
    let plain = |octet: &u8| octet.is_ascii_graphic() || *octet == b' ';
    let text = answer.strip_suffix(b"\0");
    let text = text.filter(|text| text.iter().all(plain));
    let text = text.and_then(|text| std::str::from_utf8(text).ok());
    let text = text.ok_or(Trouble::Nonsense)?;
    if let Some(error) = text.strip_suffix(" ERROR") {
        return match error {
            "INSTREAM size limit exceeded." => Ok(Look::TooLarge),
            error => Err(Trouble::Said(safe(error))),
        };
    }
    let said = text.strip_prefix("stream: ").ok_or(Trouble::Nonsense)?;
    match (said, said.strip_suffix(" FOUND")) {
        ("OK", _) => Ok(Look::Clean),
        (_, Some(name)) if !name.is_empty() => Ok(Look::Found(safe(name))),
        _ => Err(Trouble::Nonsense),
    }
}

/// Fit for a reply, a header field and a log: letters, digits and what names of signatures are written with.
fn safe(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || " ._-/:+{}[],'".contains(c);
    let octets = name.chars().take(MOST_OF_A_NAME);
    octets.map(|c| if plain(c) { c } else { '_' }).collect()
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What a socket with a timeout says, by system.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Self::Late,
            _ => Self::Broken(error),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Unreadable(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("clamd did not answer within `time`"),
            Self::Broken(error) => f.write_str(&broken(error)),
            Self::Said(error) => write!(f, "clamd says: {error}"),
            Self::Nonsense => f.write_str("what answers there is not clamd"),
            Self::Unreadable(error) => write!(f, "it cannot be read ({})", error.name()),
        }
    }
}

/// How the sandbox's std numbers every error of a stream but its end.
const STREAM: i32 = 29;

fn broken(error: &io::Error) -> String {
    match (error.kind(), error.raw_os_error()) {
        (io::ErrorKind::PermissionDenied, _) => {
            "clamd's address is not granted: write \"tcp:\" and `address` into `grant`".to_owned()
        }
        (io::ErrorKind::NotConnected, _) | (_, Some(STREAM)) => {
            "the connection to clamd broke off, or waiting for it took longer than `tcp-time`"
                .to_owned()
        }
        (kind, _) => format!("no connection to clamd ({kind})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(answer: &[u8]) -> String {
        match read(answer) {
            Ok(look) => format!("{look:?}"),
            Err(trouble) => trouble.to_string(),
        }
    }

    #[test]
    fn the_corpus_replays() {
        lazaret_corpus::replay("clamd", checks::clamd);
    }

    #[test]
    fn answers_are_read_to_the_letter() {
        assert_eq!(told(b"stream: OK\0"), "Clean");
        assert_eq!(
            told(b"stream: Win.Test.EICAR_HDB-1 FOUND\0"),
            "Found(\"Win.Test.EICAR_HDB-1\")"
        );
        assert_eq!(told(b"stream: OK FOUND\0"), "Found(\"OK\")");
        assert_eq!(told(b"INSTREAM size limit exceeded. ERROR\0"), "TooLarge");
        assert_eq!(
            told(b"stream: Can't allocate memory ERROR\0"),
            "clamd says: stream: Can't allocate memory"
        );
    }

    #[test]
    fn what_is_no_answer_is_none() {
        let wrong: [&[u8]; 13] = [
            b"",
            b"\0",
            b"stream: OK",
            b"stream: OK\n\0",
            b"stream: ok\0",
            b"stream:  FOUND\0",
            b"stream: FOUND\0",
            b"OK\0",
            b"stream: OK\0stream: OK\0",
            b"stream: OK\0stream: Eicar FOUND\0",
            b"stream: a\r\n250 ok FOUND\0",
            b"stream: V\xc3\xbc FOUND\0",
            b"HTTP/1.1 400 Bad Request\0",
        ];
        for answer in wrong {
            assert_eq!(
                told(answer),
                "what answers there is not clamd",
                "{answer:?}"
            );
        }
    }

    #[test]
    fn names_are_made_safe() {
        assert_eq!(told(b"stream: a=<x>;%s FOUND\0"), "Found(\"a__x___s\")");
        let long = [b"stream: ".as_slice(), &[b'x'; 900], b" FOUND\0"].concat();
        assert_eq!(read(&long).unwrap(), Look::Found("x".repeat(100)));
    }
}
