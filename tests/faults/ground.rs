//! What a row is played on: the program as a process of its own, a backend, a client beside the fault, and the books.

use std::net::SocketAddr;
use std::ops::Add;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::beside::{BESIDE, Beside};
use super::client::{Connection, Security};
use super::gauges::{metrics, raised};
use super::held::{Held, SLACK, SLACK_OF_PLAYS};
use super::ledger::{Balance, Tally, Told};
use super::load::{Books, Load, Running, lock};
use super::plays::{MOST, Plays};
use super::{Neighbour, Outside, Row, Scale};
use crate::peers::free_port;
use crate::program::{Launch, Program};
use crate::{BackendDouble, Delivery, Proxy, Samples, Window};

/// Within this time all must be as it was before.
const RECOVERY: Duration = Duration::from_secs(10);
/// Memory that has not shrunk for so long is at rest.
const STILL: Duration = Duration::from_secs(2);
/// The client beside the fault is watched so long before it, beside as many others as later.
const QUIET: Duration = Duration::from_secs(3);
/// So long where it is not judged, or by its median only.
const QUIET_IN_SHORT: Duration = Duration::from_millis(1200);

/// No client is turned away for coming often. What is remembered of past transactions is full when the fault comes, and
/// grows no more.
const LIMITS: &str = "[limits]\nconnections-per-client = 5000\nerrors = 1000000\ndecisions = 100\n";

/// What the backend offers.
const OFFER: [&str; 5] = [
    "PIPELINING",
    "SIZE 52428800",
    "ENHANCEDSTATUSCODES",
    "8BITMIME",
    "STARTTLS",
];

/// The place of one row.
#[derive(Debug)]
pub struct Ground {
    /// the program that is hurt
    pub program: Program,
    /// the servers that its filters may ask
    pub outside: Outside,
    admin: SocketAddr,
    scale: Scale,
    backend: Option<BackendDouble>,
    address: SocketAddr,
    /// by backends that are gone
    stored: Vec<Delivery>,
    books: Books,
    beside: Option<Beside>,
    /// of the client beside the fault, once it has stopped
    samples: Samples,
    /// messages before the fault
    before: usize,
    /// what the machine, and not the program, may have been too slow for
    late: Mutex<Option<String>>,
    base: Held,
    slack: Held,
    /// how long those messages that were accepted before the fault waited for their reply, from the dot on
    answered: Vec<Duration>,
    /// parts of the row that cannot be played here, and why
    skipped: Vec<String>,
}

/// What the end of a row looked like.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    /// the books
    pub balance: Balance,
    /// how many messages of them came once it was hurt
    pub hurt: usize,
    /// what the client beside the fault heard
    pub beside: Tally,
    /// how long its messages took
    pub samples: Samples,
    /// what the process held before
    pub base: Held,
    /// what it held at last
    pub after: Held,
    /// what that may be more
    pub slack: Held,
    /// gauges that were not at 0 at last, with what they were at
    pub raised: Vec<String>,
    /// how it ended, if it did
    pub ended: Option<ExitStatus>,
    /// how long each message before the fault waited for its reply, from the dot on
    pub answered: Vec<Duration>,
    /// parts that could not be played, and why
    pub skipped: Vec<String>,
    /// in the short table: messages that were told to come back later, for no fault of theirs
    pub late: Option<String>,
}

impl Ground {
    /// Starts all of it for `row`, and lets it run quietly for a while.
    pub fn prepare(row: &Row, program: &Path, scale: Scale, launch: Launch) -> Self {
        let backend = double(BackendDouble::start());
        let (address, admin) = (backend.address(), free_port());
        let outside = Outside::start();
        let builder = (row.site)(Proxy::before(address), &outside)
            .set(LIMITS)
            .set(&format!("[admin]\nlisten = [\"{admin}\"]\n"))
            .set_table(cache(program));
        let mut ground = Self {
            program: Program::launch(program, builder, launch),
            outside,
            admin,
            scale,
            backend: Some(backend),
            address,
            stored: Vec::new(),
            books: Books::default(),
            beside: None,
            samples: Samples::default(),
            before: 0,
            late: Mutex::default(),
            base: Held::default(),
            slack: SLACK,
            answered: Vec::new(),
            skipped: Vec::new(),
        };
        ground.warm_up(row.neighbour);
        ground
    }

    fn warm_up(&mut self, neighbour: Neighbour) {
        self.load(Load::of("warm", self.scale.share(10)));
        self.load(Load {
            size: 400_000,
            ..Load::of("large", 10)
        });
        let beside = Beside::start(self.program.plain(), &self.books);
        std::thread::sleep(Duration::from_millis(200));
        beside.enter(Window::Quiet);
        self.quiet(neighbour);
        self.base = Held::by(self.program.id());
        let books = lock(&self.books);
        (self.before, self.answered) = (books.len(), books.answered());
        drop(books);
        beside.enter(Window::Attack);
        self.beside = Some(beside);
    }

