//! A used sandbox is put back to where it began, or it is not used again.
#![allow(missing_docs, clippy::unwrap_used)]

mod kit;

use std::sync::Arc;
use std::time::Duration;

use lazaret_engine::{Allocation, Engine, EngineSettings};
use lazaret_mail::{Ask, Failure, FailureKind, Filter, Policy, Verdict};
use proptest::prelude::*;
use tokio::runtime::Runtime;

use kit::{all_granted, bare_component, engine, engine_with, load, question};

const CONNECT: &str = "export lazaret:filter/on-connect@0.1.0;";
const WORLD: &str = "export lazaret:filter/on-connect@0.1.0; export lazaret:filter/on-hello@0.1.0;";

/// Pages of the guest's memory.
const PAGES: u32 = 24;

/// At connect it looks whether all is as at the start: discard if not. At hello it does what the test says, with the name's
/// address and length as `$name` and `$length`.
fn guest(extra: &str, hello: &str) -> String {
    format!(
        r#"(module
        (memory (export "memory") {PAGES})
        (data (i32.const 256) "\04") (data (i32.const 700000) "\01\02\03") (data (i32.const 1300000) "\05")
        (global $next (mut i32) (i32.const 8192))
        (global $a (mut i64) (i64.const -5)) (global $b (mut f32) (f32.const 1.5)) (global $c (mut f64) (f64.const -0.0))
        {extra}
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.get $next) (global.set $next (i32.add (global.get $next) (i32.add (local.get 3) (i32.const 16)))))
        (func $is_clean (result i32) (local $at i32) (local $sum i64)
            (loop $all
                (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 1)) (i64.load (local.get $at))))
                (local.set $at (i32.add (local.get $at) (i32.const 8)))
                (br_if $all (i32.lt_u (local.get $at) (i32.const {size}))))
            (i32.and (i32.and (i64.eq (local.get $sum) (i64.const {sum})) (i32.eq (global.get $next) (i32.const 8192)))
                (i32.and (i64.eq (global.get $a) (i64.const -5))
                    (i32.and (f32.eq (global.get $b) (f32.const 1.5))
                        (i64.eq (i64.reinterpret_f64 (global.get $c)) (i64.reinterpret_f64 (f64.const -0.0)))))))
        (func (export "lazaret:filter/on-connect@0.1.0#connect") (result i32)
            (if (i32.eqz (call $is_clean)) (then (i32.store8 (i32.const 256) (i32.const 4)) (return (i32.const 256))))
            (i32.const 16))
        (func (export "lazaret:filter/on-hello@0.1.0#hello") (param $name i32) (param $length i32) (result i32)
            {hello} (i32.store (i32.const 16) (i32.const 0)) (i32.const 16)))"#,
        size = PAGES * 65536,
        sum = sum_at_start(),
    )
}

fn sum_at_start() -> i64 {
    let mut memory = vec![0_u8; PAGES as usize * 65536];
    memory[256] = 4;
    memory[700_000..700_003].copy_from_slice(&[1, 2, 3]);
    memory[1_300_000] = 5;
    let words = memory
        .chunks(8)
        .map(|word| i64::from_le_bytes(word.try_into().unwrap()));
    words.fold(0_i64, |sum, word| sum.rotate_left(1).wrapping_add(word))
}

/// The name is numbers, four octets each: an address, and how many octets from there on.
const SCRIBBLE: &str = r#"
    (local $end i32)
    (local.set $end (i32.add (local.get $name) (local.get $length)))
    (block $done (loop $each
        (br_if $done (i32.ge_u (local.get $name) (local.get $end)))
        (memory.fill (call $number (local.get $name)) (i32.const 0x5a) (call $number (i32.add (local.get $name) (i32.const 4))))
        (local.set $name (i32.add (local.get $name) (i32.const 8)))
        (br $each)))
    (global.set $a (i64.const 1)) (global.set $b (f32.const nan)) (global.set $c (f64.const 0))"#;

