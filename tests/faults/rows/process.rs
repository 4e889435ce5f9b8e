//! Rows 15, 16, 18 and 25: signals, one program after the other, and the clock.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::accepted;
use crate::Segments;
use crate::faults::client::{Connection, Security, Sender};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Neighbour, Process, Row};
use crate::program::{Launch, Sockets};

/// How long the program may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
/// How long its listeners may be open after that.
const CLOSES: Duration = Duration::from_secs(1);
/// Under load an exit takes a little longer than the last transaction.
const EXIT: Duration = Duration::from_secs(5);

pub(super) const ROWS: [Row; 4] = [
    Row {
        site: |builder, _| builder.set("grace = \"5s\"\n"),
        neighbour: Neighbour::Shares,
        process: Process::Ends,
        ..Row::new(15, "SIGTERM under load", terminated)
    },
    Row {
        neighbour: Neighbour::Shares,
        ..Row::new(16, "SIGKILL under load", killed)
    },
    Row {
        site: |builder, _| builder.set("grace = \"5s\"\n"),
        launch: on_sockets_of_ours,
        neighbour: Neighbour::Shares,
        ..Row::new(18, "hand-over to the next program", handed_over)
    },
    Row {
        launch: with_false_clock,
        neighbour: Neighbour::Shares,
        ..Row::new(25, "clock jumps an hour on, an hour back", clock)
    },
];

/// Of ten clients that go on until they are stopped.
fn endless(label: &str) -> Load {
    Load::of(label, usize::MAX)
}

fn terminated(ground: &mut Ground) -> String {
    let load = ground.begin(endless("term"));
    ground.until_more(ground.share(1));
    let letter = Letter::new("over-the-end", FINE, 3_000);
    let mut open = ground.connection();
    assert_eq!(open.begin(&letter).ok(), Some(354), "before the signal");
    ground.program.signal("TERM");
    let closed = refused_after(ground);
    finish(ground, open, &letter);
    let exit = ground.patience(EXIT);
    let ended = ground.program.ended(GRACE + exit);
    load.stop();
    let status = ended.unwrap_or_else(|| panic!("it still runs {:?} after SIGTERM", GRACE + exit));
    assert_eq!(status.code(), Some(0), "{status}");
    // Who is in a session has a word to hear.
    ground.only("term/", |told| {
        told == Told::NoConnection || accepted(told) || told.is_temporary()
    });
    format!(
        "closed after {closed:.1?}, a transaction open; exit code 0; {}",
        ground.heard("term/")
    )
}

/// How long after the signal nobody can connect any more.
fn refused_after(ground: &Ground) -> Duration {
    let (address, begun) = (ground.program.plain(), Instant::now());
    let is_refused =
        || TcpStream::connect(address).is_err_and(|it| it.kind() == ErrorKind::ConnectionRefused);
    while !is_refused() {
        let is_late = begun.elapsed() > ground.patience(CLOSES);
        assert!(!is_late, "after SIGTERM the listeners are still open");
        std::thread::sleep(Duration::from_millis(5));
    }
    begun.elapsed()
}

/// A transaction that was under way ends as any other, and then the session does.
fn finish(ground: &Ground, mut open: Connection, letter: &Letter) {
    let sent = open.octets(&crate::client::stuffed(&letter.octets));
    sent.expect("the transaction is open after SIGTERM");
    assert_eq!(open.reply().ok(), Some(250), "a message over SIGTERM");
    ground.enter(&letter.token, Told::Accepted);
    assert_eq!(open.reply().ok(), Some(421), "after it");
}

fn killed(ground: &mut Ground) -> String {
    let mut unknown = 0;
    for round in 0..3 {
        let load = ground.begin(endless(&format!("kill-{round}")));
        ground.until_more(ground.share(3));
        ground.program.kill();
        load.stop();
        ground.program.again();
        unknown += again(ground);
    }
    format!("{unknown} sent again; {}", ground.heard("kill-"))
}

/// Who was told nothing sends again, as any client does.
fn again(ground: &Ground) -> usize {
    let mut sender = Sender::to(ground.program.plain(), Security::Plain, Segments::Whole);
    let tokens: Vec<_> = ground
        .unknown()
        .into_iter()
        .filter(|token| token.starts_with("kill-"))
        .collect();
    for token in &tokens {
        let told = sender.send(&Letter::new(token, FINE, 0));
        assert!(accepted(told), "{token} was sent again: {told}");
        ground.enter(token, told);
    }
    tokens.len()
}

fn on_sockets_of_ours() -> Result<Launch, String> {
    Ok(Launch {
        sockets: Sockets::Handed,
        ..Launch::default()
    })
}

