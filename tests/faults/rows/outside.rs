//! Rows 23 and 24: what filters ask is down, slow, broken, or lies.
//!
//! The filter is a bundled one and stands at one listener; the client beside the fault is at another, and must not notice.

use std::time::{Duration, Instant};

use super::accepted;
use crate::Segments;
use crate::faults::client::{Security, Sender};
use crate::faults::ledger::Told;
use crate::faults::letter::Letter;
use crate::faults::load::{FINE, Load};
use crate::faults::outside::{Resolving, Storing};
use crate::faults::{Ground, Outside, Row};
use crate::guests::Guest;
use crate::proxy::Builder;

pub(super) const ROWS: [Row; 2] = [
    Row {
        site: remembering,
        ..Row::new(23, "filters' store down, slow, resets, lies", store)
    },
    Row {
        site: asking,
        ..Row::new(24, "DNS silent, fails, 64 kB, loops, lies", names)
    },
];

/// A store is given up after 2 s; the rest is the message's own, on a machine shared with its clients.
const BUDGET_OF_STORE: Duration = Duration::from_secs(3);
/// Names are after `dns-time`, which is 3 s.
const BUDGET_OF_NAMES: Duration = Duration::from_secs(5);
/// After so long the store is asked again.
const SOUND_AGAIN: Duration = Duration::from_secs(10);

/// Defers whom it does not know, and everybody while its store does not answer.
const GREYLIST: &str = r#"
listeners = ["implicit"]
on-failure = "reject"
grant = ["session", "state"]
verdicts = ["defer"]
time = "200ms"
wall = "10s"
breaker = { failures = 0 }
[config]
when-unavailable = "defer"
"#;

/// Stamps all mail.
const STAMP: &str = r#"
listeners = ["plain", "implicit"]
[config]
headers = { do = [{ add = ["X-Stamp", "it was here"] }] }
"#;

/// Rejects who is listed; who cannot be looked up is let pass.
const DNSBL: &str = r#"
listeners = ["implicit"]
on-failure = "defer"
grant = ["session", "score:-10..10", "dns:*.block.example"]
verdicts = ["reject"]
time = "200ms"
wall = "10s"
dns-time = "3s"
breaker = { failures = 0 }
[config]
refuse = 5.0
[[config.list]]
zone = "block.example"
returns = { "127.0.0.2" = 5.0 }
"#;

fn bundled(builder: Builder, name: &str, policy: &str) -> Builder {
    let mut all = lazaret_bundled::FURTHER.iter();
    let filter = all.find(|filter| filter.name == name);
    let filter = filter.expect("it is one of them");
    builder
        .file(&format!("filters.d/{}.wasm", filter.file), filter.wasm)
        .file(
            &format!("filters.d/{}.toml", filter.file),
            policy.as_bytes(),
        )
}

/// The other filter asks nobody, and stands beside that one and where only it is.
fn remembering(builder: Builder, outside: &Outside) -> Builder {
    let state = format!("state = \"{}\"\n", outside.store.url());
    bundled(builder, "greylist", GREYLIST)
        .filter("95-stamp", Guest::Puppet, STAMP)
        .set(&state)
}

fn asking(builder: Builder, outside: &Outside) -> Builder {
    let servers = format!("[dns]\nservers = [\"{}\"]\n", outside.names.address());
    bundled(builder, "dnsbl", DNSBL).set(&servers)
}

fn store(ground: &mut Ground) -> String {
    let cases = [
        ("down", Storing::Down),
        ("slow", Storing::Slow),
        ("reset", Storing::Resets),
        ("wrong-type", Storing::WrongType),
        ("huge", Storing::Huge),
        ("mute", Storing::Mute),
    ];
    play(ground, "known", ground.share(10), accepted);
    ground.outside.store.behave(Storing::Unknown);
    play(ground, "unknown", ground.share(10), Told::is_temporary);
    let mut slowest = Duration::ZERO;
    for (label, storing) in cases {
        ground.outside.store.behave(storing);
        slowest = slowest.max(first(ground, label, BUDGET_OF_STORE, Told::is_temporary));
        play(ground, label, ground.share(7), Told::is_temporary);
        ground.outside.store.behave(Storing::Known);
        until(ground, &format!("after-{label}"), accepted);
    }
    let asked = ground.outside.store.asked();
    assert!(asked > 0, "the store was never asked");
    let stamped = stamped(ground);
    format!(
        "451 after {slowest:.1?} at most; {asked} orders; another filter failed 0 times, {stamped} stamps; store sound: {}",
        ground.heard("known/")
    )
}