    /// All is well, and as many clients as a fault will have send as fast as they can.
    fn quiet(&self, neighbour: Neighbour) {
        if neighbour == Neighbour::Shares || !self.scale.is_whole() {
            return std::thread::sleep(QUIET_IN_SHORT);
        }
        let load = self.begin(Load::of("quiet", usize::MAX));
        std::thread::sleep(QUIET);
        load.stop();
        self.only("quiet/", |told| told == Told::Accepted);
    }

    /// The backend.
    pub fn backend(&self) -> &BackendDouble {
        self.backend.as_ref().expect("it was started again")
    }

    /// One of so many parts of the messages of a row.
    pub fn share(&self, parts: usize) -> usize {
        self.scale.share(parts)
    }

    /// How often something is to be done that is done so many times in the whole table.
    pub fn times(&self, whole: usize) -> usize {
        self.scale.times(whole)
    }

    /// How long something may take that may take so long in the whole table.
    pub fn patience(&self, whole: Duration) -> Duration {
        self.scale.patience(whole)
    }

    /// Sends all of it.
    pub fn load(&self, load: Load) {
        self.begin(load).finish();
    }

    /// Begins to send it.
    pub fn begin(&self, load: Load) -> Running {
        let listener = match load.security {
            Security::Plain => "plain",
            Security::Tls => "implicit",
        };
        Running::start(self.program.address(listener), load, &self.books)
    }

    /// Enters what a client of the row's own was told.
    pub fn enter(&self, token: &str, told: Told) {
        lock(&self.books).enter(token, told);
    }

    /// A part of the row cannot be played here; what the row tells of it.
    pub fn skip(&mut self, why: &str) -> String {
        self.skipped.push(why.to_owned());
        format!("skipped: {why}")
    }

    /// A connection in the clear that has said EHLO.
    pub fn connection(&self) -> Connection {
        let opened = Connection::open(self.program.plain(), Security::Plain);
        let mut connection = opened.expect("the proxy listens");
        let code = connection.greet("client.example.com");
        assert_eq!(code.ok(), Some(250), "EHLO");
        connection
    }

    /// What was heard about the messages whose token begins so, each answer once, in order.
    pub fn heard(&self, prefix: &str) -> String {
        let tally = lock(&self.books).tally(prefix);
        let words: Vec<_> = tally
            .iter()
            .map(|(told, times)| format!("{told} x{times}"))
            .collect();
        words.join(", ")
    }

    /// How many messages have a token that begins so.
    pub fn count(&self, prefix: &str) -> usize {
        lock(&self.books).tally(prefix).values().sum()
    }

    /// How many of them were accepted.
    pub fn accepted(&self, prefix: &str) -> usize {
        let tally = lock(&self.books).tally(prefix);
        tally.get(&Told::Accepted).copied().unwrap_or(0)
    }

    /// Nothing else was heard about these messages; panics with what was.
    pub fn only(&self, prefix: &str, allowed: impl Fn(Told) -> bool) {
        let tally = lock(&self.books).tally(prefix);
        assert!(!tally.is_empty(), "nothing was sent as {prefix}");
        let wrong: Vec<_> = tally.iter().filter(|(told, _)| !allowed(**told)).collect();
        assert!(wrong.is_empty(), "{prefix}: {}", self.heard(prefix));
    }

    /// The messages of a load that its fault is not for were accepted. In the short table one may be told to come back
    /// later, where the machine is slower than a deadline; then the row is played again.
    pub fn fine(&self, label: &str) {
        let prefix = format!("{label}/fine/");
        let may_be_late = |told: Told| !self.scale.is_whole() && told.is_temporary();
        self.only(&prefix, |told| told == Told::Accepted || may_be_late(told));
        let tally = lock(&self.books).tally(&prefix);
        if tally.keys().any(|told| may_be_late(*told)) {
            let heard = format!("{prefix}: {}", self.heard(&prefix));
            *self.late.lock().expect("nobody panics with it") = Some(heard);
        }
    }

    /// The messages about which their clients know nothing.
    pub fn unknown(&self) -> Vec<String> {
        lock(&self.books).unknown()
    }

    /// Closes the backend's port and all its connections.
    pub fn backend_down(&mut self) {
        if let Some(backend) = self.backend.take() {
            self.stored.extend(backend.stop());
        }
    }

    /// Opens the port again.
    pub fn backend_up(&mut self) {
        self.backend = Some(double(BackendDouble::start_at(self.address)));
    }

    /// What the program counts under this name, all its labels together.
    pub fn metric(&self, name: &str) -> f64 {
        let values = self.values(name, &[]);
        assert!(!values.is_empty(), "no {name} in /metrics");
        values.iter().sum()
    }