/// The sockets outlive the program, as systemd's do: whoever connects meanwhile waits for the next one.
fn handed_over(ground: &mut Ground) -> String {
    let knocking = Knocking::start(ground.program.plain());
    for round in 0..3 {
        let load = ground.begin(endless(&format!("hand-over-{round}")));
        ground.until_more(ground.share(6));
        ground.program.signal("TERM");
        let exit = ground.patience(EXIT);
        let ended = ground.program.ended(GRACE + exit);
        let status = ended.unwrap_or_else(|| panic!("it still runs after SIGTERM"));
        assert_eq!(status.code(), Some(0), "{status}");
        ground.program.again();
        ground.until_more(ground.share(6));
        load.stop();
    }
    let knocks = knocking.stop();
    ground.only("hand-over-", |told| accepted(told) || told.is_temporary());
    format!(
        "{knocks} connects, each greeted; {}",
        ground.heard("hand-over-")
    )
}

/// Clients that do nothing but connect; each must be greeted.
struct Knocking {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<usize>>,
}

impl Knocking {
    fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let one = |_| {
            let stop = Arc::clone(&stop);
            std::thread::spawn(move || {
                let mut knocks = 0;
                while !stop.load(Ordering::SeqCst) {
                    let opened = Connection::open(address, Security::Plain);
                    let mut connection = opened.unwrap_or_else(|error| panic!("connect: {error}"));
                    let greeting = connection.reply();
                    // One that is just on its way out says 421.
                    assert!(matches!(greeting, Ok(220 | 421)), "{greeting:?}");
                    knocks += 1;
                    std::thread::sleep(Duration::from_millis(5));
                }
                knocks
            })
        };
        let threads = (0..8).map(one).collect();
        Self { stop, threads }
    }

    fn stop(self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        let knocks = self.threads.into_iter().map(JoinHandle::join);
        knocks
            .map(|knocks| knocks.expect("everybody is greeted"))
            .sum()
    }
}

/// Under libfaketime, which tells the program the time that a file says; the clock of the machine is not touched.
fn with_false_clock() -> Result<Launch, String> {
    let library = libfaketime().ok_or("libfaketime not installed")?;
    let script = "echo +0 >\"$XDG_RUNTIME_DIR/clock\"; export FAKETIME_TIMESTAMP_FILE=\"$XDG_RUNTIME_DIR/clock\" \
                  LD_PRELOAD=\"$LIBRARY\"; exec \"$@\"";
    let environment = [
        ("LIBRARY", library.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    Ok(Launch {
        by: ["sh", "-c", script, "sh"].map(str::to_owned).to_vec(),
        environment: environment
            .map(|(name, value)| (name.to_owned(), value))
            .to_vec(),
        ..Launch::default()
    })
}

fn libfaketime() -> Option<PathBuf> {
    let roots = [PathBuf::from("/"), crate::peers::unpacked("libfaketime")];
    let libraries = roots
        .iter()
        .filter_map(|root| std::fs::read_dir(root.join("usr/lib")).ok());
    let mut places = libraries
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("faketime/libfaketime.so.1"));
    places.find(|file| file.is_file())
}

fn clock(ground: &mut Ground) -> String {
    let jumps = ["+3600", "-3600", "+0"];
    for (n, jump) in jumps.into_iter().enumerate() {
        let letter = Letter::new(&format!("over-the-jump-{n}"), FINE, 3_000);
        let mut idle = ground.connection();
        let mut busy = ground.connection();
        assert_eq!(busy.begin(&letter).ok(), Some(354), "before the jump");
        let clock = ground.program.dir().join("clock");
        std::fs::write(clock, jump).expect("our directory");
        ground.load(Load::of(&format!("jump-{n}"), ground.share(3)));
        let sent = busy.octets(&crate::client::stuffed(&letter.octets));
        sent.expect("the session is open after the jump");
        assert_eq!(
            busy.reply().ok(),
            Some(250),
            "{jump}: a message over the jump"
        );
        ground.enter(&letter.token, Told::Accepted);
        assert_eq!(idle.ask("NOOP").ok(), Some(250), "{jump}: an idle session");
    }
    ground.only("jump-", accepted);
    seen_in_the_log(ground);
    ground.heard("jump-")
}

/// That the program did see another time: the dates of its Received fields.
fn seen_in_the_log(ground: &Ground) {
    let days: Vec<_> = ground.backend().deliveries();
    let hours = days.iter().filter_map(|delivery| {
        let text = String::from_utf8_lossy(&delivery.octets).into_owned();
        let (_, date) = text.split_once("; ")?;
        Some(date.split(' ').nth(4)?.get(..2)?.to_owned())
    });
    let hours: std::collections::BTreeSet<_> = hours.collect();
    assert!(
        hours.len() > 1,
        "all Received fields are of the hour {hours:?}"
    );
}
