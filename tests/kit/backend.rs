//! A mail server for tests: accepts everything, records everything, misbehaves where told.

use std::collections::{HashMap, VecDeque};
use std::io::{ErrorKind, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::ServerConfig;

use crate::certificate::Certificate;
use crate::glob;

mod dialogue;

use dialogue::Dialogue;

/// What the double does instead of its ordinary answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// these octets, as they are
    Say(Vec<u8>),
    /// the ordinary answer
    Ordinary,
    /// this octet, so many times
    Flood(u8, usize),
    /// nothing for so long
    Wait(Duration),
    /// nothing until the other side closes
    Silence,
    /// after the dot: takes the message, and has not said so yet
    Commit,
    /// close the connection
    Close,
    /// end the connection with a reset
    Reset,
    /// the ordinary answer, an octet at a time
    Dribble,
}

/// A reply line as a step.
pub fn say(line: &str) -> Step {
    Step::Say(format!("{line}\r\n").into_bytes())
}

/// What became of a [`Step::Flood`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flooded {
    /// octets that the network took; what lay in its buffers when the other side closed is among them
    pub octets: usize,
    /// did the other side close before all were out?
    pub cut_off: bool,
}

/// A message that the double has taken: it has answered 2xx after the dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// MAIL and RCPT lines as heard
    pub envelope: Vec<String>,
    /// the content, dots removed, without the final dot
    pub octets: Vec<u8>,
    /// was it taken in silence, [`Step::Commit`], and not with a reply (RFC 1047)?
    pub silent: bool,
}

/// What was heard on one connection: commands, lines of content, and the dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// in order
    pub lines: Vec<String>,
}

/// A rule: at a command that fits, these steps.
#[derive(Clone, Debug)]
struct Rule {
    /// what the MAIL command of the transaction must fit
    sender: String,
    pattern: String,
    steps: Vec<Step>,
    times: usize,
}

/// What all connections of the double share.
#[derive(Debug, Default)]
struct Shared {
    offer: Mutex<Vec<String>>,
    rules: Mutex<VecDeque<Rule>>,
    heard: Mutex<Vec<Heard>>,
    /// is content left out of `heard`?
    commands_only: AtomicBool,
    /// changes when `heard` is wiped
    scene: AtomicUsize,
    deliveries: Mutex<Vec<Delivery>>,
    floods: Mutex<Vec<Flooded>>,
    closing: AtomicBool,
    /// of the connections that are open, by number
    sockets: Mutex<HashMap<usize, TcpStream>>,
    begun: AtomicUsize,
    /// None: with the certificate of this process
    tls: Mutex<Option<Arc<ServerConfig>>>,
    open: AtomicUsize,
    most: AtomicUsize,
}

impl Shared {
    /// The steps of the first rule for this command of a transaction, which is used up by it.
    fn rule(&self, sender: &str, command: &str) -> Option<Vec<Step>> {
        let mut rules = lock(&self.rules);
        let at = rules.iter().position(|rule| {
            glob::fits(&rule.sender, sender) && glob::fits(&rule.pattern, command)
        })?;
        rules[at].times = rules[at].times.saturating_sub(1);
        let steps = rules[at].steps.clone();
        if rules[at].times == 0 {
            rules.remove(at);
        }
        Some(steps)
    }
}

/// The double. It listens until it is dropped; then it is gone, connections under way and all.
#[derive(Debug)]
pub struct BackendDouble {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl BackendDouble {
    /// Listens on a port of its own and offers what Postfix offers.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        Self::listen(listener)
    }

    /// The same on a given port, for a backend that comes back.
    pub fn start_at(address: SocketAddr) -> Self {
        Self::listen(again(address))
    }

