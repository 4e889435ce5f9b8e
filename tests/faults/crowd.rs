//! Thousands of connections that are slow or say nothing, and a client beside them that does what is right.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{Semaphore, watch};

use super::client::{Security, Sender};
use super::held::Held;
use super::ledger::Told;
use super::letter::Letter;
use crate::program::{Launch, Program};
use crate::quantile::quantile;
use crate::{BackendDouble, Proxy, Segments};

pub mod page;

/// A slow client says something this often.
const PACE: Duration = Duration::from_secs(2);
/// The good client sends a message this often, each over a connection of its own.
const EVERY: Duration = Duration::from_millis(100);
/// Connections of one address: the default limit of the proxy.
const AN_ADDRESS: usize = 100;
/// Connections being opened at once.
const AT_ONCE: usize = 64;
/// All must be open by then.
const OPENING: Duration = Duration::from_secs(240);
/// The good client may take so many times as long as alone.
pub const TIMES: u32 = 2;
/// A good client that takes longer alone has a busy machine: twice that would prove nothing.
pub const BUSY: Duration = Duration::from_millis(20);

/// Fewer connections of a posture tell too little of what one takes: the program grows by itself, too.
pub const ENOUGH: usize = 500;

/// How often the good client is looked at alone while the machine is busy, and in the crowd while nothing is wrong but that it is slow: a machine that has other
/// things to do is slow by itself.
pub const TRIES: usize = 3;

/// What a connection of the crowd does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posture {
    /// hears the greeting, says nothing
    Idle,
    /// an octet of a command every two seconds
    Trickle,
    /// after DATA a line of three octets every two seconds
    SlowData,
    /// three octets of a TLS handshake
    Handshake,
}

/// In the order in which they come.
pub const POSTURES: [Posture; 4] = [
    Posture::Idle,
    Posture::Trickle,
    Posture::SlowData,
    Posture::Handshake,
];

impl Posture {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Posture::Idle => "idle after the greeting",
            Posture::Trickle => "an octet of a command every 2 s",
            Posture::SlowData => "a line of DATA every 2 s",
            Posture::Handshake => "stalled TLS handshake",
        }
    }

    /// Octets of resident memory for one, at most: the most that any of several runs took, and half of it again.
    pub fn most(self) -> u64 {
        let kibibytes = match self {
            Posture::Idle => 14,
            Posture::Trickle => 15,
            Posture::SlowData => 23,
            Posture::Handshake => 24,
        };
        kibibytes << 10
    }
}

/// How large, and for how long it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// connections of each posture
    pub each: usize,
    /// messages of the good client, before and meanwhile
    pub messages: usize,
}

/// What became of the connections of one posture.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    /// what they did
    pub posture: Posture,
    /// how many were to be open
    pub wanted: usize,
    /// and were at the end
    pub open: usize,
    /// octets of resident memory for one more
    pub resident: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Seen {
    /// by posture
    pub groups: Vec<Group>,
    /// how long it took to open them all
    pub opening: Duration,
    /// messages that the good client sent, alone and in the crowd each
    pub messages: usize,
    /// how often the good client was looked at alone, until the machine was not busy
    pub quiet_looks: usize,
    /// how often the good client was looked at in the crowd, until it was not slow
    pub looks: usize,
    /// the good client alone, at the last look
    pub quiet: Vec<Duration>,
    /// the good client in the crowd, at the last look
    pub crowded: Vec<Duration>,
    /// what was wrong
    pub faults: Vec<String>,
}

