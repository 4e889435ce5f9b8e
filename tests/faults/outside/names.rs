//! A name server that lists every client, or does what it should not (RFC 1035; one question a query).

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Stage;

const HEADER: usize = 12;
/// Octets of a UDP answer that nobody has to expect, and of any message.
const LARGEST: usize = 65_535;

/// What it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resolving {
    /// every name has the address 127.0.0.2
    Listed,
    /// nothing
    Silent,
    /// that it failed
    Fails,
    /// that the answer is too long, and over TCP 64 kB
    Huge,
    /// that the name is another's, and that one's this
    Loop,
    /// about another name, under another number
    Lies,
}

/// The server, UDP and TCP on one port; gone when it is dropped.
#[derive(Debug)]
pub struct Names {
    address: SocketAddr,
    stage: Arc<Stage<Resolving>>,
    /// answers over TCP, which come after one over UDP that was cut short
    whole: Arc<AtomicU64>,
}

impl Names {
    pub(super) fn start() -> Self {
        let (listener, socket) = both();
        let address = listener.local_addr().expect("a bound socket");
        let stage = Stage::new(Resolving::Listed);
        let whole = Arc::<AtomicU64>::default();
        let (served, asked) = (Arc::clone(&stage), Arc::clone(&stage));
        let counted = Arc::clone(&whole);
        std::thread::spawn(move || listen(&listener, &served, &counted));
        std::thread::spawn(move || serve_datagrams(&socket, &asked));
        Self {
            address,
            stage,
            whole,
        }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it behaves like this.
    pub fn behave(&self, resolving: Resolving) {
        self.stage.behave(resolving);
    }

    /// Queries so far.
    pub fn asked(&self) -> u64 {
        self.stage.asked()
    }

    /// Answers over TCP so far.
    pub fn whole(&self) -> u64 {
        self.whole.load(Ordering::SeqCst)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.stage.end(self.address);
    }
}

/// A port that is free for both.
fn both() -> (TcpListener, UdpSocket) {
    let try_one = || {
        let listener = TcpListener::bind("127.0.0.1:0").ok()?;
        let address = listener.local_addr().ok()?;
        Some((listener, UdpSocket::bind(address).ok()?))
    };
    let mut tries = std::iter::repeat_with(try_one).take(100);
    tries.find_map(|tried| tried).expect("a free port")
}

fn serve_datagrams(socket: &UdpSocket, stage: &Stage<Resolving>) {
    let patience = socket.set_read_timeout(Some(Duration::from_millis(100)));
    patience.expect("a valid time");
    let mut query = [0; 1024];
    while !stage.is_over() {
        let Ok((octets, from)) = socket.recv_from(&mut query) else {
            continue;
        };
        stage.count();
        let resolving = stage.now();
        if resolving == Resolving::Silent {
            continue;
        }
        let answer = match resolving {
            Resolving::Huge => truncated(&query[..octets]),
            resolving => answer(&query[..octets], resolving),
        };
        let _ = answer.map(|answer| socket.send_to(&answer, from));
    }
}

/// Serves each connection on a thread of its own.
fn listen(listener: &TcpListener, stage: &Arc<Stage<Resolving>>, whole: &Arc<AtomicU64>) {
    for socket in listener.incoming().map_while(Result::ok) {
        if stage.is_over() {
            break;
        }
        let (stage, whole) = (Arc::clone(stage), Arc::clone(whole));
        // The other side going away in the middle is its right.
        std::thread::spawn(move || drop(serve(socket, &stage, &whole)));
    }
}

/// Over TCP each message has its length before it (section 4.2.2).
fn serve(mut socket: TcpStream, stage: &Stage<Resolving>, whole: &AtomicU64) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    loop {
        let mut length = [0; 2];
        socket.read_exact(&mut length)?;
        let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
        socket.read_exact(&mut query)?;
        stage.count();
        if stage.now() == Resolving::Silent {
            continue;
        }
        let Some(answer) = answer(&query, stage.now()) else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).expect("no answer is longer");
        socket.write_all(&[&length.to_be_bytes()[..], &answer].concat())?;
        whole.fetch_add(1, Ordering::SeqCst);
    }
}

