//! Rows 19 to 22: filters that change, break, vanish, and fail.

use std::ops::Range;
use std::time::{Duration, Instant};

use super::{accepted, stamps};
use crate::faults::client::{Connection, Security};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Outside, Row};
use crate::guests::{Guest, with_section};
use crate::proxy::Builder;

pub(super) const ROWS: [Row; 4] = [
    Row {
        site: stamps::at_two_stages,
        ..Row::new(19, "filter replaced under load", replaced)
    },
    Row {
        site: stamps::at_two_stages,
        ..Row::new(20, "filter half-written, truncated, empty", half_written)
    },
    Row {
        site: stamps::at_two_stages,
        ..Row::new(21, "filter deleted", deleted)
    },
    Row {
        site: misbehaving,
        ..Row::new(22, "filter fails at each stage", fails)
    },
];

/// A few clients that go on until they are stopped: filters are compiled meanwhile, and that is what is looked at.
fn endless(label: &str) -> Load {
    Load {
        clients: 3,
        ..Load::of(label, usize::MAX)
    }
}

fn replaced(ground: &mut Ground) -> String {
    let each = ground.times(20);
    let mut swaps = 0;
    let grown = ground.over_and_over(|ground, _| {
        swapped(ground, swaps..swaps + each);
        swaps += each;
    });
    ground.only("swap-", accepted);
    let seen = stamps::all(ground);
    assert_eq!(seen.len(), 2, "both builds were asked: {seen:?}");
    format!("{swaps} swaps; {grown}; {}", ground.heard("swap-"))
}

/// One build after the other, each in the place of the one before.
fn swapped(ground: &Ground, numbers: Range<usize>) {
    let load = ground.begin(endless(&format!("swap-{}", numbers.start)));
    for number in numbers {
        let stamp = ["build-1", stamps::FIRST][number % 2];
        let before = [stamps::FIRST, "build-1"][number % 2];
        let toml = String::from_utf8_lossy(&read(ground, "10-stamp.toml")).replace(before, stamp);
        let wasm = with_section(Guest::Puppet.octets(), stamp);
        ground
            .program
            .put_all(&[("10-stamp.wasm", &wasm), ("10-stamp.toml", toml.as_bytes())]);
        let generation = format!("reloaded generation {}:", number + 2);
        ground.program.logs(&[&generation]);
    }
    ground.until_more(ground.share(2));
    load.stop();
}

fn read(ground: &Ground, name: &str) -> Vec<u8> {
    std::fs::read(ground.program.filter(name)).expect("our file")
}

fn half_written(ground: &mut Ground) -> String {
    let whole = read(ground, "10-stamp.wasm");
    // A generation that is compiled, though it be the same again, leaves some of what that took.
    let grown = ground.over_and_over(|ground, round| {
        let load = ground.begin(endless(&format!("broken-{round}")));
        damaged(ground, &whole);
        slowly(ground, &with_section(whole.clone(), "slow"));
        ground
            .program
            .logs(&[&format!("reloaded generation {}:", 2 * round + 2)]);
        ground.program.put("10-stamp.wasm", &whole);
        ground
            .program
            .logs(&[&format!("reloaded generation {}:", 2 * round + 3)]);
        ground.until_more(ground.share(4));
        load.stop();
    });
    ground.only("broken-", accepted);
    assert_eq!(stamps::all(ground).len(), 1);
    format!("{grown}; {}", ground.heard("broken-"))
}

/// Each is complained of once, and is gone again.
fn damaged(ground: &Ground, whole: &[u8]) {
    for wrong in [&whole[..whole.len() / 2], &[], b"#!/bin/sh\n"] {
        let complaints = || ground.program.log(&["ERROR", "filter not loaded"]).len();
        let before = complaints();
        ground.program.put("10-stamp.wasm", wrong);
        ground
            .program
            .until("a complaint", || complaints() > before);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(complaints(), before + 1, "a complaint is made once");
        ground.program.put("10-stamp.wasm", whole);
    }
}

/// As `cp` over a slow line does it: in place, in pieces.
fn slowly(ground: &Ground, octets: &[u8]) {
    let file = ground.program.filter("10-stamp.wasm");
    for piece in 1..=20 {
        let length = octets.len() * piece / 20;
        std::fs::write(&file, &octets[..length]).expect("our directory");
        std::thread::sleep(Duration::from_millis(30));
    }
}