/// Four digits in base 64, each an octet of text, the highest first.
const NUMBER: &str = r#"
    (func $number (param $at i32) (result i32) (local $n i32) (local $i i32)
        (loop $digits
            (local.set $n (i32.or (i32.shl (local.get $n) (i32.const 6))
                (i32.sub (i32.load8_u (i32.add (local.get $at) (local.get $i))) (i32.const 48))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $digits (i32.lt_u (local.get $i) (i32.const 4))))
        (local.get $n))"#;

fn digits(number: u32) -> String {
    let digit = |place: u32| char::from(48 + (number >> (6 * place) & 63) as u8);
    [3, 2, 1, 0].map(digit).into_iter().collect()
}

struct Stand {
    engine: Arc<Engine>,
    filter: Arc<dyn Filter>,
}

impl Stand {
    async fn with(engine: Arc<Engine>, world: &str, module: &str, policy: Policy) -> Self {
        let wasm = bare_component(world, module);
        let filter = load(&engine, &wasm, policy).await.unwrap();
        Self { engine, filter }
    }

    async fn of(extra: &str, hello: &str) -> Self {
        Self::with(engine(), WORLD, &guest(extra, hello), all_granted()).await
    }

    /// One session: connect, and hello if there is a name. What was said at connect.
    async fn session(&self, name: &str) -> Result<Verdict, Failure> {
        let mut sandbox = self.filter.fork();
        let connect = sandbox.ask(question(Ask::Connect)).await?;
        sandbox.ask(question(Ask::Hello(name.to_owned()))).await?;
        Ok(connect.verdict)
    }

    async fn is_clean(&self) -> bool {
        let mut sandbox = self.filter.fork();
        let connect = sandbox.ask(question(Ask::Connect)).await.unwrap();
        connect.verdict == Verdict::Continue
    }
}

#[tokio::test]
async fn a_used_sandbox_is_put_back() {
    for allocation in [Allocation::Pool, Allocation::OnDemand] {
        let settings = EngineSettings {
            allocation,
            ..EngineSettings::default()
        };
        let module = guest(NUMBER, SCRIBBLE);
        let stand = Stand::with(engine_with(settings), WORLD, &module, all_granted()).await;
        for round in 0..20 {
            let names = [
                (20_000, 70_000),
                (699_990, 50),
                (1_299_999, 4096),
                (1_572_860, 4),
            ];
            let name: String = names
                .map(|(at, octets)| digits(at) + &digits(octets))
                .concat();
            let said = stand.session(&name).await.unwrap();
            assert_eq!(said, Verdict::Continue, "{allocation:?} {round}");
        }
        assert_eq!(stand.engine.renewed(), 19);
        assert_eq!(stand.engine.free_slots(), 8, "who waits holds nothing up");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_it_wrote_is_gone(
        sessions in prop::collection::vec(prop::collection::vec((0..PAGES * 65536, 0..40_000_u32), 0..40), 1..6)
    ) {
        Runtime::new().unwrap().block_on(async {
            let stand = Stand::of(NUMBER, SCRIBBLE).await;
            for writes in &sessions {
                // Not over the name itself, which is at 8192.
                let spares = |(at, octets): &&(u32, u32)| at + octets < 8192 || *at > 9000;
                let write = |(at, octets): &(u32, u32)| digits(*at) + &digits((*octets).min(PAGES * 65536 - at));
                let name: String = writes.iter().filter(spares).map(write).collect();
                let said = stand.session(&name).await.unwrap();
                assert_eq!(said, Verdict::Continue);
            }
            assert!(stand.is_clean().await);
        });
    }
}

/// What happens at hello, and whether the sandbox may be used again.
async fn is_used_again(extra: &str, hello: &str) -> bool {
    let stand = Stand::of(extra, hello).await;
    let _ = stand.session("client.example").await;
    assert!(stand.is_clean().await, "{hello}");
    stand.engine.renewed() > 0
}

#[tokio::test]
async fn what_does_nothing_is_used_again() {
    assert!(is_used_again("", "").await);
}

#[tokio::test]
async fn grown_memory_is_not_used_again() {
    assert!(!is_used_again("", "(drop (memory.grow (i32.const 1)))").await);
}

#[tokio::test]
async fn what_wrote_much_is_not_used_again() {
    let much = "(memory.fill (i32.const 65536) (i32.const 1) (i32.const 1000000))";
    assert!(!is_used_again("", much).await);
}

#[tokio::test]
async fn what_trapped_is_not_used_again() {
    assert!(!is_used_again("", "unreachable").await);
}

#[tokio::test]
async fn what_has_more_state_is_not_used_again() {
    let table =
        "(table $t 2 funcref) (elem declare func $is_clean) (elem (i32.const 0) func $is_clean)";
    assert!(
        is_used_again(table, "(drop (table.size $t))").await,
        "a table that nobody writes"
    );
    let set = "(table.set $t (i32.const 1) (ref.func $is_clean))";
    assert!(!is_used_again(table, set).await);
    assert!(
        !is_used_again(
            table,
            "(drop (table.grow $t (ref.null func) (i32.const 1)))"
        )
        .await
    );
    assert!(
        !is_used_again(
            table,
            "(table.fill $t (i32.const 0) (ref.null func) (i32.const 1))"
        )
        .await
    );
    assert!(
        !is_used_again(
            table,
            "(table.copy (i32.const 0) (i32.const 1) (i32.const 1))"
        )
        .await
    );
    let passive = r#"(data $d "word")"#;
    let init = "(memory.init $d (i32.const 0) (i32.const 0) (i32.const 4))";
    assert!(is_used_again(passive, init).await, "a segment that stays");
    assert!(!is_used_again(passive, "(data.drop $d)").await);
    assert!(!is_used_again("(global $f (mut funcref) (ref.null func))", "").await);
}

#[tokio::test]
async fn who_calls_itself_the_restorer_is_not_believed() {
    let world = format!("{WORLD} export lazaret-restore: func(); export lazaret-ground: func();");
    let module = guest(
        r#"(func (export "lazaret-restore")) (func (export "lazaret-ground"))"#,
        "(global.set $a (i64.const 1))",
    );
    let stand = Stand::with(engine(), &world, &module, all_granted()).await;
    stand.session("client.example").await.unwrap();
    assert!(stand.is_clean().await);
    assert_eq!(stand.engine.renewed(), 0);
}

#[tokio::test]
async fn a_handle_of_wasi_is_not_handed_on() {
    let world = format!("{WORLD} import wasi:cli/stderr@0.2.6;");
    let import = r#"(import "wasi:cli/stderr@0.2.6" "get-stderr" (func $stderr (result i32)))"#;
    let module =
        guest("", "(drop (call $stderr))").replace("(module", &format!("(module {import}"));
    let stand = Stand::with(engine(), &world, &module, all_granted()).await;
    stand.session("client.example").await.unwrap();
    assert!(stand.is_clean().await);
    assert_eq!(stand.engine.renewed(), 0);
}

#[tokio::test]
async fn limits_hold_in_one_that_was_put_back() {
    let policy = Policy {
        time: Duration::from_millis(50),
        ..all_granted()
    };
    // A name of one octet is a loop, one of two wants memory.
    let hello = "(if (i32.eq (local.get $length) (i32.const 1)) (then (loop $l (br $l))))
        (if (i32.eq (local.get $length) (i32.const 2)) (then (if (i32.eq (memory.grow (i32.const 60000)) (i32.const -1)) (then unreachable))))";
    let stand = Stand::with(engine(), WORLD, &guest("", hello), policy).await;
    for (name, is_expected) in [
        (
            "a",
            (|kind| matches!(kind, FailureKind::Time(_))) as fn(&FailureKind) -> bool,
        ),
        ("ab", |kind| matches!(kind, FailureKind::Memory(_))),
    ] {
        stand.session("client.example").await.unwrap();
        let before = stand.engine.renewed();
        let failure = stand.session(name).await.unwrap_err();
        assert!(is_expected(&failure.kind), "{failure:?}");
        assert_eq!(
            stand.engine.renewed(),
            before + 1,
            "the one that failed was a used one"
        );
        assert!(stand.is_clean().await);
        assert_eq!(
            stand.engine.renewed(),
            before + 1,
            "after it a new one is made"
        );
    }
}

#[tokio::test]
async fn those_that_wait_give_way() {
    let engine = engine();
    let stand = Stand::with(engine.clone(), WORLD, &guest("", ""), all_granted()).await;
    stand.session("client.example").await.unwrap();
    let other = guest("", "").replace("lazaret:filter/on-hello@0.1.0#hello", "unused");
    let other = Stand::with(engine, CONNECT, &other, all_granted()).await;
    let mut sandboxes: Vec<_> = (0..8).map(|_| other.filter.fork()).collect();
    for sandbox in &mut sandboxes {
        sandbox.ask(question(Ask::Connect)).await.unwrap();
    }
    assert_eq!(other.engine.free_slots(), 0);
}

#[tokio::test]
async fn who_waits_long_is_given_up() {
    let stand = Stand::of("", "").await;
    stand.session("client.example").await.unwrap();
    let parked = || stand.engine.free_slots() - stand.engine.unused_slots();
    assert_eq!(parked(), 1);
    for _ in 0..300 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        if parked() == 0 {
            break;
        }
    }
    assert_eq!(parked(), 0, "after 30 s");
    stand.session("client.example").await.unwrap();
    assert_eq!(stand.engine.renewed(), 0);
}

/// Eight slots: one is parked, seven are in the middle of a transaction.
#[tokio::test]
async fn transactions_do_not_give_way_where_those_do() {
    let engine = engine();
    let stand = Stand::with(engine.clone(), WORLD, &guest("", ""), all_granted()).await;
    let mut under_way: Vec<_> = (0..7).map(|_| stand.filter.fork()).collect();
    for sandbox in &mut under_way {
        sandbox.ask(question(Ask::Connect)).await.unwrap();
    }
    let other = guest("", "").replace("lazaret:filter/on-hello@0.1.0#hello", "unused");
    let other = Stand::with(engine, CONNECT, &other, all_granted()).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    stand.session("client.example").await.unwrap();
    let mut last = other.filter.fork();
    last.ask(question(Ask::Connect)).await.unwrap();
    for sandbox in &mut under_way {
        let hello = question(Ask::Hello("client.example".into()));
        sandbox.ask(hello).await.unwrap();
    }
}

#[tokio::test]
async fn what_always_writes_much_is_hardly_tried() {
    let much = "(memory.fill (i32.const 65536) (i32.const 1) (i32.const 1000000))";
    let stand = Stand::of("", much).await;
    for _ in 0..40 {
        stand.session("client.example").await.unwrap();
    }
    assert_eq!(stand.engine.renewed(), 0);
    assert_eq!(stand.engine.unused_slots(), 8, "none is kept any more");
}

#[tokio::test]
async fn a_filter_that_is_gone_leaves_nobody_waiting() {
    let engine = engine();
    let stand = Stand::with(engine.clone(), WORLD, &guest("", ""), all_granted()).await;
    stand.session("client.example").await.unwrap();
    let slots = engine.slots_now();
    assert_eq!((slots.used(), slots.idle), (0, 0));
    drop(stand);
    assert_eq!(engine.unused_slots(), 8);
}
