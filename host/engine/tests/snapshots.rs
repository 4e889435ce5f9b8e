//! Sandboxes forked from a configured snapshot: what they share, what they must not, and what is done where no snapshot can
//! be taken.
#![allow(clippy::unwrap_used)]

mod kit;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kit::{all_granted, component, engine, engine_with, load, question};
use lazaret_engine::{EngineSettings, Preparation, PrepareLimits, inspect};
use lazaret_mail::{Ask, FailureKind, Filter, Policy, Verdict};

/// A guest with `configure`, asked at connect. `setup` and `body` run before their good answers; `$say` rejects with the
/// text at an address, of a length.
fn configured(imports: &str, module: &str, setup: &str, body: &str) -> Vec<u8> {
    let world = format!(
        "{imports} export configure: func(config: string) -> result<_, string>;
         export lazaret:filter/on-connect@0.1.0;"
    );
    let module = format!(
        r#"{module} (data (i32.const 256) "\02")
        (func $say (param i32 i32) (result i32)
            (i32.store (i32.const 276) (local.get 0))
            (i32.store (i32.const 280) (local.get 1))
            (i32.const 256))
        (func (export "configure") (param i32 i32) (result i32) {setup} (i32.const 32))
        (func (export "lazaret:filter/on-connect@0.1.0#connect") (result i32) {body} (i32.const 16))"#
    );
    component(&world, &module)
}

async fn loaded(wasm: &[u8]) -> Arc<dyn Filter> {
    load(&engine(), wasm, all_granted()).await.unwrap()
}

/// What a fresh sandbox rejects a connection with.
async fn said(filter: &dyn Filter) -> String {
    match filter
        .fork()
        .ask(question(Ask::Connect))
        .await
        .unwrap()
        .verdict
    {
        Verdict::Reject(reply) => reply.text,
        other => panic!("{other:?}"),
    }
}

async fn verdict(filter: &dyn Filter) -> Verdict {
    filter
        .fork()
        .ask(question(Ask::Connect))
        .await
        .unwrap()
        .verdict
}

/// Draws 8 octets in `configure` and again when asked; says both, as letters.
fn draws(import: &str, draw: &str, call: &str) -> Vec<u8> {
    let module = format!(
        r#"{draw}
        (func $keep (param $to i32)
            (local $i i32)
            {call}
            (loop $l
                (i32.store8 (i32.add (local.get $to) (local.get $i))
                    (i32.or (i32.const 64) (i32.and (i32.const 31)
                        (i32.load8_u (i32.add (i32.load (i32.const 48)) (local.get $i))))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $l (i32.lt_u (local.get $i) (i32.const 8)))))"#
    );
    configured(
        import,
        &module,
        "(call $keep (i32.const 600))",
        "(call $keep (i32.const 608)) (return (call $say (i32.const 600) (i32.const 16)))",
    )
}

#[tokio::test]
async fn two_forks_draw_different_random_numbers() {
    let ours = draws(
        "import lazaret:filter/entropy@0.1.0;",
        r#"(import "lazaret:filter/entropy@0.1.0" "random" (func $random (param i32 i32)))"#,
        "(call $random (i32.const 8) (i32.const 48))",
    );
    let of_wasi = draws(
        "import wasi:random/random@0.2.6;",
        r#"(import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))"#,
        "(call $random (i64.const 8) (i32.const 48))",
    );
    for wasm in [ours, of_wasi] {
        let filter = loaded(&wasm).await;
        assert_eq!(filter.preparation(), "snapshot");
        let (one, two) = (said(&*filter).await, said(&*filter).await);
        assert_eq!(one[..8], two[..8], "drawn in configure, frozen with it");
        assert_ne!(one[8..], two[8..], "drawn in the forks");
    }
}

#[tokio::test]
async fn an_instant_of_configure_is_an_hour_old_in_a_fork() {
    let module = r#"(import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))"#;
    let filter = loaded(&configured(
        "import wasi:clocks/monotonic-clock@0.2.6;",
        module,
        "(i64.store (i32.const 600) (call $now))",
        "(if (i64.lt_u (i64.sub (call $now) (i64.load (i32.const 600))) (i64.const 3500000000000))
            (then (return (call $say (i32.const 0) (i32.const 0)))))",
    ))
    .await;
    assert_eq!(filter.preparation(), "snapshot");
    assert_eq!(verdict(&*filter).await, Verdict::Continue);
}

