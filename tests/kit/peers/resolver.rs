//! A name server that is no use: slow, broken, endless or going round in circles, as it is told while it runs.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
    /// not at all
    Never,
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
    over: AtomicBool,
}

const A: u16 = 1;
const CNAME: u16 = 5;
const TXT: u16 = 16;
/// The name at the start of the question.
const QUESTION: [u8; 2] = [0xc0, 12];

impl Resolver {
    /// Answers by UDP and TCP on one port.
    pub fn start(records: &[Record]) -> Self {
        let (udp, tcp) = both();
        let shared = Arc::new(Shared {
            manner: Mutex::new(Manner::Well),
            records: records.to_vec(),
            queries: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let address = udp.local_addr().expect("a bound socket");
        let (by_udp, by_tcp) = (shared.clone(), shared.clone());
        std::thread::spawn(move || by_udp.serve_udp(&udp));
        std::thread::spawn(move || by_tcp.serve_tcp(&tcp));
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
    }

    /// How many queries it had.
    pub fn queries(&self) -> usize {
        self.shared.queries.load(Ordering::Relaxed)
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Both threads wait for somebody.
        let _ = TcpStream::connect(self.address);
        let woken = UdpSocket::bind("127.0.0.1:0");
        let _ = woken.and_then(|socket| socket.send_to(&[0], self.address));
    }
}

/// A port that is free for both.
fn both() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = tcp.local_addr().expect("a bound socket");
        if let Ok(udp) = UdpSocket::bind(address) {
            return (udp, tcp);
        }
    }
    panic!("no port is free for UDP and TCP");
}

impl Shared {
    fn serve_udp(self: Arc<Self>, socket: &UdpSocket) {
        let mut octets = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut octets) {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let (this, query) = (self.clone(), octets[..length].to_vec());
            let socket = socket.try_clone().expect("a socket");
            std::thread::spawn(move || {
                if let Some(answer) = this.answer(&query, false) {
                    let _ = socket.send_to(&answer, from);
                }
            });
        }
    }

    fn serve_tcp(self: Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            if self.over.load(Ordering::Relaxed) {
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
            let answer = self.answer(&query, true)?;
            let length = u16::try_from(answer.len()).expect("answers are made to fit");
            stream.write_all(&length.to_be_bytes()).ok()?;
            stream.write_all(&answer).ok()?;
        }
    }

    fn answer(&self, query: &[u8], by_tcp: bool) -> Option<Vec<u8>> {
        let question = Question::read(query)?;
        self.queries.fetch_add(1, Ordering::Relaxed);
        let manner = *self.manner.lock().unwrap_or_else(PoisonError::into_inner);
        match manner {
            Manner::Well => Some(self.known(&question)),
            Manner::Slowly => {
                std::thread::sleep(Duration::from_secs(5));
                Some(self.known(&question))
            }
            Manner::Broken => Some(question.reply(2, &[])),
            Manner::Endlessly if by_tcp => Some(question.endless()),
            Manner::Endlessly => Some(question.truncated()),
            Manner::InCircles => Some(question.circle()),
            Manner::Nonsense => Some(vec![0xff; 40]),
            Manner::Never => None,
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