fn deleted(ground: &mut Ground) -> String {
    let whole = read(ground, "10-stamp.wasm");
    let load = ground.begin(endless("deleted"));
    std::fs::remove_file(ground.program.filter("10-stamp.wasm")).expect("our file");
    ground.program.logs(&["ERROR", "10-stamp.wasm"]);
    ground.program.signal("HUP");
    ground.until_more(ground.share(1));
    ground.program.put("10-stamp.wasm", &whole);
    ground.program.logs(&["is good again"]);
    load.stop();
    // Never past the filter: what was delivered has its stamps.
    ground.only("deleted/", |told| accepted(told) || told.is_temporary());
    assert_eq!(stamps::all(ground).len(), 1);
    ground.heard("deleted/")
}

const STAGES: [&str; 5] = ["hello", "mail", "rcpt", "headers", "message"];
const MISDEEDS: [(&str, &str); 4] = [
    ("panic", "do = [{ panic = \"told to\" }]"),
    ("loop", "do = [{ loop = true }]"),
    ("grow", "do = [{ grow = 200 }]"),
    ("huge", "reject = \"HUGE\""),
];

/// Real time that a stage may take; its CPU time is less.
const WALL: Duration = Duration::from_secs(2);
/// A breaker would keep clients from what they are to meet.
const LIMITS: &str =
    "time = \"20ms\"\nwall = \"2s\"\nmemory = \"8 MiB\"\nbreaker = { failures = 0 }\n";

/// What is done, written out.
fn spelt(does: &str) -> String {
    does.replace("HUGE", &"huge ".repeat(4_000))
}

/// Misbehaves at `STAGE` as `MISDEED` for the sender `STAGE-MISDEED@..`, and for who says hello by that name. What it does
/// at connect on the listener `starttls`, where nothing tells one client from the next, is told later.
fn misbehaving(builder: Builder, _: &Outside) -> Builder {
    let mut policy = format!("{LIMITS}[config]\n");
    for stage in STAGES {
        let steps = MISDEEDS
            .map(|(name, does)| format!("{{ when = \"{stage}-{name}\", {} }}", spelt(does)));
        policy.push_str(&format!("{stage} = [{}]\n", steps.join(", ")));
    }
    let rude = format!("{LIMITS}listeners = [\"starttls\"]\n[config]\nconnect = {{}}\n");
    builder
        .filter("10-evil", Guest::Puppet, &policy)
        .filter("20-rude", Guest::Puppet, &rude)
        .set("[reload]\nlook = \"20ms\"\nquiet = \"60ms\"\n")
}

fn fails(ground: &mut Ground) -> String {
    let mut slowest = Duration::ZERO;
    let grown = ground.over_and_over(|ground, round| {
        slowest = slowest.max(all_misdeeds(ground, round));
    });
    assert_eq!(
        greeting(ground).0,
        220,
        "at connect, of a filter that mended"
    );
    format!(
        "each within {slowest:.1?}, at connect and hello too; {}; {grown}; in transactions: {}",
        failures(ground),
        ground.heard("at-")
    )
}

/// At each stage.
fn all_misdeeds(ground: &Ground, round: usize) -> Duration {
    let mut slowest = Duration::ZERO;
    for (misdeed, _) in MISDEEDS {
        for stage in &STAGES[1..] {
            slowest = slowest.max(at(ground, round, stage, misdeed));
        }
        slowest = slowest.max(hello(ground, round, misdeed));
    }
    let generation = 2 + round * (MISDEEDS.len() + 1);
    for (n, (misdeed, does)) in MISDEEDS.into_iter().enumerate() {
        behave(ground, generation + n, does);
        slowest = slowest.max(connect(ground, misdeed));
    }
    behave(ground, generation + MISDEEDS.len(), "");
    slowest
}

/// What the filters failed of, as far as the program counted it.
fn failures(ground: &Ground) -> String {
    let of = |kind: &str| {
        let label = format!("kind=\"{kind}\"");
        let count = ground.metric_with(FAILURES, &[&label]);
        format!("{kind} {count}")
    };
    ["trap", "time", "wall", "memory", "limit"]
        .map(of)
        .join(", ")
}

const FAILURES: &str = "lazaret_filter_failures_total";

/// How often this filter failed so far.
fn failed(ground: &Ground, filter: &str) -> usize {
    let label = format!("filter=\"{filter}\"");
    ground.metric_with(FAILURES, &[&label]) as usize
}

