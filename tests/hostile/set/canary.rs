//! Filters that look for what another sandbox left behind: in memory, in tables, in globals.

use crate::hostile::attack::{Attack, Expected, Kind, Point};
use crate::hostile::forge::Forge;

/// What an evil sender's sandbox writes into everything it has, and how it ends.
const ENDS: [(&str, &str); 4] = [
    ("canary left behind", ""),
    ("canary left behind by a trap", "unreachable"),
    ("canary left behind by a loop", "(loop $l (br $l))"),
    (
        "canary left behind by growth",
        "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 1)) (i32.const 0)))) unreachable",
    ),
];

/// Fills 6 MiB, a table and a global.
const WRITE: &str = "(drop (memory.grow (i32.const 100)))
    (memory.fill (i32.const 16384) (i32.const 0xa5) (i32.const 6000000))
    (drop (table.grow $t (ref.func $looks) (i32.const 1000)))
    (global.set $mark (i64.const 0xa5a5a5a5))";

/// Goes through the same and refuses the mail if anything is there. Its own arguments lie between 8192 and 16384.
const LOOKS: &str = "(func $looks (result i32) (local $at i32)
    (drop (memory.grow (i32.const 100)))
    (drop (table.grow $t (ref.null func) (i32.const 1000)))
    (local.set $at (i32.const 16384))
    (loop $l
        (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (return (i32.const 256))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $l (i32.lt_u (local.get $at) (i32.const 6000000))))
    (if (i64.ne (global.get $mark) (i64.const 0)) (then (return (i32.const 256))))
    (if (i32.eqz (ref.is_null (table.get $t (i32.const 500)))) (then (return (i32.const 256))))
    (i32.const 16))";

/// At mail: evil mail writes and then ends one way or the other; other mail looks, and is refused if it finds a trace.
pub fn attacks() -> Vec<Attack> {
    let mut all = Vec::new();
    for (name, end) in ENDS {
        let forge = Forge::new(format!("{WRITE} {end}"))
            .with("(table $t 1 funcref) (elem declare func $looks) (global $mark (mut i64) (i64.const 0))")
            .with(r#"(data (i32.const 256) "\02")"#)
            .with(LOOKS)
            .otherwise("(return (call $looks))");
        let expected = match name {
            "canary left behind" => Expected::Nothing,
            _ => Expected::FailureOf(&["unreachable", "CPU time", "more memory"]),
        };
        all.extend(
            Kind::forged(name, forge, expected)
                .under("time = \"100ms\"")
                .at(&[Point::Mail]),
        );
    }
    all
}