    fn listen(listener: TcpListener) -> Self {
        let address = listener.local_addr().expect("a bound socket");
        let shared = Arc::new(Shared::default());
        let offer = [
            "PIPELINING",
            "SIZE 52428800",
            "ENHANCEDSTATUSCODES",
            "8BITMIME",
            "DSN",
            "SMTPUTF8",
        ];
        *lock(&shared.offer) = offer.map(str::to_owned).to_vec();
        let served = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if served.closing.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&served);
                std::thread::spawn(move || serve(socket, &shared));
            }
        });
        Self { address, shared }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on its EHLO offers this.
    pub fn offer<S: Into<String>>(&self, keywords: impl IntoIterator<Item = S>) {
        *lock(&self.shared.offer) = keywords.into_iter().map(Into::into).collect();
    }

    /// From now on content is not recorded: what was taken is in [`BackendDouble::deliveries`] anyway.
    pub fn record_commands_only(&self) {
        self.shared.commands_only.store(true, Ordering::SeqCst);
    }

    /// From now on STARTTLS is served with this certificate.
    pub fn present(&self, certificate: &Certificate) {
        *lock(&self.shared.tls) = Some(certificate.server());
    }

    /// Says something to everybody who is connected in the clear, asked or not.
    pub fn shout(&self, line: &str) {
        for mut socket in lock(&self.shared.sockets).values() {
            // Some are closed by now.
            let _ = socket.write_all(format!("{line}\r\n").as_bytes());
        }
    }

    /// Closes all connections, as a restart would, and goes on listening.
    pub fn hang_up(&self) {
        for (_, socket) in lock(&self.shared.sockets).drain() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// At the next command that fits `pattern`, once: these steps. The command `<connect>` stands
    /// for the greeting, `<content>` for the first line of a message, `.` for its end.
    pub fn once(&self, pattern: &str, steps: impl IntoIterator<Item = Step>) {
        self.times("*", pattern, 1, steps);
    }

    /// The same at every such command.
    pub fn always(&self, pattern: &str, steps: impl IntoIterator<Item = Step>) {
        self.times("*", pattern, usize::MAX, steps);
    }

    /// The same in transactions whose MAIL command fits `sender`, and in no other.
    pub fn when(&self, sender: &str, pattern: &str, steps: impl IntoIterator<Item = Step>) {
        self.times(sender, pattern, usize::MAX, steps);
    }

    fn times(
        &self,
        sender: &str,
        pattern: &str,
        times: usize,
        steps: impl IntoIterator<Item = Step>,
    ) {
        let rule = Rule {
            sender: sender.to_owned(),
            pattern: pattern.to_owned(),
            steps: steps.into_iter().collect(),
            times,
        };
        lock(&self.shared.rules).push_back(rule);
    }

    /// From now on it does what is right.
    pub fn behave(&self) {
        lock(&self.shared.rules).clear();
    }

    /// The size that it offers now, if it offers one.
    pub fn size(&self) -> Option<u64> {
        let offer = lock(&self.shared.offer);
        let size = |keyword: &String| keyword.strip_prefix("SIZE ")?.parse().ok();
        offer.iter().find_map(size)
    }

    /// Closes its port and all connections; what it had taken when the last of them ended.
    pub fn stop(self) -> Vec<Delivery> {
        let shared = Arc::clone(&self.shared);
        drop(self);
        let deadline = Instant::now() + Duration::from_secs(60);
        while shared.open.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::mem::take(&mut lock(&shared.deliveries))
    }

    /// Forgets what it heard and how it was to misbehave.
    pub fn forget(&self) {
        lock(&self.shared.rules).clear();
        let mut heard = lock(&self.shared.heard);
        self.shared.scene.fetch_add(1, Ordering::SeqCst);
        heard.clear();
        drop(heard);
        lock(&self.shared.deliveries).clear();
    }

    /// What was heard so far, a connection after the other in the order of their first command.
    pub fn heard(&self) -> Vec<Heard> {
        lock(&self.shared.heard).clone()
    }

    /// The messages taken so far.
    pub fn deliveries(&self) -> Vec<Delivery> {
        lock(&self.shared.deliveries).clone()
    }

    /// The floods so far, each once it has ended.
    pub fn floods(&self) -> Vec<Flooded> {
        lock(&self.shared.floods).clone()
    }

    /// The messages taken, once there are so many; waits up to a minute.
    pub fn wait_for(&self, count: usize) -> Vec<Delivery> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while lock(&self.shared.deliveries).len() < count && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.deliveries()
    }

    /// How many connections were open at once at the most.
    pub fn most_connections(&self) -> usize {
        self.shared.most.load(Ordering::SeqCst)
    }

    /// How many there were.
    pub fn all_connections(&self) -> usize {
        self.shared.begun.load(Ordering::SeqCst)
    }

    /// How many are open now.
    pub fn connections(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }
}

impl Drop for BackendDouble {
    fn drop(&mut self) {
        // Wakes the listening thread, which then closes the port.
        self.shared.closing.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        self.hang_up();
    }
}

/// Whoever listened there before may be a moment in leaving.
fn again(address: SocketAddr) -> TcpListener {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match TcpListener::bind(address) {
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(5));
            }
            bound => return bound.expect("the port is free again"),
        }
    }
}

/// A connection counts as open as long as this lives.
struct Open<'a>(&'a Shared);

impl<'a> Open<'a> {
    fn count(shared: &'a Shared) -> Self {
        let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
        shared.most.fetch_max(open, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

fn serve(socket: TcpStream, shared: &Arc<Shared>) {
    let open = Open::count(shared);
    let number = shared.begun.fetch_add(1, Ordering::SeqCst);
    let again = socket.try_clone().map(|socket| (number, socket));
    lock(&shared.sockets).extend(again);
    // The other side going away in the middle is its right.
    let _ = Dialogue::new(socket, number, shared, open).run();
    lock(&shared.sockets).remove(&number);
}

/// A test thread that panicked while it held the lock has failed its test already.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
