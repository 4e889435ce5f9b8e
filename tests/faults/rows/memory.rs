//! Row 14: less memory than messages, by the configuration and by the system.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};

use super::accepted;
use crate::faults::cgroup::Cgroup;
use crate::faults::client::Connection;
use crate::faults::held::{data, most_resident};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Neighbour, Row};
use crate::program::Launch;

pub(super) const ROWS: [Row; 2] = [
    Row {
        site: |builder, _| {
            // Nobody waits for a backend connection.
            let limits = "[limits]\nspool-memory-total = \"4 MiB\"\n";
            builder.set(limits).set("[backend]\nconnections = 300\n")
        },
        ..Row::new(14, "more large messages than memory for them", no_memory)
    },
    Row {
        site: |builder, _| {
            let limits = "[limits]\nspool-memory-total = \"4 MiB\"\nin-flight = \"60 MiB\"\n";
            builder.set(limits).set("[backend]\nconnections = 300\n")
        },
        launch: || Ok(by_need()),
        neighbour: Neighbour::MayHear(452),
        ..Row::new(14, "no more memory from the system", pressed)
    },
];

/// What the configuration allows for messages in memory.
const SPOOL: f64 = 4.0 * 1024.0 * 1024.0;

fn no_memory(ground: &mut Ground) -> String {
    let before = most_resident(ground.program.id());
    let mut files = [0.0; 3];
    let grown = ground.over_and_over(|ground, round| {
        // The first would fit each by itself, but all together do not; the others are too large.
        let waves = [(40, 250_000), (40, 2_000_000), (200, 600_000)];
        for (n, (count, size)) in waves.into_iter().enumerate() {
            files[n] = too_large(ground, &format!("large-{round}-{n}"), count, size);
        }
        ground.load(Load::of(&format!("small-{round}"), ground.share(2)));
    });
    ground.only("small-", accepted);
    let most = most_resident(ground.program.id()).saturating_sub(before) >> 20;
    // Two hundred of the last are 114 MiB; 4 MiB is what the configuration allows for them, and each has a block of 32 KiB
    // and a connection on both sides.
    assert!(most < 80, "it grew by {most} MiB");
    format!(
        "at most {most} MiB more; of 40 at once of 0.25 MB, 40 of 2 MB and 200 of 0.6 MB {files:?} in files; {grown}; {}",
        ground.heard("large-")
    )
}

/// Messages for which there is no memory. How many were in files while all of them were before their dot.
fn too_large(ground: &Ground, label: &str, count: usize, size: usize) -> f64 {
    let held = without_dots(ground, label, count, size);
    assert_eq!(held.len(), ground.times(count), "each may begin");
    let few = held.len() as f64 - SPOOL / (size - 1_000) as f64;
    let begun = Instant::now();
    let mut files = 0.0;
    // It may still be reading.
    while files < few && begun.elapsed() < ground.patience(Duration::from_secs(5)) {
        std::thread::sleep(Duration::from_millis(200));
        files = ground.metric("lazaret_spool_files");
    }
    assert!(files >= few, "{files} of {} are in files", held.len());
    let memory = ground.metric("lazaret_spool_memory_bytes");
    assert!(memory <= SPOOL, "{memory} octets of messages in memory");
    dots(ground, held);
    files
}

/// Messages that are all behind their last line and before their dot, but for those that may not begin.
fn without_dots(
    ground: &Ground,
    label: &str,
    count: usize,
    size: usize,
) -> Vec<(Connection, Letter)> {
    let begin = |n| {
        let letter = Letter::new(&format!("{label}-{n}"), FINE, size);
        let mut connection = ground.connection();
        let code = connection.begin(&letter).ok();
        if code == Some(452) {
            ground.enter(&letter.token, Told::Refused(452));
            return None;
        }
        assert_eq!(code, Some(354), "{}", letter.token);
        let sent = connection.octets(&letter.octets);
        sent.expect("the proxy reads");
        Some((connection, letter))
    };
    (0..ground.times(count)).filter_map(begin).collect()
}

/// Each is accepted, or told that there is no room.
fn dots(ground: &Ground, held: Vec<(Connection, Letter)>) {
    for (mut connection, letter) in held {
        let told = connection
            .octets(b".\r\n")
            .and_then(|()| connection.reply());
        let told = match told {
            Ok(250) => Told::Accepted,
            Ok(code) => Told::Refused(code),
            Err(_) => Told::Unknown,
        };
        let is_right = accepted(told) || told == Told::Refused(452);
        assert!(is_right, "{}: {told}", letter.token);
        ground.enter(&letter.token, told);
    }
}

/// Its allocator takes address space as it needs it, so that what it has is what it uses.
fn by_need() -> Launch {
    Launch {
        environment: vec![("MIMALLOC_ARENA_EAGER_COMMIT".to_owned(), "0".to_owned())],
        ..Launch::default()
    }
}

/// So much more the system gives. What comes at once is 172 MiB, and more than `in-flight`; each thread takes 2 MiB of it, used
/// or not.
const MORE: u64 = 128 << 20;

/// From now on an allocation fails that goes beyond it, and the program would abort: nothing in it may come so far.
fn limited(ground: &Ground) -> u64 {
    let id = i32::try_from(ground.program.id()).ok();
    let pid = id.and_then(Pid::from_raw).expect("the id of a process");
    let most = data(ground.program.id()) + MORE;
    let limit = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    prlimit(Some(pid), Resource::Data, limit).expect("our own child");
    most
}

/// So much more a cgroup gives, pages of the spool included: the 60 MiB of `in-flight` in files and what else those messages
/// take are more. Who comes so far and has no page to give up is killed.
const MORE_IN_ALL: u64 = 64 << 20;

fn pressed(ground: &mut Ground) -> String {
    let most = limited(ground);
    let group = Cgroup::around(ground.program.id(), MORE_IN_ALL);
    let mut nearest = 0;
    let grown = ground.over_and_over(|ground, round| {
        let held = without_dots(ground, &format!("large-{round}"), 300, 600_000);
        nearest = nearest.max(data(ground.program.id()));
        dots(ground, held);
        ground.load(Load::of(&format!("small-{round}"), ground.share(2)));
    });
    ground.only("small-", accepted);
    let heard = ground.heard("large-");
    let both = heard.contains("250 x") && heard.contains("452 x");
    assert!(both, "messages within and beyond the limit heard {heard}");
    let left = most.saturating_sub(nearest) >> 20;
    let group = match group.as_ref().map(Cgroup::met) {
        Ok(met) => {
            assert!(met > 0, "the cgroup's limit was never met");
            format!(
                "a cgroup of {} MiB more was full {met} times",
                MORE_IN_ALL >> 20
            )
        }
        Err(why) => ground.skip(why),
    };
    format!(
        "{left} MiB of {} were left; {group}; {grown}; {heard}",
        MORE >> 20
    )
}