    /// The same with all of these labels, e.g. `state="down"`; 0 where nothing has them.
    pub fn metric_with(&self, name: &str, labels: &[&str]) -> f64 {
        self.values(name, labels).iter().fold(0.0, Add::add)
    }

    fn values(&self, name: &str, labels: &[&str]) -> Vec<f64> {
        let text = metrics(self.admin).unwrap_or_else(|error| panic!("/metrics: {error}"));
        let is_wanted = |line: &&str| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
        };
        let samples = text.lines().filter(is_wanted);
        let value = |line: &str| line.rsplit(' ').next()?.parse().ok();
        samples.filter_map(value).collect()
    }

    /// Waits until so many more messages have been answered, or not answered.
    pub fn until_more(&self, messages: usize) {
        let count = || lock(&self.books).len();
        let (before, deadline) = (count(), Instant::now() + Duration::from_secs(120));
        while count() < before + messages {
            assert!(Instant::now() < deadline, "the clients make no progress");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Plays a load that takes more memory than it gives back until it takes none any more. Tells what was held before the
    /// first play and after each; panics with that where each leaves something on top.
    pub fn over_and_over(&mut self, mut play: impl FnMut(&Ground, usize)) -> String {
        self.slack = SLACK_OF_PLAYS;
        let mut plays = Plays::from(self.base.resident);
        for number in 0..MOST {
            play(self, number);
            plays.enter(self.still().resident);
            if plays.are_at_rest() {
                return format!("resident {plays}");
            }
        }
        panic!("each play leaves memory on top: {plays}");
    }

    /// What is held once memory does not shrink any more.
    fn still(&self) -> Held {
        let deadline = Instant::now() + self.patience(RECOVERY);
        let (mut least, mut since) = (Held::by(self.program.id()), Instant::now());
        while since.elapsed() < STILL && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(100));
            let held = Held::by(self.program.id());
            if held.resident < least.resident {
                (least, since) = (held, Instant::now());
            }
        }
        least
    }

    /// The client beside the fault stops: what comes now is its affair too.
    pub fn alone(&mut self) {
        let samples = self.beside.take().map(Beside::finish);
        self.samples.extend(samples.unwrap_or_default());
    }

    /// From now on the backend does what is right; a message must be accepted within `patience` (in the whole table).
    pub fn recovers(&self, label: &str, patience: Duration) {
        let patience = self.patience(patience);
        if let Some(backend) = &self.backend {
            backend.behave();
        }
        let begun = Instant::now();
        for n in 0.. {
            let label = format!("{label}-{n}");
            self.load(Load {
                clients: 1,
                ..Load::of(&label, 1)
            });
            if self.heard(&format!("{label}/")).starts_with("250") {
                break;
            }
            assert!(
                begun.elapsed() < patience,
                "no service after {patience:?}: {}",
                self.heard(&label)
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Closes the books; what a row's program holds at last.
    pub fn end(mut self) -> Ending {
        self.alone();
        let deadline = self.recovery();
        let after = self.settle(deadline);
        let ended = self.program.ended(Duration::ZERO);
        let raised = match ended {
            Some(_) => Vec::new(),
            None => self.lower(deadline),
        };
        if let Some(backend) = self.backend.take() {
            self.stored.extend(backend.stop());
        }
        let balance = lock(&self.books).balance(&self.stored);
        Ending {
            hurt: balance.sent.saturating_sub(self.before),
            beside: lock(&self.books).tally(BESIDE),
            balance,
            samples: self.samples,
            base: self.base,
            after,
            slack: self.slack,
            raised,
            ended,
            answered: self.answered,
            skipped: self.skipped,
            late: self.late.into_inner().expect("nobody panics with it"),
        }
    }

    /// When all must be as it was before.
    fn recovery(&self) -> Instant {
        Instant::now() + self.patience(RECOVERY)
    }

    /// Waits until the process holds what it held before, or the time for that is over.
    fn settle(&self, deadline: Instant) -> Held {
        loop {
            let held = Held::by(self.program.id());
            if held.is_near(&self.base, &self.slack) || Instant::now() >= deadline {
                return held;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until the gauges are at 0, now that there is no client; those that never are.
    fn lower(&self, deadline: Instant) -> Vec<String> {
        loop {
            let told = metrics(self.admin);
            let raised =
                told.map_or_else(|error| vec![format!("/metrics: {error}")], |it| raised(&it));
            if raised.is_empty() || Instant::now() >= deadline {
                return raised;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// As all rows want it: its record would be larger than the mail.
fn double(backend: BackendDouble) -> BackendDouble {
    backend.offer(OFFER);
    backend.record_commands_only();
    backend
}

/// Compiled code is kept beside the program, for all rows.
fn cache(program: &Path) -> toml::Table {
    let dir = program.with_file_name("lazaret-faults-cache");
    let dir = std::path::absolute(&dir).unwrap_or(dir);
    let dir = dir.display().to_string();
    toml::Table::from_iter([("cache".to_owned(), dir.into())])
}
