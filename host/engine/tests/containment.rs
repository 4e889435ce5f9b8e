//! Hostile guests: each is stopped at its own limit, says which, and costs nothing but that.
#![allow(clippy::unwrap_used)]

mod kit;

use std::time::{Duration, Instant};

use kit::{all_granted, ask_connect, at_connect, component, engine, engine_with, load, question};
use lazaret_engine::{Allocation, CallLimits, Engine, EngineSettings};
use lazaret_mail::{Ask, Failure, FailureKind, Filter, Policy, Sandbox, Verdict};

/// 50 ms of CPU, 2 s of real time.
fn short() -> Policy {
    Policy {
        time: Duration::from_millis(50),
        wall: Duration::from_secs(2),
        ..all_granted()
    }
}

async fn fails(wasm: &[u8], policy: Policy) -> Failure {
    ask_connect(wasm, policy).await.unwrap_err()
}

const LOOP: &str = "(loop $l (br $l))";

#[tokio::test]
async fn a_loop_ends_at_its_cpu_time() {
    let failure = fails(&at_connect("", "", LOOP), short()).await;
    assert_eq!(failure.kind, FailureKind::Time(Duration::from_millis(50)));
    assert!(
        failure.cpu >= Duration::from_millis(50),
        "{:?}",
        failure.cpu
    );
    assert!(
        failure.cpu < Duration::from_millis(100),
        "{:?}",
        failure.cpu
    );
    assert_eq!(
        (&*failure.filter, failure.stage.name()),
        ("guest", "connect")
    );
}

#[tokio::test(flavor = "current_thread")]
async fn a_loop_lets_others_run_on_its_thread() {
    let engine = engine();
    let filter = load(&engine, &at_connect("", "", LOOP), short())
        .await
        .unwrap();
    let hostile = tokio::spawn(async move { filter.fork().ask(question(Ask::Connect)).await });
    let mut turns = 0;
    while !hostile.is_finished() {
        tokio::task::yield_now().await;
        turns += 1;
    }
    assert!(
        turns >= 5,
        "{turns} turns in 50 ms of CPU with a tick of 1 ms"
    );
    assert!(hostile.await.unwrap().is_err());
}

#[tokio::test]
async fn two_loops_on_one_thread_each_get_their_cpu_time() {
    let engine = engine();
    let filter = load(&engine, &at_connect("", "", LOOP), short())
        .await
        .unwrap();
    let (mut one, mut two) = (filter.fork(), filter.fork());
    let (one, two) = tokio::join!(
        one.ask(question(Ask::Connect)),
        two.ask(question(Ask::Connect))
    );
    for failure in [one.unwrap_err(), two.unwrap_err()] {
        assert_eq!(failure.kind, FailureKind::Time(Duration::from_millis(50)));
        assert!(
            failure.cpu >= Duration::from_millis(50),
            "cut short: {:?}",
            failure.cpu
        );
        assert!(
            failure.cpu < Duration::from_millis(100),
            "{:?}",
            failure.cpu
        );
    }
}

#[tokio::test]
async fn a_loop_with_cpu_to_spare_ends_at_the_wall() {
    let engine = engine();
    let policy = Policy {
        wall: Duration::from_millis(100),
        time: Duration::from_secs(60),
        ..all_granted()
    };
    let filter = load(&engine, &at_connect("", "", LOOP), policy)
        .await
        .unwrap();
    let started = Instant::now();
    let failure = filter.fork().ask(question(Ask::Connect)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Wall(Duration::from_millis(100)));
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn sleeping_ends_at_the_wall_and_costs_no_cpu() {
    let imports = "import wasi:clocks/monotonic-clock@0.2.6; import wasi:io/poll@0.2.6;";
    let module = r#"
        (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $after (param i64) (result i32)))
        (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))"#;
    let body = "(call $block (call $after (i64.const 3600000000000)))";
    let policy = Policy {
        wall: Duration::from_millis(100),
        ..all_granted()
    };
    let failure = fails(&at_connect(imports, module, body), policy).await;
    assert_eq!(failure.kind, FailureKind::Wall(Duration::from_millis(100)));
    assert!(failure.cpu < Duration::from_millis(50), "{:?}", failure.cpu);
}

