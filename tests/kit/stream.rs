//! A connection in the clear or in TLS, from either side.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use socket2::SockRef;

use crate::certificate;

/// A blocking connection.
#[derive(Debug)]
pub enum Stream {
    /// in the clear
    Plain(TcpStream),
    /// TLS, we are the client
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    /// TLS, we are the server
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    /// The socket below.
    pub fn socket(&self) -> &TcpStream {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Client(tls) => &tls.sock,
            Stream::Server(tls) => &tls.sock,
        }
    }

    /// TLS on a connection that was in the clear: as the client, which knows the test certificate.
    pub fn into_client(self) -> io::Result<Self> {
        self.into_client_of(certificate::shared().client())
    }

    /// The same as a client of `config`, which may know a session of before.
    pub fn into_client_of(self, config: Arc<ClientConfig>) -> io::Result<Self> {
        let socket = self.into_plain()?;
        let name = ServerName::try_from(certificate::NAME).expect("a valid name");
        let tls = ClientConnection::new(config, name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Stream::Client(Box::new(stream)))
    }

    /// TLS on a connection that was in the clear: as the server, with the certificate of `config`.
    pub fn into_server(self, config: Arc<ServerConfig>) -> io::Result<Self> {
        let socket = self.into_plain()?;
        let tls = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(tls, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Stream::Server(Box::new(stream)))
    }

    fn into_plain(self) -> io::Result<TcpStream> {
        match self {
            Stream::Plain(socket) => Ok(socket),
            _ => Err(io::Error::other("in TLS already")),
        }
    }

    /// Gives up reading after this long.
    pub fn patience(&self, patience: Duration) {
        let set = self.socket().set_read_timeout(Some(patience));
        set.expect("a span that is not zero");
    }

    /// Ends the connection with a reset, whatever is on its way.
    pub fn reset(self) {
        let linger = SockRef::from(self.socket()).set_linger(Some(Duration::ZERO));
        linger.expect("a socket option");
    }

    /// Closes as a program that has nothing more to say: in TLS with close_notify.
    pub fn close(&mut self) {
        match self {
            Stream::Plain(_) => {}
            Stream::Client(tls) => tls.conn.send_close_notify(),
            Stream::Server(tls) => tls.conn.send_close_notify(),
        }
        let _ = self.flush();
        let _ = self.socket().shutdown(Shutdown::Both);
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.read(buf),
            Stream::Client(tls) => tls.read(buf),
            Stream::Server(tls) => tls.read(buf),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => socket.write(buf),
            Stream::Client(tls) => tls.write(buf),
            Stream::Server(tls) => tls.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(socket) => socket.flush(),
            Stream::Client(tls) => tls.flush(),
            Stream::Server(tls) => tls.flush(),
        }
    }
}

/// Lines out of a stream, each without its CRLF.
#[derive(Debug, Default)]
pub struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// The next line, without its CRLF; `None` at the end of the stream.
    pub fn next(&mut self, stream: &mut Stream) -> io::Result<Option<Vec<u8>>> {
        let line = self.next_raw(stream)?;
        Ok(line.map(|mut line| {
            line.truncate(line.strip_suffix(b"\r\n").unwrap_or(&line).len());
            line
        }))
    }

    /// The next line with whatever ends it, CRLF or a bare LF; `None` at the end of the stream.
    pub fn next_raw(&mut self, stream: &mut Stream) -> io::Result<Option<Vec<u8>>> {
        let mut searched = 0;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.buffer[searched..]) {
                return Ok(Some(self.buffer.drain(..=searched + at).collect()));
            }
            searched = self.buffer.len();
            if self.fill(stream)? == 0 {
                return Ok(None);
            }
        }
    }

    /// So many octets; `None` if the stream ends before.
    pub fn take(&mut self, stream: &mut Stream, octets: usize) -> io::Result<Option<Vec<u8>>> {
        while self.buffer.len() < octets {
            if self.fill(stream)? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(self.buffer.drain(..octets).collect()))
    }

    /// What was read and not yet taken.
    pub fn waiting(&self) -> &[u8] {
        &self.buffer
    }

    /// Puts octets back before everything else.
    pub fn put_back(&mut self, octets: &[u8]) {
        self.buffer.splice(..0, octets.iter().copied());
    }

    /// Forgets what was read and not yet taken.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    fn fill(&mut self, stream: &mut Stream) -> io::Result<usize> {
        let mut chunk = [0; 16_384];
        let read = match stream.read(&mut chunk) {
            // A peer that closes a TLS connection without close_notify has closed it all the same.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        self.buffer.extend_from_slice(&chunk[..read]);
        Ok(read)
    }
}
