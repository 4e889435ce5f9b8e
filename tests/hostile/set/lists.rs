//! Lists without measure, handed to the host. No verdict holds a list, so that none can be returned.

use super::huge::{AMPLE, TOO_MUCH, grown};
use crate::hostile::attack::{Attack, Expected, JUDGES, Kind, Point, STAGES};
use crate::hostile::forge::Forge;

const LOOKUP: &str =
    r#"(import "lazaret:filter/dns@0.1.0" "lookup-all" (func $lookup (param i32 i32 i32)))"#;
const FETCH: &str = r#"(import "lazaret:filter/http@0.1.0" "fetch"
    (func $fetch (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))"#;
const SET: &str =
    r#"(import "lazaret:filter/state@0.1.0" "set" (func $set (param i32 i32 i32 i32 i32 i32)))"#;
const POLL: &str = r#"(import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))"#;
/// More than there is memory, whatever an element is.
const PAST_THE_END: Expected = Expected::FailureOf(&["trap", "handed over"]);
/// Where the list begins: zeros, past all that the host ever asked room for.
const LIST: u32 = 1 << 20;
/// The longest list there can be, in elements.
const ALL: u32 = u32::MAX;

pub(super) fn attacks() -> Vec<Attack> {
    [queries(), fields(), octets(), pollables()].concat()
}

/// Each is an empty name: twelve octets of zeros in the guest, some more in the host.
fn queries() -> Vec<Attack> {
    let asks = |count: u32| {
        let call = format!("(call $lookup (i32.const {LIST}) (i32.const {count}) (i32.const 32))");
        Forge::new(grown(&call)).import("dns", LOOKUP)
    };
    [
        Kind::forged("list of 400,000 queries", asks(400_000), TOO_MUCH).at(&STAGES),
        Kind::forged("list of 4 billion queries", asks(ALL), PAST_THE_END).at(&JUDGES),
        // The host is told all of them, and says that it is too many.
        Kind::forged("list of 20,000 queries", asks(20_000), Expected::Nothing)
            .under(AMPLE)
            .at(&JUDGES),
        Kind::forged(
            "list of 400,000 queries",
            asks(400_000),
            Expected::Refused("handed over more than"),
        )
        .at(&[Point::Configure]),
    ]
    .concat()
}

/// Of a request over HTTP: a name and a value each, sixteen octets of zeros.
fn fields() -> Vec<Attack> {
    let fetches = |fields: u32, octets: u32| {
        let call = format!(
            "(call $fetch (i32.const 64) (i32.const 3) (i32.const 64) (i32.const 3)
                (i32.const {LIST}) (i32.const {fields}) (i32.const 1) (i32.const {LIST}) (i32.const {octets})
                (i32.const 32))"
        );
        Forge::new(grown(&call))
            .import("http", FETCH)
            .with(r#"(data (i32.const 64) "GET")"#)
    };
    [
        Kind::forged("request of 300,000 fields", fetches(300_000, 0), TOO_MUCH).at(&JUDGES),
        Kind::forged("request of 4 billion fields", fetches(ALL, 0), PAST_THE_END).at(&JUDGES),
        Kind::forged(
            "request of 10,000 fields",
            fetches(10_000, 0),
            Expected::Nothing,
        )
        .under(AMPLE)
        .at(&JUDGES),
        Kind::forged("request of 5 MB", fetches(0, 5_000_000), TOO_MUCH).at(&JUDGES),
    ]
    .concat()
}

/// `list<u8>`, which the host copies at once.
fn octets() -> Vec<Attack> {
    let keeps = |length: u32| {
        let call = format!(
            "(call $set (i32.const 64) (i32.const 3) (i32.const {LIST}) (i32.const {length}) (i32.const 60) (i32.const 32))"
        );
        Forge::new(grown(&call))
            .import("state", SET)
            .with(r#"(data (i32.const 64) "key")"#)
    };
    [
        Kind::forged("value of 5 MB", keeps(5_000_000), TOO_MUCH).at(&JUDGES),
        Kind::forged("value of 4 GiB", keeps(ALL), PAST_THE_END).at(&JUDGES),
        Kind::forged("value of 900 KB", keeps(900_000), Expected::Nothing)
            .under(AMPLE)
            .at(&JUDGES),
    ]
    .concat()
}

/// Handles of WASI, none of which there is.
fn pollables() -> Vec<Attack> {
    let polls = |count: u32| {
        let call = format!("(call $poll (i32.const {LIST}) (i32.const {count}) (i32.const 32))");
        Forge::new(grown(&call)).import("wasi:io/poll@0.2.6", POLL)
    };
    [
        Kind::forged("poll of 1,500,000 handles", polls(1_500_000), PAST_THE_END).at(&JUDGES),
        Kind::forged("poll of 4 billion handles", polls(ALL), PAST_THE_END).at(&JUDGES),
        Kind::forged("poll of nothing", polls(0), Expected::Failure("trap")).at(&JUDGES),
    ]
    .concat()
}
