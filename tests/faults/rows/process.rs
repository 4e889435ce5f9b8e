//! Rows 15, 16, 17 and 25: signals, and the clock.

use std::path::PathBuf;
use std::time::Duration;

use super::accepted;
use crate::Segments;
use crate::faults::client::{Security, Sender};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Neighbour, Process, Row};
use crate::program::{Launch, Log};

/// How long the program may go on after SIGTERM.
const GRACE: Duration = Duration::from_secs(5);
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
    Row::new(17, "SIGHUP 1000 times under load", hung_up),
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
    ground.program.signal("TERM");
    let ended = ground.program.ended(GRACE + EXIT);
    load.stop();
    let status = ended.unwrap_or_else(|| panic!("it still runs {:?} after SIGTERM", GRACE + EXIT));
    assert_eq!(status.code(), Some(0), "{status}");
    ground.only("term/", |told| {
        told == Told::Cut || told == Told::Accepted || told.is_temporary()
    });
    format!("exit code 0; {}", ground.heard("term/"))
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

fn hung_up(ground: &mut Ground) -> String {
    let load = ground.begin(endless("hup"));
    for _ in 0..ground.times(1000) {
        ground.program.signal("HUP");
    }
    ground.until_more(ground.share(1));
    load.stop();
    ground.only("hup/", accepted);
    format!("{} reloads; {}", ground.times(1000), ground.heard("hup/"))
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
        log: Log::File,
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
