//! Filters that speak the canonical ABI wrongly on purpose: addresses, lengths, discriminants, allocators.

use wit_component::StringEncoding;

use crate::hostile::attack::{Attack, Expected, JUDGES, Kind, LOADING, Point, STAGES};
use crate::hostile::forge::Forge;

const TRAP: Expected = Expected::Failure("trap");
const ID: &str = r#"(import "lazaret:filter/session@0.1.0" "id" (func $id (param i32)))"#;
const LOG: &str = r#"(import "lazaret:filter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
const EARLY: &str =
    r#"(import "lazaret:filter/session@0.1.0" "early-talker" (func $early (result i32)))"#;
/// Octets of `evil@example.com` and of `evil.example.com`: nothing else that the host hands over is as long.
const EVIL: u32 = 16;
/// Octets of a session's id.
const SESSION_ID: u32 = 10;
const SCORE: &str =
    r#"(import "lazaret:filter/score@0.1.0" "add" (func $score (param i32 i32 f64 i32 i32 i32)))"#;

pub(super) fn attacks() -> Vec<Attack> {
    [
        allocators(),
        called_back(),
        after(),
        verdicts(),
        texts(),
        arguments(),
        start(),
    ]
    .concat()
}

/// What the host gets when it asks for room.
fn allocators() -> Vec<Attack> {
    let bodies = [
        (
            "realloc that answers 1",
            "(i32.const 1)",
            Expected::Contained,
        ),
        ("realloc past the end", "(i32.const 0x7fff0000)", TRAP),
        ("realloc at the last octet", "(i32.const -1)", TRAP),
        (
            "realloc that traps",
            "(block (result i32) unreachable)",
            Expected::Failure("unreachable"),
        ),
        (
            "realloc that loops",
            "(block (result i32) (loop $l (br $l)) unreachable)",
            Expected::Failure("CPU time"),
        ),
        (
            "realloc that recurses",
            "(i32.add (i32.const 1) (call $alloc (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
            Expected::Failure("call stack exhausted"),
        ),
        (
            "realloc that always says the same",
            "(i32.const 4096)",
            Expected::Nothing,
        ),
        (
            "realloc over our own verdict",
            "(i32.const 0)",
            Expected::Contained,
        ),
    ];
    let mut all = Vec::new();
    for (name, body, expected) in bodies {
        let told = Forge::new("").realloc_of(EVIL, body);
        all.extend(Kind::forged(name, told, expected.clone()).at(&[Point::Hello, Point::Mail]));
        let asks = Forge::new("(call $id (i32.const 32))")
            .import("session", ID)
            .realloc_of(SESSION_ID, body);
        let name: &'static str = Box::leak(format!("{name}, for an answer").into_boxed_str());
        all.extend(Kind::forged(name, asks, expected).at(&[
            Point::Connect,
            Point::Headers,
            Point::Message,
        ]));
    }
    all
}

/// Exports cannot be called from imports; what an allocator or an afterword may call is nothing.
fn called_back() -> Vec<Attack> {
    let import = |body: &str| {
        Forge::new("(call $id (i32.const 32))")
            .import("session", ID)
            .import("session", EARLY)
            .realloc_of(SESSION_ID, body)
    };
    [
        Kind::forged(
            "realloc that calls the host",
            import("(block (result i32) (drop (call $early)) (i32.const 4096))"),
            TRAP,
        )
        .at(&[Point::Connect, Point::Headers, Point::Message]),
        Kind::forged(
            "afterword that calls the host",
            Forge::new("")
                .import("session", EARLY)
                .after("(drop (call $early))"),
            TRAP,
        )
        .at(&[Point::Connect]),
    ]
    .concat()
}

fn after() -> Vec<Attack> {
    let only = [Point::Connect, Point::Hello, Point::Headers, Point::Message];
    let armed = |body: &str| format!("(if (i32.eq (local.get 0) (i32.const 256)) (then {body}))");
    let says_256 = |body: &str| Forge::new("(return (i32.const 256))").after(&armed(body));
    [
        Kind::forged("afterword that traps", says_256("unreachable"), Expected::Failure("unreachable")).at(&only),
        Kind::forged("afterword that loops", says_256("(loop $l (br $l))"), Expected::Failure("CPU time")).at(&only),
        Kind::forged("afterword that grows", says_256("(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 7)) (i32.const 0)))) unreachable"), Expected::Failure("more memory")).at(&only),
        Kind::forged("afterword that loops", says_256("(loop $l (br $l))"), Expected::Refused("CPU time")).at(&[Point::Configure]),
        Kind::forged("afterword that traps", says_256("unreachable"), Expected::Refused("unreachable")).at(&[Point::Configure]),
    ]
    .concat()
}

/// Addresses and octets of a verdict.
fn verdicts() -> Vec<Attack> {
    let at = |address: &str| Forge::new(format!("(return (i32.const {address}))"));
    let octets = |octets: &str| {
        Forge::new("(return (i32.const 256))").with(&format!("(data (i32.const 256) \"{octets}\")"))
    };
    let kinds = [
        ("verdict at an odd address", at("257"), TRAP),
        ("verdict past the end", at("0x7ffffff0"), TRAP),
        ("verdict at the last octet", at("-4"), TRAP),
        ("verdict half inside", at("65532"), TRAP),
        ("verdict of case 7", octets("\\07"), TRAP),
        ("verdict of case 255", octets("\\ff"), TRAP),
        ("option with tag 2", octets("\\02\\00\\00\\00\\02"), TRAP),
        (
            "option with tag 255",
            octets("\\02\\00\\00\\00\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff"),
            TRAP,
        ),
        (
            "case with rubbish beside it",
            octets("\\00\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff\\ff"),
            Expected::Nothing,
        ),
    ];
    let mut all = Vec::new();
    for (name, forge, expected) in kinds {
        all.extend(Kind::forged(name, forge, expected).at(&JUDGES));
    }
    let result = Kind::forged(
        "result with tag 2",
        octets("\\02"),
        Expected::Refused("configure failed"),
    );
    all.extend(result.at(&[Point::Configure]));
    all
}

