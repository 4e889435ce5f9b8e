//! Filters that say too much.

use super::endless::repeat;
use crate::hostile::attack::{Attack, Expected, JUDGES, Kind, Point, STAGES};
use crate::hostile::forge::Forge;

const LOG: &str = r#"(import "lazaret:filter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
/// A hundred lines are written; a build for tests is slow at it.
const AMPLE: &str = "time = \"500ms\"";
const RANDOM: &str =
    r#"(import "lazaret:filter/entropy@0.1.0" "random" (func $random (param i32 i32)))"#;
const ID: &str = r#"(import "lazaret:filter/session@0.1.0" "id" (func $id (param i32)))"#;

pub(super) fn attacks() -> Vec<Attack> {
    [logs(), streams(), imports(), effects()].concat()
}

fn logs() -> Vec<Attack> {
    let lines = |times| {
        Forge::new(repeat(
            times,
            "(call $log (i32.const 3) (i32.const 0) (i32.const 4096))",
        ))
        .import("log", LOG)
    };
    [
        Kind::forged("log flood", lines(200), Expected::Nothing)
            .under(AMPLE)
            .at(&STAGES),
        Kind::forged(
            "log flood without end",
            lines(u32::MAX),
            Expected::FailureOf(&["CPU time", "host calls"]),
        )
        .at(&JUDGES),
        Kind::forged("log flood at load", lines(300), Expected::Contained).at(&[Point::Configure]),
        Kind::forged(
            "log flood without end",
            lines(u32::MAX),
            Expected::RefusedOf(&["CPU time", "host calls"]),
        )
        .at(&[Point::Configure]),
    ]
    .concat()
}

fn streams() -> Vec<Attack> {
    let spent = Expected::FailureOf(&["CPU time"]);
    [
        Kind::told("stdout flood", "do = [{ print = 150 }]", Expected::Nothing)
            .under(AMPLE)
            .at(&STAGES),
        Kind::told(
            "stderr flood",
            "do = [{ complain = 150 }]",
            Expected::Nothing,
        )
        .under(AMPLE)
        .at(&STAGES),
        Kind::told(
            "stdout flood without end",
            "do = [{ print = 4000000 }]",
            spent.clone(),
        )
        .at(&JUDGES),
        Kind::told(
            "stderr line without end",
            "do = [{ mutter = 4000000 }]",
            spent,
        )
        .at(&JUDGES),
    ]
    .concat()
}

/// Asks for much, and for nothing else.
fn imports() -> Vec<Attack> {
    let time = Expected::FailureOf(&["CPU time", "octets read", "host calls"]);
    let again = "(global.set $next (i32.const 8192))";
    let random = Forge::new(repeat(
        u32::MAX,
        &format!("{again} (call $random (i32.const -1) (i32.const 32))"),
    ))
    .import("entropy", RANDOM);
    let id = Forge::new(repeat(
        u32::MAX,
        &format!("{again} (call $id (i32.const 32))"),
    ))
    .import("session", ID);
    let hoard = Forge::new(repeat(
        u32::MAX,
        "(call $random (i32.const 4096) (i32.const 32))",
    ))
    .import("entropy", RANDOM);
    [
        Kind::forged("randomness flood", random, time.clone()).at(&JUDGES),
        Kind::forged(
            "randomness hoarded",
            hoard,
            Expected::FailureOf(&["more memory", "CPU time"]),
        )
        .at(&JUDGES),
        Kind::forged("questions without end", id, time).at(&JUDGES),
    ]
    .concat()
}

/// Effects over their caps: what is over is refused, and the filter lives.
fn effects() -> Vec<Attack> {
    let notes: String = (0..40)
        .map(|n| format!("{{ note = [\"connection\", \"k{n}\", \"{{huge:1024}}\"] }},"))
        .collect();
    let scores = "{ score = [\"FLOOD\", 0.001, \"again\"] },".repeat(150);
    [
        Kind::told("notes flood", format!("do = [{notes}]"), Expected::Nothing).at(&JUDGES),
        Kind::told("score flood", format!("do = [{scores}]"), Expected::Nothing).at(&JUDGES),
        Kind::told(
            "edit flood",
            "do = [{ many-fields = 100000 }]",
            Expected::FailureOf(&["CPU time"]),
        )
        .at(&[Point::Headers, Point::Message]),
        Kind::told(
            "pace flood",
            "do = [{ hold = 4294967295 }, { unreachable = true }]",
            Expected::Failure("unreachable"),
        )
        .at(&JUDGES),
    ]
    .concat()
}