/// Opens all of it before a fresh proxy, and looks.
pub fn run(program: &Path, size: Size) -> Seen {
    let backend = BackendDouble::start();
    let config = format!(
        "[limits]\nconnections = {}\n[deadlines]\nhandshake = \"10m\"\ncommand = \"10m\"\nblock = \"10m\"\n\
         [backend]\nconnections = 400\nhold = \"300ms\"\nwait = \"60s\"\n",
        size.each * POSTURES.len() + 500
    );
    let builder = Proxy::before(backend.address()).set(&config);
    // Each client has a descriptor here, and some a file.
    let more = ["sh", "-c", "ulimit -n $(ulimit -H -n) && exec \"$@\"", "sh"];
    let launch = Launch {
        by: more.map(str::to_owned).to_vec(),
        ..Launch::default()
    };
    let program = Program::launch(program, builder, launch);
    let mut seen = Seen {
        messages: size.messages,
        ..Seen::default()
    };
    good(&program, "warm", size.messages / 4 + 1, &mut seen.faults);
    seen.alone(&program);
    let base = Held::by(program.id());
    let begun = Instant::now();
    let mut crowd = Crowd::new();
    for posture in POSTURES {
        let before = Held::by(program.id()).resident;
        crowd.grow(&program, posture, size.each, &mut seen.faults);
        let grown = Held::by(program.id()).resident.saturating_sub(before);
        seen.groups.push(Group {
            posture,
            wanted: size.each,
            open: 0,
            resident: grown / size.each as u64,
        });
    }
    seen.opening = begun.elapsed();
    seen.crowded(&program);
    for (group, part) in seen.groups.iter_mut().zip(&crowd.parts) {
        group.open = part.open();
    }
    crowd.leave();
    judge(&mut seen, &program, &base);
    seen
}

/// The good client: how long each message took, from connecting to QUIT.
fn good(
    program: &Program,
    label: &str,
    messages: usize,
    faults: &mut Vec<String>,
) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in 0..messages {
        let begun = Instant::now();
        let letter = Letter::new(&format!("{label}-{number}"), "alice@example.com", 1_000);
        let mut sender = Sender::to(program.plain(), Security::Plain, Segments::Whole);
        match sender.send(&letter) {
            Told::Accepted => took.push(begun.elapsed()),
            told => faults.push(format!("message {} was told {told}", letter.token)),
        }
        drop(sender);
        std::thread::sleep(EVERY.saturating_sub(begun.elapsed()));
    }
    took
}

fn judge(seen: &mut Seen, program: &Program, base: &Held) {
    for group in seen.groups.iter().filter(|it| it.open < it.wanted) {
        seen.faults.push(format!(
            "{}: {} of {} were open at the end",
            group.posture.name(),
            group.open,
            group.wanted
        ));
    }
    seen.faults
        .extend(seen.groups.iter().filter_map(Group::excess));
    let [quiet, crowded] = seen.p99();
    if quiet > BUSY {
        seen.faults
            .push(format!("the machine was busy: p99 {quiet:.1?} alone"));
    } else if is_slow(quiet, crowded) {
        seen.faults
            .push(format!("p99 {crowded:.1?} in the crowd, {quiet:.1?} alone"));
    }
    are_given_back(seen, program, base);
}

