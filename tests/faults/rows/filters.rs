//! Rows 19 to 22: filters that change, break, vanish, and fail.

use std::collections::BTreeSet;
use std::time::Duration;

use super::accepted;
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::{Ground, Outside, Row};
use crate::guests::{Guest, with_section};
use crate::proxy::Builder;

pub(super) const ROWS: [Row; 4] = [
    Row {
        site: stamping,
        ..Row::new(19, "filter replaced under load", replaced)
    },
    Row {
        site: stamping,
        ..Row::new(20, "filter half-written, truncated, empty", half_written)
    },
    Row {
        site: stamping,
        ..Row::new(21, "filter deleted", deleted)
    },
    Row {
        site: misbehaving,
        ..Row::new(22, "filter fails at each stage", fails)
    },
];

/// Stamps at two stages: one transaction sees one generation, so both are the same.
const STAMPS: &str = r#"
[config]
headers = { do = [{ add = ["X-First", "build-a"] }] }
message = { do = [{ add = ["X-Second", "build-a"] }] }
"#;

fn stamping(builder: Builder, _: &Outside) -> Builder {
    builder
        .filter("10-stamp", Guest::Puppet, STAMPS)
        .set("[reload]\nlook = \"20ms\"\nquiet = \"60ms\"\n")
}

/// A few clients that go on until they are stopped: filters are compiled meanwhile, and that is what is looked at.
fn endless(label: &str) -> Load {
    Load {
        clients: 3,
        ..Load::of(label, usize::MAX)
    }
}

fn replaced(ground: &mut Ground) -> String {
    let old = read(ground, "10-stamp.toml");
    let load = ground.begin(endless("swap"));
    let swaps = ground.times(20);
    for n in 0..swaps {
        let (from, stamp) = (
            "build-a",
            if n.is_multiple_of(2) {
                "build-b"
            } else {
                "build-a"
            },
        );
        let toml = String::from_utf8_lossy(&old).replace(from, stamp);
        ground.program.put(
            "10-stamp.wasm",
            &with_section(Guest::Puppet.octets(), stamp),
        );
        ground.program.put("10-stamp.toml", toml.as_bytes());
        let generation = format!("reloaded generation {}:", n + 2);
        ground.program.logs(&[&generation]);
    }
    ground.until_more(ground.share(1));
    load.stop();
    ground.only("swap/", accepted);
    let seen = stamps(ground);
    assert_eq!(seen.len(), 2, "both builds were asked: {seen:?}");
    format!("{swaps} swaps; {}", ground.heard("swap/"))
}

/// The stamps in what was delivered: each message has both, and of one generation.
fn stamps(ground: &Ground) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for delivery in ground.backend().deliveries() {
        let text = String::from_utf8_lossy(&delivery.octets).into_owned();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} on {:?}", text.lines().next()))
                .to_owned()
        };
        let (first, second) = (field("X-First: "), field("X-Second: "));
        assert_eq!(first, second, "two generations in one transaction");
        seen.insert(first);
    }
    seen
}

fn read(ground: &Ground, name: &str) -> Vec<u8> {
    std::fs::read(ground.program.filter(name)).expect("our file")
}

fn half_written(ground: &mut Ground) -> String {
    let whole = read(ground, "10-stamp.wasm");
    let load = ground.begin(endless("broken"));
    for wrong in [&whole[..whole.len() / 2], &[], b"#!/bin/sh\n"] {
        let complaints = || ground.program.log(&["ERROR", "filter not loaded"]).len();
        let before = complaints();
        ground.program.put("10-stamp.wasm", wrong);
        ground
            .program
            .until("a complaint", || complaints() > before);
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(complaints(), before + 1, "a complaint is made once");
        ground.program.put("10-stamp.wasm", &whole);
    }
    slowly(ground, &with_section(whole, "slow"));
    ground.program.logs(&["reloaded generation"]);
    ground.until_more(ground.share(1));
    load.stop();
    ground.only("broken/", accepted);
    assert_eq!(stamps(ground).len(), 1);
    ground.heard("broken/")
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
    assert_eq!(stamps(ground).len(), 1);
    ground.heard("deleted/")
}

const STAGES: [&str; 5] = ["hello", "mail", "rcpt", "headers", "message"];
const MISDEEDS: [(&str, &str); 4] = [
    ("panic", "do = [{ panic = \"told to\" }]"),
    ("loop", "do = [{ loop = true }]"),
    ("grow", "do = [{ grow = 200 }]"),
    ("huge", "reject = \"HUGE\""),
];

/// Misbehaves at `STAGE` as `MISDEED` for the sender `STAGE-MISDEED@..`, and for who says hello by that name; on the
/// listener `starttls` it fails before the greeting.
fn misbehaving(builder: Builder, _: &Outside) -> Builder {
    let mut policy = "time = \"20ms\"\nmemory = \"8 MiB\"\n[config]\n".to_owned();
    for stage in STAGES {
        let steps = MISDEEDS.map(|(name, does)| format!("{{ when = \"{stage}-{name}\", {does} }}"));
        policy.push_str(&format!("{stage} = [{}]\n", steps.join(", ")));
    }
    let connect = "time = \"20ms\"\nlisteners = [\"starttls\"]\n[config]\nconnect = { do = [{ panic = \"told to\" }] }\n";
    builder
        .filter(
            "10-evil",
            Guest::Puppet,
            &policy.replace("HUGE", &"huge ".repeat(4_000)),
        )
        .filter("20-rude", Guest::Puppet, connect)
}

fn fails(ground: &mut Ground) -> String {
    for stage in &STAGES[1..] {
        for (misdeed, _) in MISDEEDS {
            at(ground, stage, misdeed);
        }
    }
    for (misdeed, _) in MISDEEDS {
        hello(ground, misdeed);
    }
    for _ in 0..ground.times(20) {
        let address = ground.program.address("starttls");
        let opened = crate::faults::client::Connection::open(address, Default::default());
        let code = opened.and_then(|mut connection| connection.reply());
        assert_eq!(code.ok(), Some(421), "a filter that fails at connect");
    }
    format!("hurt: {}", ground.heard("at-"))
}

fn at(ground: &Ground, stage: &str, misdeed: &str) {
    let label = format!("at-{stage}-{misdeed}");
    ground.load(Load {
        clients: 4,
        sender: format!("{stage}-{misdeed}@example.com"),
        ..Load::of(&label, ground.share(16))
    });
    // A reply that is too long is cut, or the filter's failure: either way the message does not pass.
    ground.only(&format!("{label}/fault/"), |told| {
        told.is_temporary() || misdeed == "huge" && told.is_permanent()
    });
    ground.fine(&label);
}

/// The session stays open, and the next one is served.
fn hello(ground: &Ground, misdeed: &str) {
    let mut connection = ground.connection();
    let code = connection.ask(&format!("EHLO hello-{misdeed}.example.com"));
    let code = code.expect("a reply");
    assert!((400..600).contains(&code), "hello-{misdeed} heard {code}");
    assert_eq!(connection.ask("NOOP").ok(), Some(250), "hello-{misdeed}");
    let letter = Letter::new(&format!("hello-{misdeed}"), FINE, 500);
    let told = ground.connection().deliver(&letter);
    ground.enter(&letter.token, told);
    assert_eq!(told, Told::Accepted, "after a hello that failed");
}