/// Leaves a canary in its first page and in one it grew, and looks for those of others before. The one slot is used
/// by all.
async fn canary(ending: &str) -> Vec<Result<Verdict, FailureKind>> {
    let body = format!(
        "(local $page i32)
        (local.set $page (i32.mul (i32.const 65536) (memory.grow (i32.const 1))))
        (if (i32.or (i32.load (i32.const 40000)) (i32.load (local.get $page)))
            (then (return (call $say (i32.const 0) (i32.const 0)))))
        (i32.store (i32.const 40000) (i32.const 7))
        (i32.store (local.get $page) (i32.const 7)) {ending}"
    );
    let wasm = configured("", "", "(i32.store (i32.const 600) (i32.const 1))", &body);
    let engine = lazaret_engine::Engine::new(EngineSettings {
        sandboxes: 1,
        ..EngineSettings::default()
    });
    let filter = load(&engine.unwrap(), &wasm, all_granted()).await.unwrap();
    assert_eq!(filter.preparation(), "snapshot");
    let mut answers = Vec::new();
    for _ in 0..5 {
        let answer = filter.fork().ask(question(Ask::Connect)).await;
        answers.push(answer.map(|a| a.verdict).map_err(|f| f.kind));
    }
    answers
}

#[tokio::test]
async fn nothing_of_one_session_is_in_anothers_memory() {
    for answer in canary("").await {
        assert_eq!(answer, Ok(Verdict::Continue));
    }
    for answer in canary("unreachable").await {
        assert!(matches!(answer, Err(FailureKind::Trap(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn a_slow_configure_is_paid_once() {
    // 200 ms and more of CPU each time it runs.
    let spin = "(local $i i64) (loop $l (local.set $i (i64.add (local.get $i) (i64.const 1)))
        (br_if $l (i64.lt_u (local.get $i) (i64.const 600000000))))";
    let engine = engine();
    let wasm = configured("", "", spin, "");
    let begun = Instant::now();
    let filter = load(&engine, &wasm, all_granted()).await.unwrap();
    println!("loaded in {:?}", begun.elapsed());
    let (begun, mut cpu) = (Instant::now(), Duration::ZERO);
    for _ in 0..1000 {
        let answer = filter.fork().ask(question(Ask::Connect)).await.unwrap();
        cpu += answer.effects.cpu;
    }
    println!("1000 transactions: {:?}, CPU {cpu:?}", begun.elapsed());
    // Under 5 s on a machine with nothing else to do; if each paid, 200 s.
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
}

/// Grows by this many MiB in `configure`, and writes into each page or fills it all.
fn grows(mib: u32, dense: bool) -> Vec<u8> {
    let write = match dense {
        true => "(memory.fill (local.get $at) (i32.const 1) (i32.const 65536))",
        false => "(i32.store8 (local.get $at) (i32.const 1))",
    };
    let setup = format!(
        "(local $at i32) (local $end i32)
        (local.set $at (i32.mul (i32.const 65536) (memory.grow (i32.const {pages}))))
        (if (i32.lt_s (local.get $at) (i32.const 0)) (then unreachable))
        (local.set $end (i32.add (local.get $at) (i32.const {octets})))
        (loop $l {write}
            (local.set $at (i32.add (local.get $at) (i32.const 65536)))
            (br_if $l (i32.lt_u (local.get $at) (local.get $end))))",
        pages = mib * 16,
        octets = mib << 20,
    );
    let last = "(if (i32.ne (i32.load8_u (i32.sub (i32.mul (i32.const 65536) (memory.size)) (i32.const 65536))) \
                (i32.const 1)) (then (return (call $say (i32.const 0) (i32.const 0)))))";
    configured("", "", &setup, last)
}

#[tokio::test]
async fn growing_in_configure_up_to_the_limit_works() {
    let policy = Policy {
        memory: 256 << 20,
        ..all_granted()
    };
    for (mib, dense) in [(150, false), (150, true), (255, false)] {
        let engine = engine();
        let begun = Instant::now();
        let filter = load(&engine, &grows(mib, dense), policy.clone())
            .await
            .unwrap();
        println!(
            "{mib} MiB, dense: {dense}: {:?}, {}",
            begun.elapsed(),
            filter.preparation()
        );
        assert_eq!(filter.preparation(), "snapshot");
        assert_eq!(verdict(&*filter).await, Verdict::Continue, "{mib} MiB");
    }
}

const STDERR: &str = r#"
    (import "wasi:cli/stderr@0.2.6" "get-stderr" (func $stderr (result i32)))
    (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
    (global $open (mut i32) (i32.const -1))
    (data (i32.const 512) "the reason\0a")
    (func $print
        (if (i32.lt_s (global.get $open) (i32.const 0)) (then (global.set $open (call $stderr))))
        (call $write (global.get $open) (i32.const 512) (i32.const 11) (i32.const 48)))"#;

#[tokio::test]
async fn printing_in_configure_costs_the_snapshot_and_not_the_last_words() {
    let imports = "import wasi:cli/stderr@0.2.6; import wasi:io/streams@0.2.6;";
    let wasm = configured(
        imports,
        STDERR,
        "(call $print)",
        "(call $print) unreachable",
    );
    let filter = loaded(&wasm).await;
    let why = "configured in each sandbox: after configure it holds handles of WASI";
    assert!(
        filter.preparation().starts_with(why),
        "{}",
        filter.preparation()
    );
    let failure = filter.fork().ask(question(Ask::Connect)).await.unwrap_err();
    let FailureKind::Trap(words) = &failure.kind else {
        panic!("{failure}");
    };
    assert!(
        words.contains("unreachable") && words.contains("the reason"),
        "{words}"
    );
}

#[tokio::test]
async fn state_that_no_snapshot_knows_is_configured_in_each_sandbox() {
    for (module, why) in [
        ("(global $v (mut v128) (v128.const i64x2 0 0))", "v128"),
        (
            "(table $t 1 10 funcref) (func (drop (table.grow $t (ref.null func) (i32.const 1))))",
            "table.grow",
        ),
        ("(global $r (mut funcref) (ref.null func))", "reference"),
    ] {
        let setup = "(i32.store (i32.const 600) (i32.const 65))";
        let body = "(return (call $say (i32.const 600) (i32.const 1)))";
        let filter = loaded(&configured("", module, setup, body)).await;
        let told = filter.preparation();
        assert!(
            told.starts_with("configured in each sandbox: no snapshot"),
            "{told}"
        );
        assert!(told.contains(why), "no {why} in {told}");
        assert_eq!(said(&*filter).await, "A", "it was configured");
    }
}

/// Its handle on a resource of its own is a number in memory; what it stands for is not.
const OWN_RESOURCE: &str = r#"(component
    (type $r (resource (rep i32)))
    (core func $new (canon resource.new $r))
    (core func $rep (canon resource.rep $r))
    (core module $m
        (import "r" "new" (func $new (param i32) (result i32)))
        (import "r" "rep" (func $rep (param i32) (result i32)))
        (memory (export "m") 1)
        (global $handle (mut i32) (i32.const 0))
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "configure") (param i32 i32) (result i32)
            (global.set $handle (call $new (i32.const 7))) (i32.const 32))
        (func (export "disconnect") (param i32 i32)
            (if (i32.ne (call $rep (global.get $handle)) (i32.const 7)) (then unreachable))))
    (core instance $i (instantiate $m (with "r" (instance
        (export "new" (func $new)) (export "rep" (func $rep))))))
    (func $configure (param "config" string) (result (result (error string)))
        (canon lift (core func $i "configure") (memory $i "m") (realloc (func $i "realloc"))))
    (export "configure" (func $configure))
    (func $disconnect (param "reason" string)
        (canon lift (core func $i "disconnect") (memory $i "m") (realloc (func $i "realloc"))))
    (instance $stage (export "disconnect" (func $disconnect)))
    (export "lazaret:filter/on-disconnect@0.1.0" (instance $stage)))"#;

#[tokio::test]
async fn what_fails_only_in_forks_of_a_snapshot_loses_the_snapshot() {
    let wasm = wat::parse_str(OWN_RESOURCE).unwrap();
    let filter = loaded(&wasm).await;
    let why = "configured in each sandbox: at disconnect it fails in forks of its snapshot";
    assert!(
        filter.preparation().starts_with(why),
        "{}",
        filter.preparation()
    );
    let asked = filter
        .fork()
        .ask(question(Ask::Disconnect("quit".into())))
        .await;
    assert!(asked.is_ok(), "{asked:?}");
}

#[tokio::test]
async fn what_fails_in_any_case_is_loaded_and_keeps_its_snapshot() {
    let filter = loaded(&configured("", "", "", "unreachable")).await;
    assert_eq!(filter.preparation(), "snapshot");
}

#[tokio::test]
async fn what_runs_before_the_first_question_is_frozen_too() {
    let started = kit::at_connect(
        "",
        "(global $n (mut i32) (i32.const 0)) (func $s (global.set $n (i32.const 1))) (start $s)",
        "(if (i32.ne (global.get $n) (i32.const 1)) (then unreachable))",
    );
    let filter = loaded(&started).await;
    assert_eq!(filter.preparation(), "snapshot");
    assert_eq!(verdict(&*filter).await, Verdict::Continue);
    let plain = loaded(&kit::at_connect("", "", "")).await;
    assert_eq!(plain.preparation(), "nothing to configure");
}

#[test]
fn inspection_says_what_can_be_known() {
    let seen = inspect(&configured("", "", "", "")).unwrap();
    assert_eq!(seen.preparation, Preparation::Snapshot);
    let inner = OWN_RESOURCE.replacen(
        "(component",
        "(component (component $inner (core module))",
        1,
    );
    let seen = inspect(&wat::parse_str(inner).unwrap()).unwrap();
    let told = seen.preparation.to_string();
    assert!(told.contains("core modules in inner components"), "{told}");
}

#[tokio::test]
async fn slow_trials_do_not_hold_loading_up() {
    let settings = EngineSettings {
        prepare: PrepareLimits {
            trial_wall: Duration::ZERO,
            ..PrepareLimits::default()
        },
        ..EngineSettings::default()
    };
    let policy = Policy {
        time: Duration::from_secs(60),
        wall: Duration::from_secs(60),
        ..all_granted()
    };
    let wasm = kit::at_connect("", "", "(loop $l (br $l))");
    let begun = Instant::now();
    load(&engine_with(settings), &wasm, policy).await.unwrap();
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
}