/// Descriptors, once the crowd has left.
fn are_given_back(seen: &mut Seen, program: &Program, base: &Held) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Held::by(program.id()).descriptors > base.descriptors + 16 {
        if Instant::now() > deadline {
            let held = Held::by(program.id()).descriptors;
            seen.faults.push(format!(
                "{held} descriptors after it, {} before",
                base.descriptors
            ));
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_slow(quiet: Duration, crowded: Duration) -> bool {
    crowded > quiet * TIMES
}

/// The connections.
struct Crowd {
    parts: Vec<Part>,
    leave: watch::Sender<bool>,
}

/// Those of one posture, all on one thread of their own.
struct Part {
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

impl Part {
    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Crowd {
    fn new() -> Self {
        Self {
            parts: Vec::new(),
            leave: watch::channel(false).0,
        }
    }

    /// More connections, until all are as far as they want to come.
    fn grow(
        &mut self,
        program: &Program,
        posture: Posture,
        count: usize,
        faults: &mut Vec<String>,
    ) {
        let address = program.address(match posture {
            Posture::Handshake => "implicit",
            _ => "plain",
        });
        let (open, leave) = (Arc::default(), self.leave.subscribe());
        let first = self.parts.len() * count;
        let all = first..first + count;
        let counted = Arc::clone(&open);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .expect("a runtime")
                .block_on(many(address, posture, all, counted, leave));
        });
        let part = Part { open, thread };
        let deadline = Instant::now() + OPENING;
        while part.open() < count {
            if Instant::now() > deadline {
                let open = part.open();
                faults.push(format!("{}: {open} of {count} came so far", posture.name()));
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.parts.push(part);
    }

    fn leave(self) {
        self.leave.send_replace(true);
        for part in self.parts {
            part.thread.join().expect("the crowd does not panic");
        }
    }
}

async fn many(
    address: SocketAddr,
    posture: Posture,
    numbers: std::ops::Range<usize>,
    open: Arc<AtomicUsize>,
    mut leave: watch::Receiver<bool>,
) {
    let opening = Arc::new(Semaphore::new(AT_ONCE));
    let mut all = tokio::task::JoinSet::new();
    for number in numbers {
        let (open, opening) = (Arc::clone(&open), Arc::clone(&opening));
        all.spawn(async move {
            let permit = opening.acquire_owned().await;
            let Ok(stream) = enter(address, number, posture).await else {
                return;
            };
            drop(permit);
            open.fetch_add(1, Ordering::SeqCst);
            // It comes back only when the proxy has closed.
            let _ = stay(stream, posture).await;
            open.fetch_sub(1, Ordering::SeqCst);
        });
    }
    // The sender is kept until all may go.
    let _ = leave.wait_for(|leave| *leave).await;
    all.shutdown().await;
}

/// Up to where the posture begins.
async fn enter(address: SocketAddr, number: usize, posture: Posture) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let from = u32::from(Ipv4Addr::new(127, 0, 1, 1)) + (number / AN_ADDRESS) as u32;
    socket.bind(SocketAddr::from((Ipv4Addr::from(from), 0)))?;
    let mut stream = socket.connect(address).await?;
    let commands: &[&str] = match posture {
        Posture::Handshake => {
            stream.write_all(&[22, 3, 1]).await?;
            return Ok(stream);
        }
        Posture::Idle | Posture::Trickle => &[],
        Posture::SlowData => &[
            "EHLO slow.example.com\r\n",
            "MAIL FROM:<slow@example.com>\r\n",
            "RCPT TO:<bob@example.org>\r\n",
            "DATA\r\n",
        ],
    };
    hear(&mut stream).await?;
    for command in commands {
        stream.write_all(command.as_bytes()).await?;
        hear(&mut stream).await?;
    }
    Ok(stream)
}

/// A whole positive reply.
async fn hear(stream: &mut TcpStream) -> io::Result<()> {
    let mut heard = Vec::new();
    loop {
        if stream.read_buf(&mut heard).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let last = heard
            .strip_suffix(b"\r\n")
            .and_then(|lines| lines.split(|octet| *octet == b'\n').next_back());
        match last {
            Some([b'2' | b'3', _, _, b' ', ..]) => return Ok(()),
            Some([b'4' | b'5', ..]) => return Err(io::Error::other("refused")),
            _ => {}
        }
    }
}

/// Until the proxy closes.
async fn stay(mut stream: TcpStream, posture: Posture) -> io::Result<()> {
    let mut heard = [0; 256];
    let word: &[u8] = match posture {
        Posture::Idle | Posture::Handshake => {
            // Whatever it is, it is the end.
            return stream.read(&mut heard).await.map(drop);
        }
        Posture::Trickle => b"x",
        Posture::SlowData => b"x\r\n",
    };
    loop {
        tokio::select! {
            read = stream.read(&mut heard) => return read.map(drop),
            () = tokio::time::sleep(PACE) => stream.write_all(word).await?,
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.opening.as_secs_f64();
        writeln!(f, "{} connections, opened in {seconds:.1} s", self.open())?;
        for group in &self.groups {
            let name = group.posture.name();
            writeln!(f, "  {name:<34} {:>6.1} KiB each", group.kibibytes())?;
        }
        for (when, samples) in [("alone", &self.quiet), ("in the crowd", &self.crowded)] {
            let [half, most] = percentiles(samples);
            let count = samples.len();
            writeln!(
                f,
                "  good client {when:<13} {count} accepted, p50 {half:.1} ms, p99 {most:.1} ms"
            )?;
        }
        self.faults
            .iter()
            .take(20)
            .try_for_each(|fault| writeln!(f, "WRONG: {fault}"))
    }
}

/// Half of them and 99 in a hundred took no longer, in milliseconds.
fn percentiles(samples: &[Duration]) -> [f64; 2] {
    [0.5, 0.99].map(|share| quantile(samples, share).as_secs_f64() * 1e3)
}

impl Group {
    fn kibibytes(&self) -> f64 {
        self.resident as f64 / 1024.0
    }

    /// What is wrong with the memory of one.
    fn excess(&self) -> Option<String> {
        let most = self.posture.most();
        let is_wrong = self.wanted >= ENOUGH && self.resident > most;
        is_wrong.then(|| {
            let (name, each) = (self.posture.name(), self.kibibytes());
            format!("{name}: {each:.1} KiB each, {} at most", most >> 10)
        })
    }
}

impl Seen {
    /// Connections that were open at the end of it.
    pub fn open(&self) -> usize {
        self.groups.iter().map(|group| group.open).sum()
    }

    /// The 99th percentile of the good client, alone and in the crowd.
    fn p99(&self) -> [Duration; 2] {
        [&self.quiet, &self.crowded].map(|samples| quantile(samples, 0.99))
    }

    /// How many times as long as alone it took in the crowd.
    pub fn factor(&self) -> f64 {
        let [quiet, crowded] = self.p99();
        crowded.as_secs_f64() / quiet.max(Duration::from_nanos(1)).as_secs_f64()
    }

    /// Looks at the good client before the crowd comes.
    fn alone(&mut self, program: &Program) {
        while self.quiet_looks < TRIES {
            let label = format!("quiet-{}", self.quiet_looks);
            self.quiet = good(program, &label, self.messages, &mut self.faults);
            self.quiet_looks += 1;
            if self.p99()[0] <= BUSY {
                return;
            }
        }
    }

    /// Looks at it in the crowd.
    fn crowded(&mut self, program: &Program) {
        while self.looks < TRIES {
            let label = format!("crowded-{}", self.looks);
            self.crowded = good(program, &label, self.messages, &mut self.faults);
            self.looks += 1;
            let [quiet, crowded] = self.p99();
            if !is_slow(quiet, crowded) {
                return;
            }
        }
    }

    /// For programs; durations in microseconds, memory in octets.
    pub fn as_json(&self) -> Value {
        let client = |samples: &[Duration]| {
            let micros = |share| quantile(samples, share).as_micros() as u64;
            json!({ "accepted": samples.len(), "p50_us": micros(0.5), "p99_us": micros(0.99) })
        };
        let group = |it: &Group| {
            let name = it.posture.name();
            json!({
                "posture": name,
                "wanted": it.wanted,
                "open": it.open,
                "octets": it.resident,
                "most": it.posture.most(),
            })
        };
        json!({
            "open": self.open(),
            "opening_us": self.opening.as_micros() as u64,
            "resident_each": self.groups.iter().map(group).collect::<Vec<_>>(),
            "quiet_looks": self.quiet_looks,
            "looks": self.looks,
            "factor": self.factor(),
            "quiet": client(&self.quiet),
            "crowded": client(&self.crowded),
            "wrong": self.faults,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_more_than_twice() {
        let slow =
            |quiet, crowded| is_slow(Duration::from_millis(quiet), Duration::from_millis(crowded));
        assert!(!slow(4, 8) && slow(4, 9));
    }

    #[test]
    fn what_one_takes_is_bounded_where_there_are_enough() {
        for posture in POSTURES {
            let of = |wanted, resident| Group {
                posture,
                wanted,
                open: wanted,
                resident,
            };
            let most = posture.most();
            assert!(most < 64 << 10, "no buffer of 64 KiB");
            assert_eq!(of(ENOUGH, most).excess(), None);
            assert_eq!(of(ENOUGH - 1, most + 1).excess(), None);
            assert!(of(ENOUGH, most + 1).excess().is_some());
        }
    }
}
