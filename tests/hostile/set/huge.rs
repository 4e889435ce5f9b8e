//! Texts without measure: returned, and handed to the host.

use crate::hostile::attack::{Attack, Expected, JUDGES, Kind, Point, STAGES};
use crate::hostile::forge::Forge;

const LOG: &str = r#"(import "lazaret:filter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
pub(super) const TOO_MUCH: Expected =
    Expected::Failure("handed over more than 1048576 octets at once");
/// A filter of Rust needs some milliseconds for a million octets.
pub(super) const AMPLE: &str = "time = \"500ms\"\nmemory = \"32 MiB\"";

/// Grows to 7 MiB first, so that the text is inside.
pub(super) fn grown(then: &str) -> String {
    format!("(if (i32.lt_s (memory.grow (i32.const 110)) (i32.const 0)) (then unreachable)) {then}")
}

/// A verdict at 256, by its octets: case, code, enhanced, then address and length of the text.
fn text_of(case: u8, length: u32) -> String {
    let length: String = length
        .to_le_bytes()
        .iter()
        .map(|octet| format!("\\{octet:02x}"))
        .collect();
    // Of quarantine the string comes at once.
    let place = if case == 5 {
        "\\00\\00\\00\\00".to_owned()
    } else {
        "\\00".repeat(20)
    };
    format!("(data (i32.const 256) \"\\{case:02x}\\00\\00\\00{place}{length}\")")
}

fn says(case: u8, length: u32) -> Forge {
    Forge::new(grown("(return (i32.const 256))")).with(&text_of(case, length))
}

pub(super) fn attacks() -> Vec<Attack> {
    [returned(), handed_over(), quarantine_reason(), complaint()].concat()
}

fn returned() -> Vec<Attack> {
    [
        Kind::forged("reply of 5 MiB", says(2, 5 << 20), TOO_MUCH).at(&JUDGES),
        Kind::forged(
            "reply of 4 GiB",
            says(2, u32::MAX),
            Expected::FailureOf(&["trap", "handed over"]),
        )
        .at(&JUDGES),
        // Octets of the guest's memory, NUL for the most part.
        Kind::forged(
            "reply of 900 KiB of NUL",
            says(2, 900 << 10),
            Expected::Reply("reject"),
        )
        .at(&JUDGES),
        Kind::told(
            "reply of a million letters",
            "reject = \"{huge:1000000}\"",
            Expected::Reply("reject"),
        )
        .under(AMPLE)
        .at(&JUDGES),
        Kind::told(
            "reply of 50 MB",
            "reject = \"{huge:50000000}\"",
            Expected::Failure("more memory"),
        )
        .under(AMPLE)
        .at(&JUDGES),
    ]
    .concat()
}

fn quarantine_reason() -> Vec<Attack> {
    let granted = "verdicts = [\"quarantine\"]";
    [
        Kind::forged("reason of 5 MiB", says(5, 5 << 20), TOO_MUCH)
            .under(granted)
            .at(&JUDGES),
        Kind::told(
            "reason of a million letters",
            "quarantine = \"{huge:1000000}\"",
            Expected::Reply("quarantine"),
        )
        .under("verdicts = [\"quarantine\"]\ntime = \"500ms\"\nmemory = \"32 MiB\"")
        .at(&[Point::Mail, Point::Headers, Point::Message]),
    ]
    .concat()
}

fn handed_over() -> Vec<Attack> {
    let log = Forge::new(grown(
        "(call $log (i32.const 1) (i32.const 0) (i32.const 5000000))",
    ))
    .import("log", LOG);
    let add = r#"(import "lazaret:filter/edit-headers@0.1.0" "add" (func $add (param i32 i32 i32 i32 i32)))"#;
    let value = Forge::new(grown("(call $add (i32.const 64) (i32.const 6) (i32.const 4096) (i32.const 5000000) (i32.const 32))"))
        .import("edit-headers", add)
        .with(r#"(data (i32.const 64) "X-Huge")"#);
    let name = Forge::new(grown("(call $add (i32.const 4096) (i32.const 5000000) (i32.const 64) (i32.const 6) (i32.const 32))"))
        .import("edit-headers", add);
    let refused = |deed: &str| format!("do = [{deed}]");
    let within = [Point::Headers, Point::Message];
    [
        Kind::forged("log line of 5 MB", log, TOO_MUCH).at(&STAGES),
        Kind::forged("field value of 5 MB", value, TOO_MUCH).at(&JUDGES),
        Kind::forged("field name of 5 MB", name, TOO_MUCH).at(&JUDGES),
        Kind::told(
            "log line of a million letters",
            refused("{ log = [\"warn\", \"{huge:1000000}\"] }"),
            Expected::Nothing,
        )
        .under(AMPLE)
        .at(&JUDGES),
        Kind::told(
            "field of a million letters",
            refused("{ add = [\"X-Huge\", \"{huge:1000000}\"] }"),
            Expected::Nothing,
        )
        .under(AMPLE)
        .at(&within),
        Kind::told(
            "field of 100000 letters",
            refused("{ add = [\"X-Huge\", \"{huge:100000}\"] }"),
            Expected::Contained,
        )
        .under(AMPLE)
        .at(&within),
        Kind::told(
            "note of a million letters",
            refused("{ note = [\"connection\", \"k\", \"{huge:1000000}\"] }"),
            Expected::Nothing,
        )
        .under(AMPLE)
        .at(&JUDGES),
        Kind::told(
            "score with a million letters",
            refused("{ score = [\"S\", 1.0, \"{huge:1000000}\"] }"),
            Expected::Nothing,
        )
        .under(AMPLE)
        .at(&JUDGES),
    ]
    .concat()
}

/// What `configure` says to the operator.
fn complaint() -> Vec<Attack> {
    // result: case 1 at 256, then address 4096 and the length.
    let err = |length: u32| {
        let length: String = length
            .to_le_bytes()
            .iter()
            .map(|octet| format!("\\{octet:02x}"))
            .collect();
        Forge::new(grown("(return (i32.const 256))")).with(&format!(
            "(data (i32.const 256) \"\\01\\00\\00\\00\\00\\10\\00\\00{length}\")"
        ))
    };
    [
        Kind::forged(
            "configure error of 5 MiB",
            err(5 << 20),
            Expected::Refused("handed over more than"),
        )
        .at(&[Point::Configure]),
        Kind::forged(
            "configure error of 900 KiB",
            err(900 << 10),
            Expected::Refused("configure says: "),
        )
        .at(&[Point::Configure]),
        Kind::forged(
            "configure error past the end",
            err(u32::MAX),
            Expected::Refused("configure failed"),
        )
        .at(&[Point::Configure]),
    ]
    .concat()
}