/// So often by now: whoever was to meet its misdeed did. A reply that is too long may be cut, which is no failure.
fn must_have_failed(ground: &Ground, filter: &str, misdeed: &str, times: usize) {
    let failed = failed(ground, filter);
    assert!(
        failed == times || misdeed == "huge",
        "{misdeed}: {filter} failed {failed} times, not {times}"
    );
}

/// How long that took; not longer than the filter may, and a second for the rest of a session.
fn within(ground: &Ground, begun: Instant, what: &str) -> Duration {
    let took = begun.elapsed();
    let most = ground.patience(WALL + Duration::from_secs(1));
    assert!(took < most, "{what} took {took:.1?}");
    took
}

/// A load, then one message that is timed.
fn at(ground: &Ground, round: usize, stage: &str, misdeed: &str) -> Duration {
    let label = format!("at-{stage}-{misdeed}-{round}");
    let sender = format!("{stage}-{misdeed}@example.com");
    let before = failed(ground, "evil");
    ground.load(Load {
        clients: 4,
        sender: sender.clone(),
        ..Load::of(&label, ground.share(32))
    });
    let letter = Letter::new(&format!("{label}/fault/one"), &sender, 500);
    let mut connection = ground.connection();
    let begun = Instant::now();
    ground.enter(&letter.token, connection.deliver(&letter));
    let took = within(ground, begun, &label);
    // A reply that is too long is cut, or the filter's failure: either way the message does not pass.
    ground.only(&format!("{label}/fault/"), |told| {
        told.is_temporary() || misdeed == "huge" && told.is_permanent()
    });
    ground.fine(&label);
    let times = ground.count(&format!("{label}/fault/"));
    must_have_failed(ground, "evil", misdeed, before + times);
    took
}

/// The session stays open, what its filter came to at hello stays (wit/README.md), and the next session is served.
fn hello(ground: &Ground, round: usize, misdeed: &str) -> Duration {
    let mut slowest = Duration::ZERO;
    let (before, sessions) = (failed(ground, "evil"), ground.share(80));
    for n in 0..sessions {
        let label = format!("hello-{misdeed}-{round}-{n}");
        let mut connection = ground.connection();
        let begun = Instant::now();
        let code = connection.ask(&format!("EHLO {label}.example.com"));
        slowest = slowest.max(within(ground, begun, &label));
        let code = code.unwrap_or_else(|error| panic!("{label}: {error}"));
        let is_right = code == 450 || misdeed == "huge" && code == 550;
        assert!(is_right, "{label} heard {code}");
        let letter = Letter::new(&label, FINE, 500);
        let refused = connection.deliver(&letter);
        assert_eq!(refused, Told::Refused(code), "{label}: MAIL after it");
        assert_eq!(connection.ask("NOOP").ok(), Some(250), "{label}");
        let told = ground.connection().deliver(&letter);
        ground.enter(&letter.token, told);
        assert_eq!(told, Told::Accepted, "{label}: the next session");
    }
    must_have_failed(ground, "evil", misdeed, before + sessions);
    slowest
}

/// From now on the filter does that at connect.
fn behave(ground: &Ground, generation: usize, does: &str) {
    let text = String::from_utf8_lossy(&read(ground, "20-rude.toml")).into_owned();
    let mut policy: toml::Table = text.parse().expect("our own TOML");
    let connect: toml::Table = format!("connect = {{ {} }}", spelt(does))
        .parse()
        .expect("our own TOML");
    policy.insert("config".to_owned(), connect.into());
    ground
        .program
        .put("20-rude.toml", policy.to_string().as_bytes());
    ground
        .program
        .logs(&[&format!("reloaded generation {generation}:")]);
}

/// Clients that hear of it in place of the greeting.
fn connect(ground: &Ground, misdeed: &str) -> Duration {
    let (before, clients) = (failed(ground, "rude"), ground.times(10));
    let mut slowest = Duration::ZERO;
    for _ in 0..clients {
        let (code, took) = greeting(ground);
        slowest = slowest.max(took);
        let is_right = code == 421 || misdeed == "huge" && code == 554;
        assert!(is_right, "{misdeed} at connect: {code}");
    }
    must_have_failed(ground, "rude", misdeed, before + clients);
    slowest
}

/// The code of it, and how long it took.
fn greeting(ground: &Ground) -> (u16, Duration) {
    let begun = Instant::now();
    let opened = Connection::open(ground.program.address("starttls"), Security::Plain);
    let code = opened.and_then(|mut connection| connection.reply());
    let took = within(ground, begun, "a greeting");
    (code.expect("a greeting"), took)
}
