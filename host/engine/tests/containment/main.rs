//! Hostile guests: each is stopped at its own limit, says which, and costs nothing but that.
#![allow(clippy::unwrap_used)]

#[path = "../kit/mod.rs"]
mod kit;
mod sandboxes;
mod words;

use std::time::{Duration, Instant};

use kit::{all_granted, ask_connect, at_connect, component, engine, engine_with, load, question};
use lazaret_engine::{CallLimits, EngineSettings};
use lazaret_mail::{Ask, Failure, FailureKind, Filter, Policy, Verdict};

/// 50 ms of CPU, and real time as long as others may make it wait.
fn short() -> Policy {
    Policy {
        time: Duration::from_millis(50),
        wall: Duration::from_secs(120),
        ..all_granted()
    }
}

async fn fails(wasm: &[u8], policy: Policy) -> Failure {
    ask_connect(wasm, policy).await.unwrap_err()
}

/// The same, up to five times until it took less CPU than this: on a busy machine whoever is to stop it may come late.
async fn fails_within(cpu: Duration, wasm: &[u8], policy: Policy) -> Failure {
    let mut failure = fails(wasm, policy.clone()).await;
    for _ in 1..5 {
        if failure.cpu < cpu {
            break;
        }
        failure = fails(wasm, policy.clone()).await;
    }
    assert!(failure.cpu < cpu, "{:?}", failure.cpu);
    failure
}

const LOOP: &str = "(loop $l (br $l))";

#[tokio::test]
async fn a_loop_ends_at_its_cpu_time() {
    let cpu = Duration::from_millis(100);
    let failure = fails_within(cpu, &at_connect("", "", LOOP), short()).await;
    assert_eq!(failure.kind, FailureKind::Time(Duration::from_millis(50)));
    assert!(
        failure.cpu >= Duration::from_millis(50),
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
    let mut least = Duration::MAX;
    for _ in 0..5 {
        least = least.min(longer_of_two(&*filter).await);
        if least < Duration::from_millis(100) {
            break;
        }
    }
    assert!(least < Duration::from_millis(100), "{least:?}");
}

/// CPU of the one of two at once that took more; neither may have taken too little.
async fn longer_of_two(filter: &dyn Filter) -> Duration {
    let (mut one, mut two) = (filter.fork(), filter.fork());
    let (one, two) = tokio::join!(
        one.ask(question(Ask::Connect)),
        two.ask(question(Ask::Connect))
    );
    let failures = [one.unwrap_err(), two.unwrap_err()];
    for failure in &failures {
        assert_eq!(failure.kind, FailureKind::Time(Duration::from_millis(50)));
        let cpu = failure.cpu;
        assert!(cpu >= Duration::from_millis(50), "cut short: {cpu:?}");
    }
    failures[0].cpu.max(failures[1].cpu)
}

/// CPU of this thread.
fn own_cpu() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// One instruction fills all of its memory, and nobody can look in between.
#[tokio::test]
async fn who_fills_much_memory_is_charged_for_it_and_does_it_elsewhere() {
    let engine = engine();
    let fill = "(drop (memory.grow (i32.const 900)))
        (loop $l (memory.fill (i32.const 8192) (i32.const 7) (i32.const 50000000)) (br $l))";
    let filter = load(&engine, &at_connect("", "", fill), short())
        .await
        .unwrap();
    let mut here = Vec::new();
    for _ in 0..4 {
        let before = own_cpu();
        let failure = filter.fork().ask(question(Ask::Connect)).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Time(Duration::from_millis(50)));
        here.push(own_cpu() - before);
    }
    // At the first nothing is known of it, and at the second it is looked at.
    let elsewhere = |cpu: &Duration| *cpu < Duration::from_millis(5);
    assert!(here[2..].iter().all(elsewhere), "{here:?}");
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
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    let told = failure.clues.detail.expect("where it was");
    assert!(
        told.ends_with("in no call of the host when its time was over"),
        "{told}"
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
    let told = failure.clues.detail.expect("where it was");
    let waited = "of CPU, and had been waiting in `wasi:io/poll.pollable.block` for ";
    assert!(
        told.starts_with("it used ") && told.contains(waited),
        "{told}"
    );
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
    assert_eq!(engine.unused_slots(), 8, "the store was dropped");
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
        while engine.unused_slots() < 8 {
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
    let cpu = Duration::from_millis(120);
    let failure = fails_within(cpu, &logs(u32::MAX), short()).await;
    assert!(
        matches!(failure.kind, FailureKind::Time(_) | FailureKind::Limit(_)),
        "{failure}"
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