/// The other filter never failed, and all that was accepted has its stamp; how much that is.
fn stamped(ground: &Ground) -> usize {
    let label = "filter=\"stamp\"";
    let failures = ground.metric_with("lazaret_filter_failures_total", &[label]);
    assert_eq!(failures, 0.0, "failures of the other filter");
    // The client beside goes on: what arrived is looked at before what was asked.
    let deliveries = ground.backend().deliveries();
    let calls = ground.metric_with("lazaret_filter_asked_total", &[label]);
    for delivery in &deliveries {
        let text = String::from_utf8_lossy(&delivery.octets);
        assert!(text.contains("X-Stamp: it was here\r\n"), "{text}");
    }
    assert!(calls >= deliveries.len() as f64, "{calls} calls");
    deliveries.len()
}

fn names(ground: &mut Ground) -> String {
    let listed: fn(Told) -> bool = Told::is_permanent;
    // A large answer is one all the same.
    let either: fn(Told) -> bool = |told| accepted(told) || told.is_permanent();
    let whole = ground.outside.names.whole();
    let cases = [
        ("silent", Resolving::Silent, accepted as fn(Told) -> bool),
        ("servfail", Resolving::Fails, accepted),
        ("huge", Resolving::Huge, either),
        ("loop", Resolving::Loop, accepted),
        ("lies", Resolving::Lies, accepted),
    ];
    play(ground, "listed", ground.share(10), listed);
    let mut slowest = Duration::ZERO;
    for (label, resolving, right) in cases {
        ground.outside.names.behave(resolving);
        slowest = slowest.max(first(ground, label, BUDGET_OF_NAMES, right));
        play(ground, label, ground.share(6), right);
        ground.outside.names.behave(Resolving::Listed);
        until(ground, &format!("after-{label}"), listed);
    }
    let whole = ground.outside.names.whole() - whole;
    assert!(whole > 0, "no answer of 64 kB was fetched");
    format!(
        "at most {slowest:.1?}; silent: {}; 64 kB, fetched {whole} times: {}; sound: {}",
        ground.heard("silent/"),
        ground.heard("huge/"),
        ground.heard("listed/")
    )
}

/// Of clients where the filter is.
fn play(ground: &Ground, label: &str, messages: usize, right: fn(Told) -> bool) {
    ground.load(Load {
        clients: 20,
        security: Security::Tls,
        ..Load::of(label, messages)
    });
    ground.only(&format!("{label}/"), right);
}

/// How long the first message took, from its connection on; it is within the budget, and meets the fault.
fn first(ground: &Ground, label: &str, budget: Duration, right: fn(Told) -> bool) -> Duration {
    let begun = Instant::now();
    let told = send(ground, &format!("first-{label}"));
    let (took, budget) = (begun.elapsed(), ground.patience(budget));
    assert!(took < budget, "{label}: the first message took {took:.1?}");
    assert!(right(told), "{label}: the first message was told {told}");
    took
}

fn send(ground: &Ground, token: &str) -> Told {
    let address = ground.program.address("implicit");
    let mut sender = Sender::to(address, Security::Tls, Segments::Whole);
    let letter = Letter::new(token, FINE, 500);
    let told = sender.send(&letter);
    ground.enter(&letter.token, told);
    told
}

/// Sends until that is heard.
fn until(ground: &Ground, label: &str, right: fn(Told) -> bool) {
    let begun = Instant::now();
    for n in 0.. {
        if right(send(ground, &format!("{label}-{n}"))) {
            break;
        }
        assert!(
            begun.elapsed() < ground.patience(SOUND_AGAIN),
            "{label}: it is not asked again"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}