/// The question of a query: name, type, class.
fn question(query: &[u8]) -> Option<&[u8]> {
    let mut at = HEADER;
    loop {
        match query.get(at)? {
            0 => return query.get(HEADER..at + 5),
            length => at += usize::from(*length) + 1,
        }
    }
}

/// The header of an answer: an answer, recursive, of this code, with so many records.
fn header(query: &[u8], code: u8, records: u16) -> Option<Vec<u8>> {
    let id = query.get(..2)?;
    let mut header = id.to_vec();
    header.extend([0x81, 0x80 | code, 0, 1]);
    header.extend(records.to_be_bytes());
    header.extend([0; 4]);
    Some(header)
}

fn truncated(query: &[u8]) -> Option<Vec<u8>> {
    let mut header = header(query, 0, 0)?;
    header[2] |= 0x02;
    Some([&header, question(query)?].concat())
}

fn answer(query: &[u8], resolving: Resolving) -> Option<Vec<u8>> {
    let asked = question(query)?;
    let about = |code, records: &[Vec<u8>]| {
        let count = u16::try_from(records.len()).expect("few records");
        Some([&header(query, code, count)?, asked, &records.concat()].concat())
    };
    match resolving {
        Resolving::Listed => about(0, &[address([127, 0, 0, 2])]),
        Resolving::Fails => about(2, &[]),
        Resolving::Huge => {
            let one = address([127, 0, 0, 2]);
            about(0, &vec![one; (LARGEST - 512) / 16])
        }
        Resolving::Loop => about(
            0,
            &[alias(&[0xc0, 12], other()), alias(&other(), vec![0xc0, 12])],
        ),
        Resolving::Lies => {
            let mut lie = [
                &header(query, 0, 1)?,
                &other()[..],
                &asked[asked.len() - 4..],
            ]
            .concat();
            lie.extend(address([127, 0, 0, 2]));
            lie[0] ^= 0xff;
            Some(lie)
        }
        Resolving::Silent => None,
    }
}

fn other() -> Vec<u8> {
    b"\x05other\x05block\x07example\x00".to_vec()
}

/// For the name in the question, of type A and class IN, to be forgotten at once.
fn address(octets: [u8; 4]) -> Vec<u8> {
    let mut record = vec![0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4];
    record.extend(octets);
    record
}

/// A CNAME.
fn alias(name: &[u8], target: Vec<u8>) -> Vec<u8> {
    let length = u16::try_from(target.len()).expect("a short name");
    let mut record = name.to_vec();
    record.extend([0, 5, 0, 1, 0, 0, 0, 0]);
    record.extend(length.to_be_bytes());
    record.extend(target);
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUERY: &[u8] =
        b"\x12\x34\x01\x00\x00\x01\0\0\0\0\0\0\x01a\x05block\x07example\x00\0\x01\0\x01";

    #[test]
    fn answers_are_about_the_question() {
        let listed = answer(QUERY, Resolving::Listed).unwrap();
        assert!(
            listed.starts_with(b"\x12\x34\x81\x80\0\x01\0\x01"),
            "{listed:?}"
        );
        assert!(listed.ends_with(&[127, 0, 0, 2]));
        assert_eq!(answer(QUERY, Resolving::Fails).unwrap()[3] & 0x0f, 2);
        let huge = answer(QUERY, Resolving::Huge).unwrap();
        assert!((60_000..LARGEST).contains(&huge.len()), "{}", huge.len());
        assert_ne!(answer(QUERY, Resolving::Lies).unwrap()[..2], QUERY[..2]);
        assert_eq!(truncated(QUERY).unwrap()[2] & 0x02, 0x02);
        assert_eq!(answer(QUERY, Resolving::Silent), None);
    }

    #[test]
    fn it_listens_on_both() {
        let names = Names::start();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        socket.send_to(QUERY, names.address()).unwrap();
        let mut heard = [0; 512];
        assert!(socket.recv(&mut heard).unwrap() > QUERY.len());
        let mut tcp = TcpStream::connect(names.address()).unwrap();
        let length = u16::try_from(QUERY.len()).unwrap().to_be_bytes();
        tcp.write_all(&[&length[..], QUERY].concat()).unwrap();
        tcp.read_exact(&mut heard[..2]).unwrap();
        assert_eq!(names.asked(), 2);
    }
}
