//! A mail server that takes everything and keeps it until it is asked for, so that a long run stays small.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Takes mail until it is dropped.
#[derive(Debug)]
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// by the token in their subject
    taken: Mutex<HashMap<String, Vec<Vec<u8>>>>,
    closing: AtomicBool,
}

impl Sink {
    /// Listens on a port of its own.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let shared = Arc::<Shared>::default();
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if served.closing.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&served);
                std::thread::spawn(move || serve(&socket, &shared));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The messages whose subject is this token, which are forgotten by it.
    pub fn take(&self, token: &str) -> Vec<Vec<u8>> {
        lock(&self.shared.taken).remove(token).unwrap_or_default()
    }

    /// How many messages have this token.
    pub fn count(&self, token: &str) -> usize {
        lock(&self.shared.taken).get(token).map_or(0, Vec::len)
    }

    /// The tokens of all messages that nobody asked for.
    pub fn rest(&self) -> Vec<String> {
        lock(&self.shared.taken).keys().cloned().collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

/// The other side going away in the middle is its right.
fn serve(socket: &TcpStream, shared: &Shared) {
    let _ = socket.set_nodelay(true);
    let _ = talk(socket, shared);
}

fn talk(mut socket: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut reader = BufReader::new(socket);
    socket.write_all(b"220 sink.example.org ESMTP\r\n")?;
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match &line.to_ascii_uppercase()[..4.min(line.len())] {
            b"EHLO" => socket.write_all(
                b"250-sink.example.org\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n",
            )?,
            b"DATA" => {
                socket.write_all(b"354 go ahead\r\n")?;
                keep(shared, content(&mut reader)?);
                socket.write_all(b"250 2.0.0 taken\r\n")?;
            }
            b"QUIT" => return socket.write_all(b"221 2.0.0 bye\r\n"),
            _ => socket.write_all(b"250 2.0.0 ok\r\n")?,
        }
    }
}

/// Up to the dot, stuffing removed (RFC 5321 section 4.5.2). Anything but CRLF at a line's end stays as it is.
fn content(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(message);
        }
        let stuffed = line.starts_with(b".") && (message.is_empty() || message.ends_with(b"\r\n"));
        message.extend_from_slice(&line[usize::from(stuffed)..]);
    }
}

fn keep(shared: &Shared, message: Vec<u8>) {
    let token = subject(&message);
    lock(&shared.taken).entry(token).or_default().push(message);
}

fn subject(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message);
    let subject = text.lines().find_map(|line| line.strip_prefix("Subject: "));
    subject.unwrap_or_default().to_owned()
}

/// Waits until there is a message with this token, up to 30 s, and takes it.
pub fn wait(sink: &Sink, token: &str) -> Vec<Vec<u8>> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while sink.count(token) == 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    sink.take(token)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
