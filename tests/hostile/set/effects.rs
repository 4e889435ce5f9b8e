//! Filters that do something and then fail: of a failed call nothing remains.

use crate::hostile::attack::{Attack, Expected, JUDGES, Kind, Point, STAGES};
use crate::hostile::site::PRINTS;

const EDITS: &str = "{ add = [\"X-Trace\", \"left behind\"] }, { replace = [\"X-Mark\", 0, \"changed\"] }, { remove = [\"X-Mark\"] }, { score = [\"TRACE\", 3.0, \"left behind\"] }, { note = [\"transaction\", \"trace\", \"left behind\"] }";

pub(super) fn attacks() -> Vec<Attack> {
    [panics(), skipped(), prints()].concat()
}

fn panics() -> Vec<Attack> {
    let step = |end: &str| format!("do = [{EDITS}, {end}]");
    let ends = [
        (
            "edits, then a panic",
            "{ panic = \"on purpose\" }",
            Expected::Failure("on purpose"),
        ),
        (
            "edits, then a trap",
            "{ unreachable = true }",
            Expected::Failure("unreachable"),
        ),
        (
            "edits, then exit",
            "{ exit = true }",
            Expected::Failure("wasi:cli/exit"),
        ),
        (
            "edits, then a loop",
            "{ loop = true }",
            Expected::Failure("CPU time"),
        ),
    ];
    let mut all = Vec::new();
    for (name, end, expected) in ends {
        all.extend(Kind::told(name, step(end), expected).at(&JUDGES));
    }
    all.extend(
        Kind::told(
            "panic",
            "do = [{ panic = \"on purpose\" }]",
            Expected::Failure("on purpose"),
        )
        .at(&STAGES),
    );
    all
}

/// The operator let mail pass without this filter: it must pass as if the filter had never been there.
fn skipped() -> Vec<Attack> {
    let skip = "on-failure = \"skip\"";
    let step = |end: &str| format!("do = [{EDITS}, {end}]");
    [
        Kind::told(
            "edits, then a panic, skipped",
            step("{ panic = \"on purpose\" }"),
            Expected::Nothing,
        )
        .under(skip)
        .at(&[Point::Mail, Point::Rcpt, Point::Headers, Point::Message]),
        Kind::told(
            "edits, then a loop, skipped",
            step("{ loop = true }"),
            Expected::Nothing,
        )
        .under(skip)
        .at(&[Point::Headers, Point::Message]),
    ]
    .concat()
}

/// A stream that `configure` opened must not be a dangling handle in the fork that panics.
fn prints() -> Vec<Attack> {
    let step = "do = [{ complain = 1 }, { print = 1 }, { panic = \"after printing\" }]";
    Kind::told(
        "print in configure, then a panic",
        step,
        Expected::Failure("after printing"),
    )
    .under(PRINTS)
    .at(&STAGES)
}