#[tokio::test]
async fn a_memory_bomb_ends_at_its_memory() {
    let body =
        "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable";
    let policy = Policy {
        memory: 4 << 20,
        ..all_granted()
    };
    let failure = fails(&at_connect("", "", body), policy).await;
    assert_eq!(failure.kind, FailureKind::Memory(4 << 20));
}

#[tokio::test]
async fn a_guest_that_lives_with_refused_memory_may_go_on() {
    let body = "(drop (memory.grow (i32.const 10000)))";
    let answer = ask_connect(&at_connect("", "", body), all_granted())
        .await
        .unwrap();
    assert_eq!(answer.verdict, Verdict::Continue);
    assert_eq!(answer.effects.memory, 65536);
}

#[tokio::test]
async fn a_table_bomb_ends_at_its_elements() {
    let module = "(table $t 1 funcref)";
    let body = "(loop $l (br_if $l (i32.ge_s (table.grow $t (ref.null func) (i32.const 1000)) (i32.const 0)))) unreachable";
    let failure = fails(&at_connect("", module, body), all_granted()).await;
    assert_eq!(
        failure.kind,
        FailureKind::Limit("more than 50000 table elements".into())
    );
}

#[tokio::test]
async fn endless_recursion_traps() {
    let module =
        "(func $deep (param i32) (result i32) (i32.add (call $deep (local.get 0)) (i32.const 1)))";
    let failure = fails(
        &at_connect("", module, "(drop (call $deep (i32.const 0)))"),
        all_granted(),
    )
    .await;
    assert_eq!(
        failure.kind,
        FailureKind::Trap("call stack exhausted".into())
    );
}

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
        let failure = fails(&at_connect("", &module, "(call $outer)"), all_granted()).await;
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

#[tokio::test]
async fn after_a_failure_it_is_not_asked_again() {
    let engine = engine();
    let filter = load(&engine, &at_connect("", "", "unreachable"), all_granted())
        .await
        .unwrap();
    let mut sandbox = filter.fork();
    assert!(matches!(
        sandbox.ask(question(Ask::Connect)).await.unwrap_err().kind,
        FailureKind::Trap(_)
    ));
    assert_eq!(engine.free_slots(), 8, "the store was dropped");
    assert!(matches!(
        sandbox.ask(question(Ask::Connect)).await.unwrap_err().kind,
        FailureKind::Internal(_)
    ));
}

#[tokio::test]
async fn a_cancelled_question_drops_the_store() {
    let engine = engine();
    let policy = Policy {
        time: Duration::from_secs(60),
        ..all_granted()
    };
    let filter = load(&engine, &at_connect("", "", LOOP), policy)
        .await
        .unwrap();
    let mut sandbox = filter.fork();
    let asked = sandbox.ask(question(Ask::Connect));
    assert!(
        tokio::time::timeout(Duration::from_millis(50), asked)
            .await
            .is_err()
    );
    // It ran on another thread, which looks up at its next tick.
    let gone = async {
        while engine.free_slots() < 8 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let gone = tokio::time::timeout(Duration::from_secs(5), gone).await;
    gone.expect("the store was dropped");
    assert!(matches!(
        sandbox.ask(question(Ask::Connect)).await.unwrap_err().kind,
        FailureKind::Internal(_)
    ));
}

/// `reject` with a text of this many octets, at an address in bounds or not.
fn rejects(octets: u32) -> Vec<u8> {
    let text = octets
        .to_le_bytes()
        .map(|octet| format!("\\{octet:02x}"))
        .concat();
    let data = format!(
        // verdict at 256: case 2; code none; enhanced none; text at 0
        r#"(data (i32.const 256) "\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00{text}")"#
    );
    component(
        "export lazaret:filter/on-connect@0.1.0;",
        &format!(
            r#"{data} (func (export "lazaret:filter/on-connect@0.1.0#connect") (result i32)
            (if (i32.eq (memory.grow (i32.const 600)) (i32.const -1)) (then unreachable)) (i32.const 256))"#
        ),
    )
}

