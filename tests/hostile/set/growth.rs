//! Filters that want more than they were given.

use super::endless::repeat;
use crate::hostile::attack::{Attack, Expected, JUDGES, Kind, LOADING, Point, STAGES};
use crate::hostile::forge::Forge;

const MEMORY: Expected = Expected::Failure("wanted more memory than 8388608 octets");

pub(super) fn attacks() -> Vec<Attack> {
    [memory(), tables(), allocator()].concat()
}

fn memory() -> Vec<Attack> {
    let insist = Forge::new(
        "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 7)) (i32.const 0)))) unreachable",
    );
    let at_once = Forge::new(
        "(if (i32.lt_s (memory.grow (i32.const 65535)) (i32.const 0)) (then unreachable))",
    );
    let content = Forge::new("(drop (memory.grow (i32.const 65535)))");
    let again = Forge::new(repeat(1_000_000, "(drop (memory.grow (i32.const 1000)))"));
    let to_the_limit = Forge::new(format!(
        "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) {}",
        "(memory.fill (i32.const 0) (i32.const 0) (i32.mul (memory.size) (i32.const 65536)))"
    ));
    let two = Forge::new(
        "(if (i32.lt_s (memory.grow $other (i32.const 126)) (i32.const 0)) (then unreachable))
        (if (i32.lt_s (memory.grow $other (i32.const 126)) (i32.const 0)) (then unreachable))",
    )
    .with("(memory $other 1)");
    [
        Kind::forged("memory growth", insist.clone(), MEMORY).at(&STAGES),
        Kind::forged(
            "memory growth",
            insist,
            Expected::Refused("more memory than 8388608 octets"),
        )
        .at(&LOADING),
        Kind::forged("memory growth at once", at_once, MEMORY).at(&JUDGES),
        Kind::forged(
            "memory growth, content with none",
            content,
            Expected::Nothing,
        )
        .at(&JUDGES),
        Kind::forged(
            "memory growth, asked a million times",
            again,
            Expected::FailureOf(&["CPU time"]),
        )
        .at(&[Point::Rcpt]),
        Kind::forged(
            "memory growth to the whole limit",
            to_the_limit.clone(),
            Expected::Nothing,
        )
        .at(&STAGES),
        Kind::forged(
            "memory growth to the whole limit",
            to_the_limit,
            Expected::Contained,
        )
        .at(&LOADING),
        Kind::forged("memory growth, two memories", two, MEMORY).at(&[Point::Mail, Point::Message]),
        // To touch all of it takes its time.
        Kind::told("memory growth in Rust", "do = [{ grow = 1000 }]", MEMORY)
            .under("time = \"500ms\"")
            .at(&JUDGES),
    ]
    .concat()
}

fn tables() -> Vec<Attack> {
    let elements = "more than 50000 table elements";
    let one = Forge::new("(loop $l (br_if $l (i32.ge_s (table.grow $t (ref.null func) (i32.const 1000)) (i32.const 0)))) unreachable")
        .with("(table $t 1 funcref)");
    let four = "(loop $l (br_if $l (i32.and
            (i32.ge_s (table.grow $a (ref.null func) (i32.const 500)) (i32.const 0))
            (i32.ge_s (table.grow $b (ref.null func) (i32.const 500)) (i32.const 0))))) unreachable";
    let four = Forge::new(four).with("(table $a 1 funcref) (table $b 1 funcref)");
    [
        Kind::forged("table growth", one.clone(), Expected::Failure(elements)).at(&STAGES),
        Kind::forged("table growth", one, Expected::Refused(elements)).at(&LOADING),
        Kind::forged(
            "table growth, two tables",
            four,
            Expected::Failure(elements),
        )
        .at(&[Point::Mail, Point::Message]),
    ]
    .concat()
}

/// The allocator that the host calls when it hands over a text.
fn allocator() -> Vec<Attack> {
    let grows = Forge::new("").realloc_of(
        16,
        "(block (result i32) (loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 7)) (i32.const 0)))) unreachable)",
    );
    Kind::forged("memory growth in realloc", grows, MEMORY).at(&[Point::Hello, Point::Mail])
}
