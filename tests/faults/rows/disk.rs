//! Rows 12 and 27: a disk that is full, under the spool and under the log.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::accepted;
use super::resources::started_by;
use crate::faults::ledger::Told;
use crate::faults::load::Load;
use crate::faults::{Ground, Neighbour, Row};
use crate::program::Launch;

pub(super) const ROWS: [Row; 2] = [
    Row {
        site: |builder, _| {
            let limits = "[limits]\nspool-memory-total = \"1 MiB\"\n";
            builder.set(&format!("spool = \"small\"\n{limits}"))
        },
        launch: || on_a_small_disk(""),
        neighbour: Neighbour::MayHear(452),
        ..Row::new(12, "disk full while spooling", spool_full)
    },
    Row {
        launch: || on_a_small_disk("2>>\"$XDG_RUNTIME_DIR/small/log\""),
        ..Row::new(27, "log is on a full disk", log_full)
    },
];

/// The directory `small` of the program's is a file system of 8 MiB in a mount namespace of its own, which goes away with it.
fn on_a_small_disk(streams: &str) -> Result<Launch, String> {
    let script = format!(
        "mkdir -p \"$XDG_RUNTIME_DIR/small\" && mount -t tmpfs -o size=8m none \"$XDG_RUNTIME_DIR/small\" && exec \"$@\" {streams}"
    );
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
        .ok_or("a mount namespace not allowed")?;
    Ok(started_by(
        &[way, &["sh", "-c", &script, "sh"][..]].concat(),
    ))
}

/// The small disk as the program sees it.
fn small(ground: &Ground) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", ground.program.id()));
    let dir = ground.program.dir().join("small");
    root.join(dir.strip_prefix("/").expect("an absolute path"))
}

/// Takes what is left of the disk.
struct Filler(PathBuf);

impl Filler {
    fn of(dir: &Path) -> Self {
        let file = dir.join("filler");
        // Up to the last octet: the error that ends it is what is wanted.
        let _ = std::fs::write(&file, vec![1; 9 << 20]);
        Self(file)
    }

    fn free(self) {
        std::fs::remove_file(self.0).expect("our file");
    }
}

fn spool_full(ground: &mut Ground) -> String {
    let grown = ground.over_and_over(fill_the_spool);
    let right = |told: Told| accepted(told) || told == Told::Refused(452);
    ground.only("large-", right);
    ground.only("full-", |told| told == Told::Refused(452));
    ground.only("small-", accepted);
    ground.only("freed-", accepted);
    format!(
        "{}; full: {}; {grown}",
        ground.heard("large-"),
        ground.heard("full-")
    )
}

fn fill_the_spool(ground: &Ground, round: usize) {
    let large = |label: &str, messages, clients| Load {
        clients,
        size: 400_000,
        fault_every: 1,
        ..Load::of(&format!("{label}-{round}"), messages)
    };
    ground.load(large("large", ground.share(2), 3));
    let filler = Filler::of(&small(ground));
    ground.load(large("full", ground.share(4), 3));
    ground.load(Load::of(&format!("small-{round}"), ground.share(4)));
    filler.free();
    ground.load(large("freed", 5, 1));
}

const DROPPED: &str = "lazaret_log_lines_dropped_total";

fn log_full(ground: &mut Ground) -> String {
    ground.load(Load::of("before", ground.share(4)));
    let dropped = ground.metric(DROPPED);
    assert_eq!(dropped, 0.0, "lines dropped before the disk is full");
    let filler = Filler::of(&small(ground));
    ground.load(Load::of("full", ground.share(2)));
    // Each transaction has its line, and the last page of the log may have had room for some.
    let least = ground.share(2).saturating_sub(20) as f64;
    soon(ground, "too few lines are dropped", || {
        ground.metric(DROPPED) >= least
    });
    filler.free();
    ground.load(Load::of("freed", ground.share(4)));
    for label in ["before/", "full/", "freed/"] {
        ground.only(label, accepted);
    }
    // It tells of as many as are counted, once it can.
    soon(ground, "not all drops are told", || {
        ground.metric(DROPPED) == told(ground) as f64
    });
    let dropped = told(ground);
    format!("{dropped} lines dropped, told; {}", ground.heard("full/"))
}

/// The thread that writes the log comes to it later than the clients.
fn soon(ground: &Ground, wrong: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + ground.patience(Duration::from_secs(5));
    while !is_so() {
        assert!(Instant::now() < deadline, "{wrong}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Drops that the log tells of; none of its lines may be torn.
fn told(ground: &Ground) -> u64 {
    let text = std::fs::read_to_string(small(ground).join("log")).expect("the log");
    // Its last line may be on its way.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines().map(|line| {
        let line: Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        line["dropped"].as_u64().unwrap_or(0)
    });
    lines.sum()
}
