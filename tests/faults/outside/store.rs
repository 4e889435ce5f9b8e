//! A Redis server as far as `state` asks for one: it knows every key, or none, or does what it should not.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use super::Stage;

/// Longer than anybody waits for it.
const SLOW: Duration = Duration::from_secs(5);
/// What is sent of a value that has no end, at most: its reader must have given up long before.
const FLOOD: usize = 512 << 20;

/// What it does with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Storing {
    /// every key is there
    Known,
    /// none is; what is written is forgotten
    Unknown,
    /// its port is closed, and so are its connections
    Down,
    /// answers after 5 s
    Slow,
    /// resets the connection
    Resets,
    /// answers with another type
    WrongType,
    /// answers with a value of 512 MB
    Huge,
    /// hears and says nothing, from the greeting on
    Mute,
}

/// The server; gone when it is dropped.
#[derive(Debug)]
pub struct Store {
    address: SocketAddr,
    stage: Arc<Stage<Storing>>,
}

impl Store {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let stage = Stage::new(Storing::Known);
        let served = Arc::clone(&stage);
        std::thread::spawn(move || listen(listener, &served));
        Self { address, stage }
    }

    /// As the key `state` has it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// From now on it behaves like this.
    pub fn behave(&self, storing: Storing) {
        self.stage.behave(storing);
        if storing == Storing::Down {
            // Wakes the thread that accepts, which then closes the port.
            let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        }
    }

    /// Orders so far.
    pub fn asked(&self) -> u64 {
        self.stage.asked()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.stage.end(self.address);
    }
}

/// Serves each connection on a thread of its own; the port is closed while the server is down.
fn listen(mut listener: TcpListener, stage: &Arc<Stage<Storing>>) {
    let address = listener.local_addr().expect("a bound socket");
    let is_down = || stage.now() == Storing::Down && !stage.is_over();
    while !stage.is_over() {
        for socket in listener.incoming().map_while(Result::ok) {
            if stage.is_over() || is_down() {
                break;
            }
            let stage = Arc::clone(stage);
            // The other side going away in the middle is its right.
            std::thread::spawn(move || drop(serve(socket, &stage)));
        }
        drop(listener);
        while is_down() {
            std::thread::sleep(Duration::from_millis(10));
        }
        // A connection of somebody else may have the port for a moment.
        listener = loop {
            match TcpListener::bind(address) {
                Ok(listener) => break listener,
                Err(_) if stage.is_over() => return,
                Err(_) => std::thread::sleep(Duration::from_millis(10)),
            }
        };
    }
}

fn serve(socket: TcpStream, stage: &Stage<Storing>) -> io::Result<()> {
    // So that a connection that rests notices when the server is to be down.
    socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    let mut reader = BufReader::new(&socket);
    loop {
        if stage.now() == Storing::Down || stage.is_over() {
            return Ok(());
        }
        match reader.fill_buf() {
            Ok([]) => return Ok(()),
            Ok(_) => {}
            Err(error) if is_quiet(&error) => continue,
            Err(error) => return Err(error),
        }
        socket.set_read_timeout(None)?;
        let order = order(&mut reader)?;
        answer(&socket, &order, stage)?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    }
}

fn is_quiet(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// The words of a command (RESP2: an array of bulk strings).
fn order(reader: &mut impl BufRead) -> io::Result<Vec<Vec<u8>>> {
    let count = number(reader, b'*')?;
    let word = |_| {
        let length = number(reader, b'$')?;
        let mut octets = vec![0; length + 2];
        reader.read_exact(&mut octets)?;
        octets.truncate(length);
        Ok(octets)
    };
    (0..count).map(word).collect()
}

fn number(reader: &mut impl BufRead, sign: u8) -> io::Result<usize> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let digits = line.trim_end().strip_prefix(char::from(sign));
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| io::Error::other(format!("not RESP: {line:?}")))
}

fn answer(mut socket: &TcpStream, order: &[Vec<u8>], stage: &Stage<Storing>) -> io::Result<()> {
    let storing = stage.now();
    let verb = order.first().map_or(&b""[..], Vec::as_slice);
    let is_order = verb.starts_with(b"EVAL");
    if storing == Storing::Mute {
        return Ok(());
    }
    if !is_order {
        return socket.write_all(b"+OK\r\n");
    }
    stage.count();
    match storing {
        Storing::Known => socket.write_all(sound(order, b"$2\r\no1\r\n")),
        Storing::Unknown => socket.write_all(sound(order, b"$-1\r\n")),
        Storing::Slow => {
            std::thread::sleep(SLOW);
            socket.write_all(b"+OK\r\n")
        }
        Storing::WrongType => socket
            .write_all(b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        Storing::Huge => flood(socket),
        Storing::Resets => {
            SockRef::from(socket).set_linger(Some(Duration::ZERO))?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
        Storing::Down | Storing::Mute => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

/// The step is the word behind the script, the number of its keys and their names.
fn sound<'a>(order: &[Vec<u8>], read: &'a [u8]) -> &'a [u8] {
    match order.get(6).map(Vec::as_slice) {
        Some(b"read") => read,
        Some(b"set") => b"+OK\r\n",
        _ => b":1\r\n",
    }
}

fn flood(mut socket: &TcpStream) -> io::Result<()> {
    socket.write_all(format!("${FLOOD}\r\n").as_bytes())?;
    let some = [b'x'; 64 << 10];
    for _ in 0..FLOOD / some.len() {
        socket.write_all(&some)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn hears(storing: Storing, step: &str) -> io::Result<Vec<u8>> {
        let store = Store::start();
        store.behave(storing);
        std::thread::sleep(Duration::from_millis(50));
        let mut socket = TcpStream::connect_timeout(&store.address, SLOW)?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        let words = ["EVALSHA", "hash", "3", "a", "b", "c", step, "key"];
        let order: String = words
            .map(|word| format!("${}\r\n{word}\r\n", word.len()))
            .concat();
        socket.write_all(format!("*{}\r\n{order}", words.len()).as_bytes())?;
        let mut octets = [0; 64];
        let read = socket.read(&mut octets)?;
        Ok(octets[..read].to_vec())
    }

    #[test]
    fn it_answers_as_told() {
        assert_eq!(hears(Storing::Known, "read").unwrap(), b"$2\r\no1\r\n");
        assert_eq!(hears(Storing::Known, "swap").unwrap(), b":1\r\n");
        assert_eq!(hears(Storing::Unknown, "read").unwrap(), b"$-1\r\n");
        assert!(
            hears(Storing::WrongType, "read")
                .unwrap()
                .starts_with(b"-WRONGTYPE")
        );
        assert!(
            hears(Storing::Huge, "read")
                .unwrap()
                .starts_with(b"$536870912\r\n")
        );
        assert!(hears(Storing::Resets, "read").is_err());
        assert!(hears(Storing::Mute, "read").is_err());
        assert!(hears(Storing::Down, "read").is_err());
    }
}
