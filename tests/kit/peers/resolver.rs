//! A name server that is no use: away, slow, broken, endless or going round in circles, as it is told while it runs.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::ports::free_port;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// as its records say; what is not there does not exist
    Well,
    /// the same, five seconds late
    Slowly,
    /// SERVFAIL
    Broken,
    /// 64 kB of records, by TCP after a truncated answer by UDP
    Endlessly,
    /// a CNAME that leads back to itself
    InCircles,
    /// octets that are no message
    Nonsense,
    /// records, but of another type than was asked for
    OfAnotherType,
    /// with a reset, by TCP after a truncated answer by UDP
    Resets,
    /// not at all
    Never,
    /// not at all, for nobody listens on its port
    Down,
}

/// The type of a record that it knows: 1 is A, 16 is TXT.
pub type Record = (&'static str, u16, &'static str);

/// A running server; it ends when dropped.
#[derive(Debug)]
pub struct Resolver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    manner: Mutex<Manner>,
    records: Vec<Record>,
    queries: AtomicUsize,
    /// its sockets, of UDP and TCP
    open: AtomicUsize,
    over: AtomicBool,
}

const A: u16 = 1;
const CNAME: u16 = 5;
const TXT: u16 = 16;
/// The name at the start of the question.
const QUESTION: [u8; 2] = [0xc0, 12];

/// How long the system may take to close or open its port.
const PATIENCE: Duration = Duration::from_secs(20);

impl Resolver {
    /// Answers by UDP and TCP on one port.
    pub fn start(records: &[Record]) -> Self {
        let (udp, tcp) = both();
        let shared = Arc::new(Shared {
            manner: Mutex::new(Manner::Well),
            records: records.to_vec(),
            queries: AtomicUsize::new(0),
            open: AtomicUsize::new(2),
            over: AtomicBool::new(false),
        });
        let address = udp.local_addr().expect("a bound socket");
        let (by_udp, by_tcp) = (shared.clone(), shared.clone());
        std::thread::spawn(move || {
            by_udp.serve(udp, || UdpSocket::bind(address), Shared::serve_udp);
        });
        std::thread::spawn(move || {
            by_tcp.serve(tcp, || TcpListener::bind(address), Shared::serve_tcp);
        });
        Self { address, shared }
    }