#[tokio::test]
async fn a_huge_reply_is_refused_before_it_is_copied() {
    for octets in [2 << 20, 30 << 20] {
        let failure = fails(&rejects(octets), all_granted()).await;
        let expected = "handed over more than 1048576 octets at once";
        assert_eq!(failure.kind, FailureKind::Limit(expected.into()));
    }
}

#[tokio::test]
async fn a_reply_past_the_end_of_memory_is_refused() {
    let failure = fails(&rejects(u32::MAX), all_granted()).await;
    assert!(
        matches!(&failure.kind, FailureKind::Trap(_) | FailureKind::Limit(_)),
        "{failure}"
    );
}

#[tokio::test]
async fn a_long_reply_is_cut() {
    let answer = ask_connect(&rejects(0x10101), all_granted()).await.unwrap();
    let Verdict::Reject(reply) = answer.verdict else {
        panic!("{:?}", answer.verdict)
    };
    assert_eq!(reply.text.len(), 2048);
}

#[tokio::test]
async fn an_impossible_verdict_is_refused() {
    let wasm = at_connect("", r#"(data (i32.const 16) "\63")"#, "");
    assert!(matches!(
        fails(&wasm, all_granted()).await.kind,
        FailureKind::Trap(_)
    ));
}

const LOG: &str = r#"(import "lazaret:filter/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;

/// Writes a line `times` over.
fn logs(times: u32) -> Vec<u8> {
    let body = format!(
        "(local $i i32) (loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 8))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (i32.const {times}))))"
    );
    at_connect("import lazaret:filter/log@0.1.0;", LOG, &body)
}

#[tokio::test]
async fn a_log_flood_is_dropped_and_counted() {
    let answer = ask_connect(&logs(10_000), all_granted()).await.unwrap();
    assert_eq!(answer.effects.dropped, 9_900);
}

#[tokio::test]
async fn ten_million_host_calls_end_at_the_first_million() {
    let policy = Policy {
        time: Duration::from_secs(30),
        wall: Duration::from_secs(60),
        ..all_granted()
    };
    let failure = fails(&logs(10_000_000), policy).await;
    assert_eq!(
        failure.kind,
        FailureKind::Limit("more than 1000000 host calls".into())
    );
}

#[tokio::test]
async fn host_calls_cost_the_guest_its_cpu_time() {
    let failure = fails(&logs(u32::MAX), short()).await;
    assert!(
        matches!(failure.kind, FailureKind::Time(_) | FailureKind::Limit(_)),
        "{failure}"
    );
    assert!(
        failure.cpu < Duration::from_millis(120),
        "{:?}",
        failure.cpu
    );
}

#[tokio::test]
async fn a_huge_argument_is_refused_before_it_is_copied() {
    let body = "(if (i32.eq (memory.grow (i32.const 600)) (i32.const -1)) (then unreachable))
        (call $log (i32.const 1) (i32.const 0) (i32.const 30000000))";
    let wasm = at_connect("import lazaret:filter/log@0.1.0;", LOG, body);
    let expected = "handed over more than 1048576 octets at once";
    assert_eq!(
        fails(&wasm, all_granted()).await.kind,
        FailureKind::Limit(expected.into())
    );
}

#[tokio::test]
async fn an_argument_that_is_no_utf8_is_refused() {
    let module = format!(r#"{LOG} (data (i32.const 64) "\ff\ff\ff\ff")"#);
    let body = "(call $log (i32.const 1) (i32.const 64) (i32.const 4))";
    let wasm = at_connect("import lazaret:filter/log@0.1.0;", &module, body);
    assert!(matches!(
        fails(&wasm, all_granted()).await.kind,
        FailureKind::Trap(_)
    ));
}

#[tokio::test]
async fn reads_without_end_are_stopped_where_they_cannot_be_refused() {
    let engine = engine_with(EngineSettings {
        call: CallLimits {
            read: 10_000,
            ..CallLimits::default()
        },
        ..EngineSettings::default()
    });
    let module = r#"(import "lazaret:filter/headers@0.1.0" "all" (func $all (param i32)))"#;
    let body = "(local $i i32) (loop $l (global.set $next (i32.const 8192)) (call $all (i32.const 32)) (br $l))";
    let wasm = kit::at_message("import lazaret:filter/headers@0.1.0;", module, body);
    let filter = load(&engine, &wasm, all_granted()).await.unwrap();
    let failure = filter.fork().ask(question(Ask::Message)).await.unwrap_err();
    assert_eq!(
        failure.kind,
        FailureKind::Limit("more than 10000 octets read".into())
    );
}

#[tokio::test]
async fn calling_exit_is_a_failure() {
    let module = r#"(import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))"#;
    for status in [0, 1] {
        let body = format!("(call $exit (i32.const {status}))");
        let wasm = at_connect("import wasi:cli/exit@0.2.6;", module, &body);
        let expected = format!("called wasi:cli/exit with {status}");
        assert_eq!(
            fails(&wasm, all_granted()).await.kind,
            FailureKind::Trap(expected)
        );
    }
}

#[tokio::test]
async fn randomness_of_wasi_is_capped() {
    let module =
        r#"(import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))"#;
    let body = "(call $random (i64.const 0x7fffffffffff) (i32.const 32))";
    let wasm = at_connect("import wasi:random/random@0.2.6;", module, body);
    assert!(matches!(
        fails(&wasm, all_granted()).await.kind,
        FailureKind::Trap(_)
    ));
}

#[tokio::test]
async fn each_sandbox_is_fresh() {
    // Rejects at its second question, by a counter in memory.
    let module = "(global $asked (mut i32) (i32.const 0)) (data (i32.const 256) \"\\04\")";
    let body = "(global.set $asked (i32.add (global.get $asked) (i32.const 1)))
        (if (i32.gt_u (global.get $asked) (i32.const 1)) (then (return (i32.const 256))))";
    let engine = engine();
    let filter = load(&engine, &at_connect("", module, body), all_granted())
        .await
        .unwrap();
    let mut sandbox = filter.fork();
    let first = sandbox.ask(question(Ask::Connect)).await.unwrap();
    let second = sandbox.ask(question(Ask::Connect)).await.unwrap();
    assert_eq!(
        (first.verdict, second.verdict),
        (Verdict::Continue, Verdict::Discard)
    );
    let other = filter.fork().ask(question(Ask::Connect)).await.unwrap();
    assert_eq!(other.verdict, Verdict::Continue);
}

#[tokio::test]
async fn each_sandbox_is_configured_and_no_answer_pays_for_it() {
    let module = r#"(global $configured (mut i32) (i32.const 0)) (data (i32.const 256) "\04")
        (func (export "configure") (param i32 i32) (result i32)
            (local $i i32)
            (loop $l (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const 30000000))))
            (global.set $configured (local.get 1)) (i32.const 32))
        (func (export "lazaret:filter/on-connect@0.1.0#connect") (result i32)
            (if (i32.eq (global.get $configured) (i32.const 7)) (then (return (i32.const 256))))
            (i32.const 16))"#;
    let world = "export lazaret:filter/on-connect@0.1.0; export configure: func(config: string) -> result<_, string>;";
    let policy = Policy {
        config: r#"{"a":1}"#.into(),
        ..all_granted()
    };
    let engine = engine();
    let filter = load(&engine, &component(world, module), policy)
        .await
        .unwrap();
    let mut sandbox = filter.fork();
    let first = sandbox.ask(question(Ask::Connect)).await.unwrap();
    let second = sandbox.ask(question(Ask::Connect)).await.unwrap();
    assert_eq!(
        (first.verdict, second.verdict),
        (Verdict::Discard, Verdict::Discard)
    );
    let cpu = first.effects.cpu;
    assert!(
        cpu < Duration::from_millis(10),
        "{cpu:?} for 30 million turns"
    );
}

