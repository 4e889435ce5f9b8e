//! Each sandbox is fresh, and there are only so many.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_engine::{Allocation, Engine, EngineSettings};
use lazaret_mail::{Ask, FailureKind, Filter, Policy, Sandbox, Verdict};

use super::kit::{all_granted, at_connect, at_message, component, engine, load, question};
use super::{LOOP, fails, short};

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
    let wasm = at_message("", "", LOOP);
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

/// A filter that waits so long for a slot, and sandboxes of it in all of them.
async fn all_taken(
    engine: &Arc<Engine>,
    wall: Duration,
) -> (Arc<dyn Filter>, Vec<Box<dyn Sandbox>>) {
    let policy = Policy { wall, ..short() };
    let loaded = load(engine, &at_connect("", "", ""), policy).await;
    let filter = loaded.unwrap();
    let mut held = Vec::new();
    for _ in 0..8 {
        let mut sandbox = filter.fork();
        sandbox.ask(question(Ask::Connect)).await.unwrap();
        held.push(sandbox);
    }
    (filter, held)
}

/// How long a sandbox is kept for whoever says nothing.
const KEPT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn forks_beyond_the_slots_wait_for_one() {
    for _ in 0..20 {
        if waits_for_a_slot(&engine()).await {
            return;
        }
    }
    panic!("each time we were too slow for it");
}

/// False if one was given up by the time we came.
async fn waits_for_a_slot(engine: &Arc<Engine>) -> bool {
    let begun = Instant::now();
    let (filter, mut held) = all_taken(engine, Duration::from_millis(300)).await;
    assert_eq!(engine.free_slots(), 0);
    let mut waiting = filter.fork();
    for _ in 0..2 {
        let Err(failure) = waiting.ask(question(Ask::Connect)).await else {
            let took = begun.elapsed();
            assert!(took >= KEPT, "given up after {took:?}");
            return false;
        };
        assert_eq!(failure.kind, FailureKind::Busy);
    }
    held.pop();
    assert!(filter.fork().ask(question(Ask::Connect)).await.is_ok());
    true
}

#[tokio::test]
async fn the_sandbox_that_has_waited_longest_is_given_up_for_others() {
    let engine = engine();
    let begun = Instant::now();
    let (filter, mut held) = all_taken(&engine, Duration::from_secs(10)).await;
    // The first has something to do; the second has waited longest then.
    tokio::time::sleep(Duration::from_millis(100)).await;
    held[0].ask(question(Ask::Connect)).await.unwrap();
    assert!(filter.fork().ask(question(Ask::Connect)).await.is_ok());
    let took = begun.elapsed();
    assert!(took >= KEPT, "given up after {took:?}");
    let failure = held[1].ask(question(Ask::Connect)).await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::Busy);
    // What its last question took was told with that.
    assert_eq!(failure.cpu, Duration::ZERO);
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