/// Reject, without codes, with a text at this address and of this length.
fn reject(address: u32, length: u32) -> Forge {
    let word = |number: u32| {
        number
            .to_le_bytes()
            .iter()
            .map(|octet| format!("\\{octet:02x}"))
            .collect::<String>()
    };
    // The case, then 19 octets of code and enhanced code, then the text's address and length.
    let data = format!(
        "(data (i32.const 256) \"\\02{}{}{}\")",
        "\\00".repeat(19),
        word(address),
        word(length)
    );
    Forge::new("(return (i32.const 256))").with(&data)
}

fn texts() -> Vec<Attack> {
    let bad = |octets: &str| reject(1024, 4).with(&format!("(data (i32.const 1024) \"{octets}\")"));
    let utf16 = |octets: &str, units: u32| {
        reject(1024, units)
            .with(&format!("(data (i32.const 1024) \"{octets}\")"))
            .strings(StringEncoding::UTF16)
    };
    let compact = |length: u32| reject(1024, length).strings(StringEncoding::CompactUTF16);
    let kinds = [
        ("text that wraps around", reject(0xffff_fff0, 0x20), TRAP),
        ("text that ends past the end", reject(65_000, 70_000), TRAP),
        ("text of no UTF-8", bad("\\ff\\fe\\fd\\fc"), TRAP),
        ("text cut in a character", bad("abc\\e4"), TRAP),
        ("text with a surrogate", bad("\\ed\\a0\\80a"), TRAP),
        ("text overlong", bad("\\c0\\8a\\c0\\8d"), TRAP),
        ("UTF-16 with half a pair", utf16("a\\00\\00\\d8", 2), TRAP),
        (
            "UTF-16 of 2 GiB",
            utf16("a\\00", 0x7fff_ffff),
            Expected::FailureOf(&["trap", "handed over"]),
        ),
        (
            "UTF-16 whose length wraps",
            utf16("a\\00", 0x8000_0001),
            Expected::FailureOf(&["trap", "handed over"]),
        ),
        ("Latin-1 of 4 KiB", compact(4096), Expected::Reply("reject")),
        (
            "tagged UTF-16 past the end",
            compact(0x8000_f000),
            Expected::FailureOf(&["trap", "handed over"]),
        ),
        (
            "tagged UTF-16 without end",
            compact(0xffff_ffff),
            Expected::FailureOf(&["trap", "handed over"]),
        ),
    ];
    let mut all = Vec::new();
    for (name, forge, expected) in kinds {
        all.extend(Kind::forged(name, forge, expected).at(&JUDGES));
    }
    all.extend(
        Kind::forged(
            "UTF-16 at an odd address",
            reject(1025, 2).strings(StringEncoding::UTF16),
            TRAP,
        )
        .at(&JUDGES),
    );
    all
}

/// What is handed to imports.
fn arguments() -> Vec<Attack> {
    let log = |level: &str, at: &str, length: &str| {
        Forge::new(format!(
            "(call $log (i32.const {level}) (i32.const {at}) (i32.const {length}))"
        ))
        .import("log", LOG)
    };
    let score = |bits: &str| {
        let call = format!(
            "(call $score (i32.const 1024) (i32.const 4) (f64.reinterpret_i64 (i64.const {bits})) (i32.const 1024) (i32.const 4) (i32.const 32))"
        );
        Forge::new(call)
            .import("score", SCORE)
            .with(r#"(data (i32.const 1024) "NAME")"#)
    };
    let answer =
        |at: &str| Forge::new(format!("(call $id (i32.const {at}))")).import("session", ID);
    let kinds = [
        ("log level 99", log("99", "0", "8"), TRAP),
        ("log line that wraps around", log("1", "-16", "32"), TRAP),
        ("log line past the end", log("1", "65530", "100"), TRAP),
        ("answer to an odd address", answer("33"), TRAP),
        ("answer past the end", answer("0x7ffffff0"), TRAP),
        (
            "score of a signalling NaN",
            score("0x7ff0000000000001"),
            Expected::Nothing,
        ),
        (
            "score of a NaN with a payload",
            score("0xfff8dead_beef0001"),
            Expected::Nothing,
        ),
        (
            "score of minus infinity",
            score("0xfff0000000000000"),
            Expected::Nothing,
        ),
    ];
    let mut all = Vec::new();
    for (name, forge, expected) in kinds {
        all.extend(Kind::forged(name, forge, expected).at(&JUDGES));
    }
    all
}

/// A start function runs before anybody asked.
fn start() -> Vec<Attack> {
    let early = Forge::new("(drop (call $early))").import("session", EARLY);
    let log =
        Forge::new("(call $log (i32.const 1) (i32.const 0) (i32.const 8))").import("log", LOG);
    let trap = Forge::new("unreachable");
    [
        Kind::forged("start that calls the host", early, Expected::Contained).at(&[Point::Start]),
        Kind::forged(
            "start that calls the host with a text",
            log,
            Expected::Refused("uninitialized"),
        )
        .at(&[Point::Start]),
        Kind::forged("trap", trap.clone(), Expected::Refused("unreachable")).at(&LOADING),
        Kind::forged("trap", trap, Expected::Failure("unreachable")).at(&STAGES),
    ]
    .concat()
}
