//! Filters that do not come to an end by themselves.

use crate::hostile::attack::{Attack, Expected, JUDGES, Kind, LOADING, Point, STAGES};
use crate::hostile::forge::Forge;

const TIME: Expected = Expected::Failure("used its CPU time");

/// Of no text, so no memory is needed: the cheapest call there is.
const EARLY: &str =
    r#"(import "lazaret:filter/session@0.1.0" "early-talker" (func $early (result i32)))"#;

/// Runs `body` `times` over.
pub(super) fn repeat(times: u32, body: &str) -> String {
    format!(
        "(local $i i32) (loop $l {body} (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const {times}))))"
    )
}

pub(super) fn attacks() -> Vec<Attack> {
    [
        loops(),
        calls(),
        recursion(),
        long_instructions(),
        waiting(),
    ]
    .concat()
}

fn loops() -> Vec<Attack> {
    let endless = Forge::new("(loop $l (br $l))");
    let spread =
        Forge::new("(local $i i32) (loop $l (local.set $i (call $one (local.get $i))) (br $l))")
            .with("(func $one (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))");
    let tail =
        Forge::new("(return_call $again)").with("(func $again (result i32) (return_call $again))");
    [
        Kind::forged("endless loop", endless.clone(), TIME).at(&STAGES),
        Kind::forged("endless loop", endless, Expected::Refused("CPU time")).at(&LOADING),
        Kind::forged("endless calls", spread, TIME).at(&JUDGES),
        Kind::forged("endless tail calls", tail, TIME).at(&[Point::Mail, Point::Message]),
    ]
    .concat()
}

fn calls() -> Vec<Attack> {
    let many = Forge::new(repeat(10_000_000, "(drop (call $early))")).import("session", EARLY);
    let counted = Kind::forged(
        "ten million host calls, time to spare",
        many.clone(),
        Expected::Failure("more than 1000000 host calls"),
    );
    [
        Kind::forged("ten million host calls", many.clone(), TIME).at(&STAGES),
        counted
            .under("time = \"20s\"\nwall = \"60s\"")
            .at(&[Point::Rcpt]),
        Kind::forged(
            "ten million host calls",
            many,
            Expected::RefusedOf(&["CPU time", "host calls"]),
        )
        .at(&LOADING),
    ]
    .concat()
}

fn recursion() -> Vec<Attack> {
    let exhausted = Expected::Failure("call stack exhausted");
    let direct = Forge::new("(drop (call $deep (i32.const 0)))").with(
        "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))",
    );
    // Frames of 16 KiB each: the fewest calls to the end of the stack.
    let wide = Forge::new("(drop (call $wide (i64.const 1)))").with(&wide_frame());
    let table = Forge::new("(drop (call_indirect (type $f) (i32.const 0)))").with(
        "(type $f (func (result i32))) (table 1 funcref) (elem (i32.const 0) $again)
         (func $again (result i32) (i32.add (call_indirect (type $f) (i32.const 0)) (i32.const 1)))",
    );
    [
        Kind::forged("deep recursion", direct.clone(), exhausted.clone()).at(&STAGES),
        Kind::forged(
            "deep recursion",
            direct,
            Expected::Refused("call stack exhausted"),
        )
        .at(&LOADING),
        Kind::forged("deep recursion, wide frames", wide, exhausted.clone()).at(&JUDGES),
        Kind::forged("deep recursion by table", table, exhausted).at(&JUDGES),
        Kind::told(
            "deep recursion in Rust",
            "do = [{ recurse = 100000000 }]",
            Expected::Failure("trap"),
        )
        // Its way to the end of the stack takes longer than a filter usually may.
        .under("time = \"1s\"")
        .at(&JUDGES),
    ]
    .concat()
}

/// A function with a thousand values alive across its call of itself.
fn wide_frame() -> String {
    use std::fmt::Write;
    let mut text = String::from("(func $wide (param i64) (result i64)");
    for n in 0..1000 {
        let _ = write!(text, "(i64.mul (local.get 0) (i64.const {}))", n + 3);
    }
    text.push_str("(call $wide (local.get 0))");
    text.push_str(&"i64.xor ".repeat(1000));
    text.push(')');
    text
}

/// Instructions that take long each, between two looks at the clock.
fn long_instructions() -> Vec<Attack> {
    let grown = "(drop (memory.grow (i32.const 100)))";
    let fill = format!(
        "{grown} (loop $l (memory.fill (i32.const 65536) (i32.const 7) (i32.const 6500000)) (br $l))"
    );
    let copy = format!(
        "{grown} (loop $l (memory.copy (i32.const 65536) (i32.const 65537) (i32.const 6500000)) (br $l))"
    );
    let table = "(drop (table.grow $t (ref.null func) (i32.const 40000)))
        (loop $l (table.fill $t (i32.const 0) (ref.null func) (i32.const 40000)) (br $l))";
    let table = Forge::new(table).with("(table $t 1 funcref)");
    [
        Kind::forged("endless memory.fill", Forge::new(fill), TIME).at(&JUDGES),
        Kind::forged("endless memory.copy", Forge::new(copy), TIME)
            .at(&[Point::Mail, Point::Message]),
        Kind::forged("endless table.fill", table, TIME).at(&[Point::Mail, Point::Message]),
    ]
    .concat()
}

fn waiting() -> Vec<Attack> {
    let long = Expected::Failure("took longer than");
    Kind::told("sleep", "do = [{ sleep = 60000 }]", long)
        .under("wall = \"500ms\"")
        .at(&STAGES)
}
