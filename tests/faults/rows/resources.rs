//! Rows 13, 26 and 30: no descriptors, no processor, and storms of connections.

use std::net::TcpStream;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use socket2::SockRef;

use super::accepted;
use crate::client::stuffed;
use crate::faults::held::processor_share;
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::signs::Manager;
use crate::faults::{Ground, Neighbour, Row};
use crate::program::Launch;

/// A process that waits for descriptors uses less of a processor than this.
const IDLE: f64 = 0.2;

pub(super) const ROWS: [Row; 3] = [
    Row {
        neighbour: Neighbour::Shares,
        ..Row::new(13, "no descriptors left", no_descriptors)
    },
    Row {
        site: |builder, _| builder.set("[deadlines]\ncommand = \"2s\"\n"),
        launch: || Ok(watched()),
        neighbour: Neighbour::Shares,
        ..Row::new(26, "no processor time", starved)
    },
    Row {
        neighbour: Neighbour::Shares,
        ..Row::new(30, "accept fails: storm of connections", storm)
    },
];

pub(super) fn started_by(words: &[&str]) -> Launch {
    Launch {
        by: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Launch::default()
    }
}

/// From now on it has so few, which no configuration foresaw: at its start it would have taken fewer sessions.
fn few_descriptors(ground: &Ground) {
    let id = i32::try_from(ground.program.id()).ok();
    let pid = id.and_then(Pid::from_raw).expect("the id of a process");
    let few = Rlimit {
        current: Some(128),
        maximum: Some(128),
    };
    prlimit(Some(pid), Resource::Nofile, few).expect("our own child");
}

fn no_descriptors(ground: &mut Ground) -> String {
    few_descriptors(ground);
    ground.load(Load::of("before", ground.share(2)));
    ground.only("before/", accepted);
    ground.alone();
    let letters = (0..5).map(|n| Letter::new(&format!("running-{n}"), FINE, 20_000));
    let mut running: Vec<_> = letters
        .map(|letter| (ground.connection(), letter))
        .collect();
    for (connection, letter) in &mut running {
        assert_eq!(connection.begin(letter).ok(), Some(354));
    }
    let held = crowd(ground, 400);
    let share = processor_share(ground.program.id(), Duration::from_secs(2));
    assert!(
        share < IDLE,
        "it uses {share:.2} of a processor while it waits"
    );
    for (connection, letter) in &mut running {
        let sent = connection.octets(&stuffed(&letter.octets));
        assert_eq!(
            sent.and_then(|()| connection.reply()).ok(),
            Some(250),
            "{}",
            letter.token
        );
        ground.enter(&letter.token, Told::Accepted);
    }
    drop((held, running));
    ground.recovers("freed", Duration::from_secs(10));
    let turned_away = turned_away(ground);
    ground.load(Load::of("after", ground.share(2)));
    ground.only("after/", accepted);
    format!(
        "{:.0} % of a processor meanwhile; {turned_away} turned away; {}",
        share * 100.0,
        ground.heard("after/")
    )
}

/// Clients so far for whom there was no descriptor.
fn turned_away(ground: &Ground) -> f64 {
    let label = "limit=\"file descriptors\"";
    let count = ground.metric_with("lazaret_turned_away_total", &[label]);
    assert!(count > 0.0, "there was a descriptor for everybody");
    count
}

/// Connections that say nothing. Those the proxy cannot take wait in the system's queue.
fn crowd(ground: &Ground, count: usize) -> Vec<TcpStream> {
    let connect =
        |_| TcpStream::connect_timeout(&ground.program.plain(), Duration::from_secs(2)).ok();
    let held = (0..count).map_while(connect).collect();
    std::thread::sleep(Duration::from_millis(500));
    held
}

/// Processes that do nothing, as fast as they can; ended when dropped.
struct Burners(Vec<Child>);

impl Burners {
    fn start() -> Self {
        let count = std::thread::available_parallelism().map_or(2, usize::from) * 2;
        let burn = |_| {
            Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
                .expect("sh is there")
        };
        Self((0..count).map(burn).collect())
    }
}

impl Drop for Burners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Our own, so it is there to be killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// As a service that is killed when it gives no sign of life for so long (sd_notify(3)), and that all others go before.
fn watched() -> Launch {
    let script = "NOTIFY_SOCKET=\"$XDG_RUNTIME_DIR/notify\" exec nice -n 19 \"$@\"";
    let watchdog = WATCHDOG.as_micros().to_string();
    Launch {
        environment: vec![("WATCHDOG_USEC".to_owned(), watchdog)],
        ..started_by(&["sh", "-c", script, "sh"])
    }
}

/// A third of what our unit has: with one part in seventy of each processor some messages take seconds.
const WATCHDOG: Duration = Duration::from_secs(20);
/// Raised when dropped.
struct Raised<'f>(&'f AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn starved(ground: &mut Ground) -> String {
    let manager = Manager::listen(ground.program.dir());
    let over = AtomicBool::new(false);
    let (waited, heard) = std::thread::scope(|scope| {
        let watch = scope.spawn(|| manager.watch(&over));
        let waited = among_burners(ground, Raised(&over));
        (waited, watch.join().expect("it only listens"))
    });
    // Who does not listen must not be told.
    drop(manager);
    assert!(heard.longest < WATCHDOG, "signs of life: {heard}");
    ground.program.signal("STOP");
    std::thread::sleep(Duration::from_secs(3));
    ground.program.signal("CONT");
    ground.load(Load::of("stopped", ground.share(2)));
    let right = |told: Told| accepted(told) || told == Told::Refused(421);
    ground.only("starved/", right);
    ground.only("stopped/", right);
    format!(
        "deadline of 2 s after {waited:.1?}; {heard}; {}",
        ground.heard("starved/")
    )
}

/// How long it took until a client that says nothing was told so.
fn among_burners(ground: &Ground, _over: Raised<'_>) -> Duration {
    let _burners = Burners::start();
    let mut stalled = ground.connection();
    let begun = Instant::now();
    let code = stalled.reply().ok();
    let waited = begun.elapsed();
    assert_eq!(code, Some(421), "the deadline of a command");
    assert!(
        waited < Duration::from_secs(20),
        "it came after {waited:.1?}"
    );
    ground.load(Load::of("starved", ground.share(2)));
    waited
}

fn storm(ground: &mut Ground) -> String {
    few_descriptors(ground);
    let load = ground.begin(Load {
        clients: 3,
        ..Load::of("meanwhile", ground.share(1))
    });
    // First so many that the proxy cannot accept them, then those that are gone before it does.
    drop(crowd(ground, 400));
    let resets = ground.times(3000);
    (0..resets).for_each(|_| reset(ground));
    load.finish();
    // What the client beside costs is not the storm's.
    ground.alone();
    let share = processor_share(ground.program.id(), Duration::from_secs(1));
    assert!(
        share < IDLE,
        "it uses {share:.2} of a processor after the storm"
    );
    ground.only("meanwhile/", |told| {
        accepted(told) || told.is_temporary() || matches!(told, Told::Cut | Told::NoConnection)
    });
    format!(
        "{resets} resets; {} turned away; {}",
        turned_away(ground),
        ground.heard("meanwhile/")
    )
}

/// A connection that is gone before it is accepted.
fn reset(ground: &Ground) {
    let patience = Duration::from_millis(200);
    if let Ok(socket) = TcpStream::connect_timeout(&ground.program.plain(), patience) {
        let linger = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        linger.expect("a socket option");
    }
}