#[tokio::test]
async fn a_size_buys_cpu_time_at_message_only() {
    let policy = Policy {
        time_per_mib: Duration::from_secs(10_000),
        // What is measured is CPU, however long others make it wait.
        wall: Duration::from_secs(120),
        ..short()
    };
    // 25 octets at 10,000 s a MiB buy about 240 ms.
    let wasm = kit::at_message("", "", LOOP);
    let engine = engine();
    let filter = load(&engine, &wasm, policy.clone()).await.unwrap();
    let failure = filter.fork().ask(question(Ask::Message)).await.unwrap_err();
    assert!(
        matches!(failure.kind, FailureKind::Time(time) if time > Duration::from_millis(200)),
        "{failure}"
    );
    let failure = fails(&at_connect("", "", LOOP), policy).await;
    assert_eq!(failure.kind, FailureKind::Time(Duration::from_millis(50)));
}

/// Eight sandboxes, all there are, each between two questions.
async fn all_taken(filter: &dyn Filter) -> Vec<Box<dyn Sandbox>> {
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut sandbox = filter.fork();
        sandbox.ask(question(Ask::Connect)).await.unwrap();
        held.push(sandbox);
    }
    held
}

#[tokio::test]
async fn forks_beyond_the_slots_wait_for_one() {
    let engine = engine();
    let policy = Policy {
        wall: Duration::from_millis(500),
        ..short()
    };
    let filter = load(&engine, &at_connect("", "", ""), policy)
        .await
        .unwrap();
    let mut held = all_taken(&*filter).await;
    assert_eq!(engine.free_slots(), 0);
    let mut waiting = filter.fork();
    for _ in 0..2 {
        let failure = waiting.ask(question(Ask::Connect)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Busy);
    }
    held.pop();
    assert!(filter.fork().ask(question(Ask::Connect)).await.is_ok());
}

