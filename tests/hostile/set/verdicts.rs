//! Verdicts and codes that the operator or the contract does not allow.

use crate::hostile::attack::{Attack, Expected, JUDGES, Kind, Point};

pub(super) fn attacks() -> Vec<Attack> {
    [not_granted(), codes(), two_faced()].concat()
}

fn not_granted() -> Vec<Attack> {
    let kinds = [
        ("accept not granted", "accept = true"),
        ("discard not granted", "discard = true"),
        ("quarantine not granted", "quarantine = \"mine\""),
        ("disconnect not granted", "disconnect = \"away\""),
    ];
    let mut all = Vec::new();
    for (name, step) in kinds {
        all.extend(Kind::told(name, step, Expected::Nothing).at(&JUDGES));
    }
    let reject = Kind::told("reject not granted", "reject = \"no\"", Expected::Nothing);
    all.extend(reject.under("verdicts = []").at(&JUDGES));
    all
}

/// Codes whose class is not the verdict's.
fn codes() -> Vec<Attack> {
    let mut all = Vec::new();
    for code in [0, 99, 220, 250, 354, 421, 451, 600, 999, 65535] {
        let name: &'static str = Box::leak(format!("reject with code {code}").into_boxed_str());
        let step = format!("reject = \"no\", code = {code}");
        let points = [Point::Connect, Point::Hello, Point::Rcpt, Point::Message];
        all.extend(Kind::told(name, step, Expected::Reply("reject")).at(&points));
    }
    for code in [250, 354, 421, 550] {
        let name: &'static str = Box::leak(format!("defer with code {code}").into_boxed_str());
        let step = format!("defer = \"later\", code = {code}");
        let points = [Point::Hello, Point::Mail, Point::Rcpt, Point::Message];
        all.extend(Kind::told(name, step, Expected::Reply("defer")).at(&points));
    }
    all
}

/// Tells an observer's lie: it has no say.
fn two_faced() -> Vec<Attack> {
    Kind::told(
        "verdict of an observer",
        "reject = \"no\"",
        Expected::Nothing,
    )
    .at(&[Point::Outcome, Point::Disconnect])
}
