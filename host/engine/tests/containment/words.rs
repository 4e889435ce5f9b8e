//! What a failure tells: which trap, where, and the last words.

use lazaret_mail::{Ask, FailureKind, Policy};

use super::kit::{all_granted, ask_connect, at_connect, engine, load, question};
use super::{LOOP, fails, short};

#[tokio::test]
async fn a_trap_says_which() {
    let trap = |body: &str| at_connect("", "", body);
    let failure = fails(&trap("unreachable"), all_granted()).await;
    assert_eq!(
        failure.kind,
        FailureKind::Trap("wasm `unreachable` instruction executed".into())
    );
    let failure = fails(
        &trap("(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        all_granted(),
    )
    .await;
    assert_eq!(
        failure.kind,
        FailureKind::Trap("integer divide by zero".into())
    );
    let failure = fails(&trap("(drop (i32.load (i32.const -4)))"), all_granted()).await;
    assert_eq!(
        failure.kind,
        FailureKind::Trap("out of bounds memory access".into())
    );
}

const STDERR: &str = r#"
    (import "wasi:cli/stderr@0.2.6" "get-stderr" (func $stderr (result i32)))
    (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
    (data (i32.const 512) "panicked at src/lib.rs:\0aindex out of \1b[31mbounds\0a")"#;

#[tokio::test]
async fn a_trap_tells_the_last_words() {
    let imports = "import wasi:cli/stderr@0.2.6; import wasi:io/streams@0.2.6;";
    let body =
        "(call $write (call $stderr) (i32.const 512) (i32.const 48) (i32.const 32)) unreachable";
    let failure = fails(&at_connect(imports, STDERR, body), all_granted()).await;
    let expected = "wasm `unreachable` instruction executed: index out of \\u{1b}[31mbounds";
    assert_eq!(failure.kind, FailureKind::Trap(expected.into()));
}

/// Two functions by name, the inner of which fails.
fn named(fails: &str) -> Vec<u8> {
    let module =
        format!("(func $inner (param i32) {fails}) (func $outer (call $inner (i32.const 0)))");
    at_connect("", &module, "(call $outer)")
}

#[tokio::test]
async fn a_failure_says_where_the_filter_was() {
    for (fails, policy) in [
        ("unreachable", all_granted()),
        (LOOP, short()),
        (
            "(drop (memory.grow (i32.const 9999))) unreachable",
            all_granted(),
        ),
    ] {
        let failure = self::fails(&named(fails), policy).await;
        let trace = &failure.clues.backtrace;
        assert!(trace[0].starts_with("inner +0x"), "{trace:?}");
        assert!(trace[1].starts_with("outer +0x"), "{trace:?}");
    }
}

/// A line program of DWARF 4 that gives each octet of the first 200 of the code a line of its own in `src/guest.c`.
fn lines() -> String {
    let files = "\\01\\01\\01\\01\\01\\0d\\00\\01\\01\\01\\01\\00\\00\\00\\01\\00\\00\\01src\\00\\00guest.c\\00\\01\\00\\00\\00";
    let code = format!(
        "\\00\\05\\02\\02\\00\\00\\00\\01{}\\00\\01\\01",
        "\\0e".repeat(200)
    );
    let header = "\\04\\00\\23\\00\\00\\00";
    // 6 octets of header, 35 of files, 8 and 200 and 3 of code
    format!("(@custom \".debug_line\" \"\\fc\\00\\00\\00{header}{files}{code}\")")
}

/// The number behind `after`, in that radix.
fn number(text: &str, after: &str, radix: u32) -> i64 {
    let (_, digits) = text
        .split_once(after)
        .unwrap_or_else(|| panic!("no {after} in {text}"));
    i64::from_str_radix(digits, radix).unwrap()
}

#[tokio::test]
async fn a_filter_built_with_lines_says_at_which_it_was() {
    let module = "(func $inner (param i32) unreachable) (func $outer (call $inner (i32.const 0)))";
    let with = format!("{module} {}", lines());
    let trace = |module: String| async move {
        let wasm = at_connect("", &module, "(call $outer)");
        let mut failure = fails(&wasm, all_granted()).await;
        // A machine that stands still in between is taken for the guest's own time, and stops it elsewhere.
        while matches!(failure.kind, FailureKind::Time(_)) {
            failure = fails(&wasm, all_granted()).await;
        }
        failure.clues.backtrace
    };
    let (plain, lines) = (trace(module.to_owned()).await, trace(with).await);
    let place = |function: usize| number(&lines[function], " at src/guest.c:", 10);
    let octet = |function: usize| number(&plain[function], " +0x", 16);
    assert!(
        lines[0].starts_with("inner at ") && lines[1].starts_with("outer at "),
        "{lines:?}"
    );
    // Each octet is a line: lines are as far from each other as the instructions are.
    assert_eq!(
        place(0) - place(1),
        octet(0) - octet(1),
        "{plain:?} {lines:?}"
    );
}

#[tokio::test]
async fn a_memory_failure_says_how_much_was_held_and_wanted() {
    let policy = Policy {
        memory: 1 << 20,
        ..all_granted()
    };
    let grow = "(drop (memory.grow (i32.const 16))) unreachable";
    let failure = fails(&named(grow), policy).await;
    assert_eq!(failure.kind, FailureKind::Memory(1 << 20));
    assert_eq!(
        failure.clues.detail.as_deref(),
        Some("it held 65536 octets and wanted 1048576 more")
    );
}

#[tokio::test]
async fn a_failure_tells_the_last_lines_of_stderr() {
    let imports = "import wasi:cli/stderr@0.2.6; import wasi:io/streams@0.2.6;";
    let body =
        "(call $write (call $stderr) (i32.const 512) (i32.const 49) (i32.const 32)) unreachable";
    let failure = fails(&at_connect(imports, STDERR, body), all_granted()).await;
    let lines = ["panicked at src/lib.rs:", "index out of \\u{1b}[31mbounds"];
    assert_eq!(failure.clues.stderr, lines);
}

/// Formatting it costs us time, and writing it room in the log.
#[tokio::test]
async fn a_filter_that_fails_often_leaves_few_backtraces() {
    let engine = engine();
    let filter = load(&engine, &named("unreachable"), all_granted())
        .await
        .unwrap();
    let mut traces = 0;
    for _ in 0..100 {
        let failure = filter.fork().ask(question(Ask::Connect)).await.unwrap_err();
        traces += u32::from(!failure.clues.backtrace.is_empty());
    }
    assert_eq!(traces, 10);
}

#[tokio::test]
async fn a_flood_on_stderr_is_dropped_and_counted() {
    let imports = "import wasi:cli/stderr@0.2.6; import wasi:io/streams@0.2.6;";
    let body = "(local $i i32) (local $stream i32) (local.set $stream (call $stderr))
        (loop $l (call $write (local.get $stream) (i32.const 512) (i32.const 49) (i32.const 32))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))";
    let answer = ask_connect(&at_connect(imports, STDERR, body), all_granted())
        .await
        .unwrap();
    assert_eq!(answer.effects.dropped, 1900);
}

/// `check-write` allows 4096 octets. More at once would keep the host at work for long, between two looks.
#[tokio::test]
async fn more_on_stderr_than_is_allowed_at_once_is_stopped() {
    let imports = "import wasi:cli/stderr@0.2.6; import wasi:io/streams@0.2.6;";
    let stderr = STDERR.replace("blocking-write-and-flush", "write");
    let write = |octets: u32| {
        let body = format!(
            "(if (i32.lt_s (memory.grow (i32.const 20)) (i32.const 0)) (then unreachable))
            (memory.fill (i32.const 65536) (i32.const 10) (i32.const {octets}))
            (call $write (call $stderr) (i32.const 65536) (i32.const {octets}) (i32.const 32))"
        );
        at_connect(imports, &stderr, &body)
    };
    ask_connect(&write(4096), all_granted()).await.unwrap();
    for octets in [4097, 1 << 20] {
        let failure = fails(&write(octets), all_granted()).await;
        let words = failure.kind.to_string();
        assert!(words.contains("more octets than"), "{octets}: {words}");
    }
}
