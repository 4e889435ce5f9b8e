//! Rows 12, 13, 14, 26 and 30: no space, no descriptors, no memory, no processor, and storms of connections.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use socket2::SockRef;

use super::accepted;
use crate::client::stuffed;
use crate::faults::held::{most_resident, processor_share};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Neighbour, Row};
use crate::program::Launch;

/// A process that waits for descriptors uses less of a processor than this.
const IDLE: f64 = 0.2;

pub(super) const ROWS: [Row; 5] = [
    Row {
        site: |builder, _| {
            builder.set("spool = \"spool\"\n[limits]\nspool-memory-total = \"1 MiB\"\n")
        },
        launch: on_a_small_disk,
        ..Row::new(12, "disk full while spooling", disk_full)
    },
    Row {
        neighbour: Neighbour::Shares,
        ..Row::new(13, "no descriptors left", no_descriptors)
    },
    Row {
        site: |builder, _| builder.set("[limits]\nspool-memory-total = \"4 MiB\"\n"),
        neighbour: Neighbour::Shares,
        ..Row::new(14, "more large messages than memory for them", no_memory)
    },
    Row {
        site: |builder, _| builder.set("[deadlines]\ncommand = \"2s\"\n"),
        launch: || Ok(started_by(&["nice", "-n", "19"])),
        neighbour: Neighbour::Shares,
        ..Row::new(26, "no processor time", starved)
    },
    Row {
        neighbour: Neighbour::Shares,
        ..Row::new(30, "accept fails: storm of connections", storm)
    },
];

fn started_by(words: &[&str]) -> Launch {
    Launch {
        by: words.iter().map(|word| (*word).to_owned()).collect(),
        ..Launch::default()
    }
}

/// Its spool is a file system of 2 MiB in a mount namespace of its own, which goes away with it.
fn on_a_small_disk() -> Result<Launch, String> {
    let script = "mkdir -p \"$XDG_RUNTIME_DIR/spool\" && mount -t tmpfs -o size=2m none \"$XDG_RUNTIME_DIR/spool\" && exec \"$@\"";
    let ways: [&[&str]; 2] = [
        &["unshare", "--mount"],
        &["unshare", "--map-root-user", "--mount"],
    ];
    let works = |way: &&&[&str]| {
        let probe = Command::new(way[0])
            .args(&way[1..])
            .args(["sh", "-c", "mount -t tmpfs none /tmp"])
            .stderr(Stdio::null())
            .status();
        probe.is_ok_and(|status| status.success())
    };
    let way = ways
        .iter()
        .find(works)
        .ok_or("no mount namespace: not root, or not allowed")?;
    Ok(started_by(&[way, &["sh", "-c", script, "sh"][..]].concat()))
}

fn disk_full(ground: &mut Ground) -> String {
    let large = |label: &str, messages, fault_every| Load {
        clients: 3,
        size: 400_000,
        fault_every,
        ..Load::of(label, messages)
    };
    ground.load(large("large", ground.share(2), 1));
    let right = |told: Told| accepted(told) || told == Told::Refused(452);
    ground.only("large/", right);
    // The file system as the program sees it.
    let root = PathBuf::from(format!("/proc/{}/root", ground.program.id()));
    let spool = ground.program.dir().join("spool/filler");
    let filler = root.join(spool.strip_prefix("/").expect("an absolute path"));
    // Up to the last octet: the error that ends it is what is wanted.
    let _ = std::fs::write(&filler, vec![1; 3 << 20]);
    ground.load(large("full", ground.share(4), 1));
    ground.only("full/", |told| told == Told::Refused(452));
    ground.load(Load::of("small", ground.share(4)));
    ground.only("small/", accepted);
    std::fs::remove_file(&filler).expect("our file");
    ground.load(Load {
        clients: 1,
        ..large("freed", 5, 1)
    });
    ground.only("freed/", accepted);
    format!(
        "{}; full: {}",
        ground.heard("large/"),
        ground.heard("full/")
    )
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
    ground.load(Load::of("after", ground.share(2)));
    ground.only("after/", accepted);
    format!(
        "{:.0} % of a processor meanwhile; {}",
        share * 100.0,
        ground.heard("after/")
    )
}

/// Connections that say nothing. Those the proxy cannot take wait in the system's queue.
fn crowd(ground: &Ground, count: usize) -> Vec<TcpStream> {
    let connect =
        |_| TcpStream::connect_timeout(&ground.program.plain(), Duration::from_secs(2)).ok();
    let held = (0..count).map_while(connect).collect();
    std::thread::sleep(Duration::from_millis(500));
    held
}

fn no_memory(ground: &mut Ground) -> String {
    let before = most_resident(ground.program.id());
    ground.load(Load {
        clients: 40,
        size: 2_000_000,
        ..Load::of("large", ground.share(5))
    });
    ground.only("large/", |told| {
        accepted(told) || told == Told::Refused(452)
    });
    let grown = most_resident(ground.program.id()).saturating_sub(before) >> 20;
    // Forty of them are 80 MB; 4 MiB is what the configuration allows for them, and each connection has its buffers.
    assert!(grown < 64, "it grew by {grown} MiB");
    ground.load(Load::of("small", ground.share(1)));
    ground.only("small/", accepted);
    format!("grew by {grown} MiB; {}", ground.heard("large/"))
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

fn starved(ground: &mut Ground) -> String {
    let burners = Burners::start();
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
    drop(burners);
    ground.program.signal("STOP");
    std::thread::sleep(Duration::from_secs(3));
    ground.program.signal("CONT");
    ground.load(Load::of("stopped", ground.share(2)));
    let right = |told: Told| accepted(told) || told == Told::Refused(421);
    ground.only("starved/", right);
    ground.only("stopped/", right);
    format!(
        "deadline of 2 s after {waited:.1?}; {}",
        ground.heard("starved/")
    )
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
    let share = processor_share(ground.program.id(), Duration::from_secs(1));
    assert!(
        share < IDLE,
        "it uses {share:.2} of a processor after the storm"
    );
    ground.only("meanwhile/", |told| {
        accepted(told) || told.is_temporary() || told == Told::Cut
    });
    format!("{resets} resets; {}", ground.heard("meanwhile/"))
}

/// A connection that is gone before it is accepted.
fn reset(ground: &Ground) {
    let patience = Duration::from_millis(200);
    if let Ok(socket) = TcpStream::connect_timeout(&ground.program.plain(), patience) {
        let linger = SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        linger.expect("a socket option");
    }
}