#[tokio::test]
async fn the_sandbox_that_has_waited_longest_is_given_up_for_others() {
    let engine = engine();
    let policy = Policy {
        wall: Duration::from_secs(10),
        ..short()
    };
    let filter = load(&engine, &at_connect("", "", ""), policy)
        .await
        .unwrap();
    let mut held = all_taken(&*filter).await;
    // The first has something to do; the second has waited longest then.
    tokio::time::sleep(Duration::from_millis(100)).await;
    held[0].ask(question(Ask::Connect)).await.unwrap();
    let begun = Instant::now();
    assert!(filter.fork().ask(question(Ask::Connect)).await.is_ok());
    let took = begun.elapsed();
    assert!(took > Duration::from_millis(500), "given up after {took:?}");
    let failure = held[1].ask(question(Ask::Connect)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Busy);
    assert!(held[0].ask(question(Ask::Connect)).await.is_ok());
}

#[tokio::test]
async fn more_than_the_address_space_falls_back_to_on_demand() {
    let engine = Engine::new(EngineSettings {
        sandboxes: 10_000_000,
        ..EngineSettings::default()
    });
    let engine = engine.unwrap();
    assert_eq!(engine.allocation(), Allocation::OnDemand);
    let filter = load(&engine, &at_connect("", "", LOOP), short())
        .await
        .unwrap();
    let failure = filter.fork().ask(question(Ask::Connect)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Time(Duration::from_millis(50)));
}

#[tokio::test]
async fn the_default_engine_pools() {
    let engine = Engine::new(EngineSettings::default()).unwrap();
    assert_eq!(engine.allocation(), Allocation::Pool);
}