    /// Where it answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on like this.
    pub fn answers(&self, manner: Manner) {
        let place = self.shared.manner.lock();
        *place.unwrap_or_else(PoisonError::into_inner) = manner;
        let sockets = match manner {
            Manner::Down => 0,
            _ => 2,
        };
        let begun = Instant::now();
        while self.shared.open.load(Ordering::Relaxed) != sockets {
            assert!(
                begun.elapsed() < PATIENCE,
                "its port does not become {manner:?}"
            );
            if manner == Manner::Down {
                self.wake();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// How many queries it had.
    pub fn queries(&self) -> usize {
        self.shared.queries.load(Ordering::Relaxed)
    }

    /// Both threads wait for somebody.
    fn wake(&self) {
        let _ = TcpStream::connect(self.address);
        let woken = UdpSocket::bind("127.0.0.1:0");
        let _ = woken.and_then(|socket| socket.send_to(&[0], self.address));
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        self.wake();
    }
}

/// A port that is free for both, and stays ours while it is closed.
fn both() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let address = free_port();
        let sockets = (UdpSocket::bind(address), TcpListener::bind(address));
        if let (Ok(udp), Ok(tcp)) = sockets {
            return (udp, tcp);
        }
    }
    panic!("no port is free for UDP and TCP");
}

impl Shared {
    fn manner(&self) -> Manner {
        *self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn is_closed(&self) -> bool {
        self.is_over() || self.manner() == Manner::Down
    }

    /// Serves by this socket until it is to be closed, then by the next one.
    fn serve<S>(
        self: Arc<Self>,
        first: S,
        bind: impl Fn() -> io::Result<S>,
        until_closed: fn(&Arc<Self>, S),
    ) {
        let mut socket = Some(first);
        while !self.is_over() {
            if let Some(socket) = socket.take() {
                until_closed(&self, socket);
                self.open.fetch_sub(1, Ordering::Relaxed);
            }
            std::thread::sleep(Duration::from_millis(5));
            if !self.is_closed()
                && let Ok(bound) = bind()
            {
                socket = Some(bound);
                self.open.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn serve_udp(self: &Arc<Self>, socket: UdpSocket) {
        let socket = Arc::new(socket);
        let mut octets = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut octets) {
            if self.is_closed() {
                return;
            }
            let (this, query) = (self.clone(), octets[..length].to_vec());
            // Whoever is slow keeps no port open.
            let socket = Arc::downgrade(&socket);
            std::thread::spawn(move || {
                let answer = this.answer(&query, false)?;
                socket.upgrade()?.send_to(&answer, from).ok()
            });
        }
    }

    fn serve_tcp(self: &Arc<Self>, listener: TcpListener) {
        for stream in listener.incoming().flatten() {
            if self.is_closed() {
                return;
            }
            let this = self.clone();
            std::thread::spawn(move || this.converse(stream));
        }
    }

    /// Messages with their length before them (RFC 1035 section 4.2.2).
    fn converse(&self, mut stream: TcpStream) -> Option<()> {
        let patience = Some(Duration::from_secs(30));
        stream.set_read_timeout(patience).ok()?;
        loop {
            let mut length = [0; 2];
            stream.read_exact(&mut length).ok()?;
            let mut query = vec![0; u16::from_be_bytes(length).into()];
            stream.read_exact(&mut query).ok()?;
            let answer = self.answer(&query, true);
            if self.manner() == Manner::Resets {
                let now = Some(Duration::ZERO);
                return SockRef::from(&stream).set_linger(now).ok();
            }
            let answer = answer?;
            let length = u16::try_from(answer.len()).expect("answers are made to fit");
            stream.write_all(&length.to_be_bytes()).ok()?;
            stream.write_all(&answer).ok()?;
        }
    }

    fn answer(&self, query: &[u8], by_tcp: bool) -> Option<Vec<u8>> {
        let question = Question::read(query)?;
        self.queries.fetch_add(1, Ordering::Relaxed);
        match self.manner() {
            Manner::Well => Some(self.known(&question)),
            Manner::Slowly => {
                std::thread::sleep(Duration::from_secs(5));
                Some(self.known(&question))
            }
            Manner::Broken => Some(question.reply(2, &[])),
            Manner::Endlessly if by_tcp => Some(question.endless()),
            Manner::Endlessly | Manner::Resets => Some(question.truncated()),
            Manner::InCircles => Some(question.circle()),
            Manner::Nonsense => Some(vec![0xff; 40]),
            Manner::OfAnotherType => Some(question.of_another_type()),
            Manner::Never | Manner::Down => None,
        }
    }

    fn known(&self, question: &Question) -> Vec<u8> {
        let of_name = || {
            self.records
                .iter()
                .filter(|it| it.0.eq_ignore_ascii_case(&question.name))
        };
        let records: Vec<_> = of_name()
            .filter(|(_, kind, _)| *kind == question.kind)
            .map(|(_, kind, text)| record(&QUESTION, *kind, &data(*kind, text)))
            .collect();
        let exists = of_name().next().is_some();
        question.reply(if exists { 0 } else { 3 }, &records)
    }
}

/// What is asked, and the octets it came in.
struct Question {
    id: [u8; 2],
    /// name, type and class as they came
    octets: Vec<u8>,
    name: String,
    kind: u16,
}

impl Question {
    fn read(query: &[u8]) -> Option<Self> {
        let mut labels = Vec::new();
        let mut at = 12;
        while *query.get(at)? != 0 {
            let length = usize::from(query[at]);
            let label = query.get(at + 1..at + 1 + length)?;
            labels.push(String::from_utf8_lossy(label).into_owned());
            at += 1 + length;
        }
        let end = at + 5;
        Some(Self {
            id: [query[0], query[1]],
            octets: query.get(12..end)?.to_vec(),
            name: labels.join("."),
            kind: u16::from_be_bytes([query[at + 1], query[at + 2]]),
        })
    }

    /// A response of a resolver with these answers.
    fn reply(&self, code: u8, records: &[Vec<u8>]) -> Vec<u8> {
        let count = u16::try_from(records.len()).expect("few records");
        let mut octets = self.id.to_vec();
        octets.extend([0x81, 0x80 | code, 0, 1]);
        octets.extend(count.to_be_bytes());
        octets.extend([0; 4]);
        octets.extend(&self.octets);
        octets.extend(records.concat());
        octets
    }

    fn truncated(&self) -> Vec<u8> {
        let mut octets = self.reply(0, &[]);
        octets[2] |= 2;
        octets
    }

    /// As much as a message can hold.
    fn endless(&self) -> Vec<u8> {
        let one = match self.kind {
            TXT => record(&QUESTION, TXT, &data(TXT, &"x".repeat(250))),
            _ => record(&QUESTION, A, &[192, 0, 2, 77]),
        };
        let room = usize::from(u16::MAX) - self.reply(0, &[]).len();
        self.reply(0, &vec![one.clone(); room / one.len()])
    }

    fn of_another_type(&self) -> Vec<u8> {
        let record = match self.kind {
            TXT => record(&QUESTION, A, &[127, 0, 0, 2]),
            _ => record(&QUESTION, TXT, &data(TXT, "127.0.0.2")),
        };
        self.reply(0, &[record])
    }

    fn circle(&self) -> Vec<u8> {
        let (one, other) = (name("one.circle.example"), name("other.circle.example"));
        let links = [
            record(&QUESTION, CNAME, &one),
            record(&one, CNAME, &other),
            record(&other, CNAME, &one),
        ];
        self.reply(0, &links)
    }
}

/// Nobody may keep it: what it says next time may differ.
fn record(of: &[u8], kind: u16, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).expect("short data");
    let mut octets = of.to_vec();
    octets.extend(kind.to_be_bytes());
    octets.extend([0, 1, 0, 0, 0, 0]);
    octets.extend(length.to_be_bytes());
    octets.extend(data);
    octets
}

fn data(kind: u16, text: &str) -> Vec<u8> {
    match kind {
        A => text
            .split('.')
            .filter_map(|part| part.parse().ok())
            .collect(),
        _ => {
            let length = u8::try_from(text.len()).expect("one string");
            [&[length], text.as_bytes()].concat()
        }
    }
}

fn name(text: &str) -> Vec<u8> {
    let mut octets = Vec::new();
    for label in text.split('.') {
        octets.push(u8::try_from(label.len()).expect("a label"));
        octets.extend(label.as_bytes());
    }
    octets.push(0);
    octets
}
