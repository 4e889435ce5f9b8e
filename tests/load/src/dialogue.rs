//! The client's side of SMTP over any stream: write commands, read replies, be strict about both.

use std::time::Duration;

use memchr::memchr;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::error::Elapsed;

/// A reply of more octets is no reply.
const LONGEST: usize = 64 * 1024;

/// Why a session did not go as planned.
#[derive(Debug, Error)]
pub enum Fault {
    /// the connection could not be made, or broke
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// the server closed while a reply was due
    #[error("the server closed the connection instead of answering {0}")]
    Closed(&'static str),
    /// another code than the one that means yes
    #[error("{command} was answered {reply:?} instead of {wanted}")]
    Refused {
        /// what was asked
        command: &'static str,
        /// what would have been right
        wanted: u16,
        /// what came
        reply: String,
    },
    /// octets that are no reply (RFC 5321, 4.2)
    #[error("{0:?} is no reply")]
    Nonsense(String),
    /// an extension that the plan needs is not offered
    #[error("the server does not offer {0}")]
    NotOffered(&'static str),
    /// nothing came in time
    #[error("nothing came within the time allowed")]
    Patience,
}

impl From<Elapsed> for Fault {
    fn from(_: Elapsed) -> Self {
        Self::Patience
    }
}

/// A connection on which a client speaks.
#[derive(Debug)]
pub(crate) struct Dialogue<S> {
    stream: S,
    unread: Vec<u8>,
    patience: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<S> {
    pub(crate) fn new(stream: S, patience: Duration) -> Self {
        let unread = Vec::new();
        Self {
            stream,
            unread,
            patience,
        }
    }

    /// The stream, to be wrapped in TLS. The server must not have said more than it was asked.
    pub(crate) fn into_stream(self) -> Result<S, Fault> {
        if self.unread.is_empty() {
            return Ok(self.stream);
        }
        Err(nonsense(&self.unread))
    }

    /// Writes all of it.
    pub(crate) async fn write(&mut self, octets: &[u8]) -> Result<(), Fault> {
        let writing = async {
            self.stream.write_all(octets).await?;
            self.stream.flush().await
        };
        Ok(tokio::time::timeout(self.patience, writing).await??)
    }

    /// The reply to `command`, which must have the code `wanted`; its text, lines and codes included.
    pub(crate) async fn expect(
        &mut self,
        command: &'static str,
        wanted: u16,
    ) -> Result<String, Fault> {
        let reply = tokio::time::timeout(self.patience, self.reply(command)).await??;
        if reply.as_bytes().starts_with(&digits(wanted)) {
            return Ok(reply);
        }
        Err(Fault::Refused {
            command,
            wanted,
            reply: reply.trim_end().to_owned(),
        })
    }

    /// Writes a command, expects its reply.
    pub(crate) async fn ask(
        &mut self,
        line: &[u8],
        command: &'static str,
        wanted: u16,
    ) -> Result<String, Fault> {
        self.write(line).await?;
        self.expect(command, wanted).await
    }

    /// The server's own end of the connection.
    pub(crate) async fn closed(&mut self) -> Result<(), Fault> {
        let mut rest = [0; 64];
        let read = tokio::time::timeout(self.patience, self.stream.read(&mut rest)).await??;
        match read {
            0 => Ok(()),
            read => Err(nonsense(&rest[..read])),
        }
    }

    async fn reply(&mut self, command: &'static str) -> Result<String, Fault> {
        loop {
            if let Some(length) = complete(&self.unread)? {
                let rest = self.unread.split_off(length);
                let reply = std::mem::replace(&mut self.unread, rest);
                return String::from_utf8(reply).map_err(|e| nonsense(e.as_bytes()));
            }
            if self.unread.len() > LONGEST {
                return Err(nonsense(&self.unread[..64]));
            }
            if self.stream.read_buf(&mut self.unread).await? == 0 {
                return Err(Fault::Closed(command));
            }
        }
    }
}

/// How long the first reply in `octets` is, once all its lines are there.
fn complete(octets: &[u8]) -> Result<Option<usize>, Fault> {
    let mut start = 0;
    while let Some(length) = memchr(b'\n', &octets[start..]) {
        let line = &octets[start..start + length + 1];
        start += line.len();
        match separator(line) {
            Some(b'-') => {}
            Some(_) => return Ok(Some(start)),
            None => return Err(nonsense(line)),
        }
    }
    Ok(None)
}

/// What stands after the code: a hyphen where more lines follow. `None` where the line is none of a reply.
fn separator(line: &[u8]) -> Option<u8> {
    let text = line.strip_suffix(b"\r\n")?;
    let (code, rest) = text.split_at_checked(3)?;
    let digits = matches!(code[0], b'2'..=b'5') && code[1..].iter().all(u8::is_ascii_digit);
    let separator = *rest.first().unwrap_or(&b' ');
    (digits && matches!(separator, b' ' | b'-')).then_some(separator)
}

fn digits(code: u16) -> [u8; 3] {
    [code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + digit as u8)
}

fn nonsense(octets: &[u8]) -> Fault {
    Fault::Nonsense(String::from_utf8_lossy(octets).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_ends_at_its_last_line() {
        for (octets, length) in [
            (&b"250 ok\r\n"[..], Some(8)),
            (b"250-a\r\n250 b\r\n354 go\r\n", Some(14)),
            (b"250\r\n", Some(5)),
            (b"250-a\r\n", None),
            (b"250 o", None),
            (b"", None),
        ] {
            assert_eq!(complete(octets).unwrap(), length);
        }
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for octets in [
            &b"250 bare\n"[..],
            b"ok\r\n",
            b"650 what\r\n",
            b"25x no\r\n",
            b"250+no\r\n",
            b"250-a\r\nHTTP/1.1\r\n",
        ] {
            assert!(matches!(complete(octets), Err(Fault::Nonsense(_))));
        }
    }

    #[test]
    fn codes_are_written_as_three_digits() {
        assert_eq!(&digits(354), b"354");
        assert_eq!(&digits(220), b"220");
    }
}
