//! Every file that is not a filter: its own message, with the cure.
#![allow(clippy::unwrap_used)]

mod kit;

use kit::{all_granted, at_connect, bare_component, component, engine, engine_with, load};
use lazaret_engine::{EngineSettings, PrepareLimits, inspect};
use lazaret_mail::{Grant, Policy, Stage};

#[track_caller]
fn refused(wasm: &[u8]) -> String {
    let error = inspect(wasm).unwrap_err();
    format!("{}; {}", error.problem, error.cure)
}

#[track_caller]
fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said:?}");
    }
}

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

#[test]
fn an_empty_file() {
    says(
        &refused(b""),
        &["the file is empty", "build or copy it again"],
    );
}

#[test]
fn a_file_that_is_cut_off() {
    let whole = at_connect("", "", "");
    for length in 1..whole.len() {
        // Cut between two sections it may still be a component, and even a filter.
        if let Err(error) = inspect(&whole[..length]) {
            assert!(!error.problem.is_empty() && !error.cure.is_empty());
        }
    }
    says(&refused(&whole[..3]), &["cut off"]);
    says(&refused(&whole[..whole.len() / 2]), &["cut off"]);
}

#[test]
fn something_else() {
    says(
        &refused(b"\x7fELF and so on"),
        &["it is not WebAssembly", "wasm32-wasip2"],
    );
    says(&refused(b"#!/bin/sh\n"), &["it is not WebAssembly"]);
}

#[test]
fn webassembly_text() {
    says(
        &refused(b"\n (component)"),
        &["WebAssembly text", "wasm-tools parse"],
    );
    says(&refused(b";; a comment\n(module)"), &["WebAssembly text"]);
}

#[test]
fn a_core_module() {
    let said = refused(&wat("(module)"));
    says(
        &said,
        &[
            "core module",
            "wasip1",
            "--target wasm32-wasip2",
            "component new",
        ],
    );
}

#[test]
fn an_unknown_binary_version() {
    says(&refused(b"\0asm\x07\0\x01\0"), &["unknown binary version"]);
}

#[test]
fn damaged_octets() {
    let mut wasm = at_connect("", "", "");
    let middle = wasm.len() / 2;
    wasm[middle..middle + 40].fill(0xff);
    says(&refused(&wasm), &["damaged or not valid"]);
}

#[test]
fn a_component_for_another_world() {
    let wasm = wat(
        r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
        (func (export "run") (canon lift (core func $i "f"))))"#,
    );
    let said = refused(&wasm);
    says(
        &said,
        &[
            "exports no stage of lazaret:filter",
            "it exports run",
            "on-connect .. on-disconnect",
        ],
    );
    says(&refused(&wat("(component)")), &["it exports nothing"]);
}

fn with_version(version: &str) -> Vec<u8> {
    let wasm = at_connect("", "", "");
    let (from, to) = (
        b"lazaret:filter/on-connect@0.1.0",
        format!("lazaret:filter/on-connect@{version}"),
    );
    let mut out = wasm.clone();
    for at in 0..wasm.len() - from.len() {
        if &wasm[at..at + from.len()] == from {
            out[at..at + from.len()].copy_from_slice(to.as_bytes());
        }
    }
    out
}

#[test]
fn another_version_of_the_contract() {
    let said = refused(&with_version("0.2.0"));
    says(
        &said,
        &[
            "it speaks lazaret:filter 0.2.0, this lazaret speaks 0.1.0",
            "rebuild it against wit/",
        ],
    );
    says(
        &refused(&with_version("1.1.0")),
        &["it speaks lazaret:filter 1.1.0"],
    );
}

#[tokio::test]
async fn a_later_patch_of_the_contract_is_served() {
    let engine = engine();
    let filter = load(&engine, &with_version("0.1.9"), Policy::default())
        .await
        .unwrap();
    assert!(filter.stages().contains(Stage::Connect));
    let answer = filter
        .fork()
        .ask(kit::question(lazaret_mail::Ask::Connect))
        .await
        .unwrap();
    assert_eq!(answer.verdict, lazaret_mail::Verdict::Continue);
}

#[test]
fn an_import_that_does_not_exist() {
    let import = r#"(import "wasi:http/outgoing-handler@0.2.6" "handle" (func $f))"#;
    let wasm = at_connect(
        "import wasi:http/outgoing-handler@0.2.6;",
        import,
        "(call $f)",
    );
    let said = refused(&wasm);
    says(
        &said,
        &[
            "`wasi:http/outgoing-handler@0.2.6`",
            "does not exist here",
            "WASI 0.2",
        ],
    );
}

#[test]
fn a_stage_with_other_types() {
    let wasm = bare_component(
        "export on-connect: interface { connect: func() -> u32; }",
        r#"(module (func (export "on-connect#connect") (result i32) (i32.const 0)))"#,
    );
    says(&refused(&wasm), &["exports no stage"]);
    let wasm = wat(
        r#"(component (core module $m (func (export "f") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $f (result u32) (canon lift (core func $i "f")))
        (instance $n (export "connect" (func $f)))
        (export "lazaret:filter/on-connect@0.1.0" (instance $n)))"#,
    );
    says(
        &refused(&wasm),
        &[
            "the types of `lazaret:filter/on-connect@0.1.0` are not those of lazaret:filter@0.1.0",
            "rebuild it",
        ],
    );
}

#[test]
fn a_permission_with_other_types() {
    let wasm = wat(r#"(component
        (import "lazaret:filter/session@0.1.0" (instance (export "id" (func (result u32)))))
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $n (export "disconnect" (func $f)))
        (export "lazaret:filter/on-disconnect@0.1.0" (instance $n)))"#);
    says(
        &refused(&wasm),
        &["the types of `lazaret:filter/session@0.1.0`"],
    );
}

#[test]
fn the_async_abi() {
    let wasm = wat(r#"(component
        (core module $m (func (export "f") (result i32) (i32.const 0)) (func (export "cb") (param i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $f async (canon lift (core func $i "f") async (callback (func $i "cb"))))
        (instance $n (export "disconnect" (func $f)))
        (export "lazaret:filter/on-disconnect@0.1.0" (instance $n)))"#);
    says(&refused(&wasm), &["async ABI", "--sync"]);
}

/// A filter whose core module holds something of each proposal that is switched off.
#[track_caller]
fn switched_off(fields: &str, name: &str) {
    let wasm = at_connect("", fields, "");
    let said = refused(&wasm);
    says(&said, &["switched off here", name]);
}

#[test]
fn threads() {
    switched_off("(memory $shared 1 1 shared)", "threads");
    switched_off(
        "(func (param i32) (drop (i32.atomic.load (local.get 0))))",
        "threads",
    );
}

#[test]
fn garbage_collection() {
    switched_off(
        "(type $s (struct (field i32))) (func (drop (struct.new $s (i32.const 1))))",
        "garbage collection",
    );
}

#[test]
fn references_to_the_host() {
    switched_off("(table $t 1 externref)", "externref");
}

#[test]
fn typed_function_references() {
    switched_off(
        "(type $t (func)) (func (param (ref null $t)) (call_ref $t (local.get 0)))",
        "function references",
    );
}

#[test]
fn exceptions() {
    switched_off("(tag $e) (func (throw $e))", "exceptions");
}

#[test]
fn memory64() {
    switched_off("(table $big i64 1 funcref)", "memory64");
}

#[test]
fn relaxed_simd() {
    switched_off(
        "(func (param v128 v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
        "relaxed SIMD",
    );
}

#[test]
fn stack_switching() {
    switched_off(
        "(type $f (func)) (type $c (cont $f)) (func (param (ref $c)) (resume $c (local.get 0)))",
        "stack switching",
    );
}

/// A filter whose component holds these definitions.
fn beside(fields: &str) -> Vec<u8> {
    wat(&format!(
        r#"(component {fields}
        (core module $m (func (export "f") (param i32 i32)) (memory (export "m") 1)
            (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $f (param "reason" string)
            (canon lift (core func $i "f") (memory $i "m") (realloc (func $i "r"))))
        (instance $n (export "disconnect" (func $f)))
        (export "lazaret:filter/on-disconnect@0.1.0" (instance $n)))"#
    ))
}

#[test]
fn proposals_of_the_component_model() {
    for (fields, name) in [
        ("(type $e error-context)", "error-context"),
        ("(type $l (list u8 4))", "fixed-length lists"),
        ("(type $m (map string u8))", "maps"),
    ] {
        says(&refused(&beside(fields)), &["switched off here", name]);
    }
    says(&refused(&beside("(type $s (stream u8))")), &["async ABI"]);
}

#[tokio::test]
async fn what_toolchains_need_is_on() {
    let fields = r#"
        (func (param v128) (drop (i8x16.popcnt (local.get 0))))
        (func $tail (return_call $tail))
        (memory $second 1)
        (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))
        (table $t 1 funcref)
    "#;
    let loaded = load(&engine(), &at_connect("", fields, ""), Policy::default()).await;
    assert!(loaded.unwrap().stages().contains(Stage::Connect));
}

#[tokio::test]
async fn a_file_that_is_too_large_or_not_there() {
    let engine = engine_with(EngineSettings {
        max_wasm: 1000,
        ..EngineSettings::default()
    });
    let error = load(&engine, &vec![0; 1001], Policy::default())
        .await
        .err()
        .unwrap();
    says(
        &error.to_string(),
        &["10-guest.wasm: ", "larger than 1000 octets", "opt-level"],
    );
    let missing = std::path::Path::new("/nowhere/10-guest.wasm");
    let error = lazaret_engine::read_file(missing, 1000).unwrap_err();
    says(
        &error.to_string(),
        &["/nowhere/10-guest.wasm: it cannot be read"],
    );
}

#[test]
fn a_directory_instead_of_a_file() {
    let directory = tempfile::tempdir().unwrap();
    let error = lazaret_engine::inspect_file(directory.path(), 1000).unwrap_err();
    says(&error.to_string(), &["it is not a file"]);
}

#[tokio::test]
async fn rights_that_are_not_settled() {
    let import = r#"(import "lazaret:filter/body@0.1.0" "size" (func $f (result i32)))"#;
    let wasm = at_connect(
        "import lazaret:filter/body@0.1.0;",
        import,
        "(drop (call $f))",
    );
    let error = load(&engine(), &wasm, Policy::default())
        .await
        .err()
        .unwrap();
    says(
        &error.to_string(),
        &[
            "asks for body",
            "`grant = [\"body\"]`",
            "`deny = [\"body\"]`",
        ],
    );
    assert!(load(&engine(), &wasm, all_granted()).await.is_ok());
}

#[tokio::test]
async fn a_config_that_nobody_takes() {
    let policy = Policy {
        config: r#"{"domains":[]}"#.into(),
        ..Policy::default()
    };
    let error = load(&engine(), &at_connect("", "", ""), policy)
        .await
        .err()
        .unwrap();
    says(
        &error.to_string(),
        &["takes no configuration", "take [config] out"],
    );
}

/// A filter with `configure`; `body` leaves the address of its answer.
fn configured(module: &str, body: &str) -> Vec<u8> {
    component(
        "export configure: func(config: string) -> result<_, string>; export lazaret:filter/on-connect@0.1.0;",
        &format!(
            r#"{module}
            (func (export "lazaret:filter/on-connect@0.1.0#connect") (result i32) (i32.const 16))
            (func (export "configure") (param i32 i32) (result i32) {body})"#
        ),
    )
}

async fn not_configured(module: &str, body: &str) -> String {
    let settings = EngineSettings {
        prepare: PrepareLimits {
            configure_time: std::time::Duration::from_millis(100),
            ..PrepareLimits::default()
        },
        ..EngineSettings::default()
    };
    let loaded = load(
        &engine_with(settings),
        &configured(module, body),
        Policy::default(),
    )
    .await;
    loaded.err().unwrap().to_string()
}

#[tokio::test]
async fn configure_that_says_no() {
    let data = r#"(data (i32.const 64) "\01\00\00\00\50\00\00\00\0c\00\00\00") (data (i32.const 80) "bad\1b[2J list")"#;
    let said = not_configured(data, "(i32.const 64)").await;
    says(
        &said,
        &["configure says: bad\\u{1b}[2J lis", "correct [config]"],
    );
}

#[tokio::test]
async fn configure_that_traps() {
    let said = not_configured("", "unreachable").await;
    says(&said, &["configure failed: trap: ", "unreachable"]);
}

#[tokio::test]
async fn configure_that_never_ends() {
    let said = not_configured("", "(loop $l (br $l)) unreachable").await;
    says(&said, &["configure used its CPU time of 100ms"]);
}

#[tokio::test]
async fn configure_that_eats_memory() {
    let body =
        "(loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 100)) (i32.const 0)))) unreachable";
    let said = not_configured("", body).await;
    says(
        &said,
        &[
            "configure wants more memory than 67108864 octets",
            "raise `memory`",
        ],
    );
}

#[tokio::test]
async fn a_start_function_that_never_ends() {
    let settings = EngineSettings {
        prepare: PrepareLimits {
            start_time: std::time::Duration::from_millis(100),
            ..PrepareLimits::default()
        },
        ..EngineSettings::default()
    };
    let wasm = at_connect("", "(func $s (loop $l (br $l))) (start $s)", "");
    let error = load(&engine_with(settings), &wasm, Policy::default())
        .await
        .err()
        .unwrap();
    says(
        &error.to_string(),
        &["instantiation used its CPU time of 100ms"],
    );
}

#[tokio::test]
async fn memory_that_does_not_fit() {
    let wasm = at_connect("", "(memory $large 200)", "");
    let policy = |memory| Policy {
        memory,
        ..Policy::default()
    };
    let error = load(&engine(), &wasm, policy(1 << 20)).await.err().unwrap();
    says(
        &error.to_string(),
        &[
            "needs 13107200 octets of memory to start",
            "`memory = \"13 MiB\"` or more",
        ],
    );
    let error = load(&engine(), &wasm, policy(1 << 40)).await.err().unwrap();
    says(
        &error.to_string(),
        &["gives at most 268435456", "`memory = \"256 MiB\"` or less"],
    );
}

#[tokio::test]
async fn a_module_with_more_instances_than_allowed() {
    let instances = "(core instance (instantiate $empty))".repeat(100);
    let wasm = beside(&format!("(core module $empty) {instances}"));
    let error = load(&engine(), &wasm, Policy::default())
        .await
        .err()
        .unwrap();
    says(
        &error.to_string(),
        &["10-guest.wasm: it cannot be compiled here", "maximum of 64"],
    );
}

#[test]
fn what_a_good_filter_shows() {
    let imports = "import lazaret:filter/log@0.1.0; import lazaret:filter/session@0.1.0; import wasi:random/random@0.2.6;";
    let module = r#"
        (import "lazaret:filter/log@0.1.0" "write" (func $log (param i32 i32 i32)))
        (import "lazaret:filter/session@0.1.0" "early-talker" (func $early (result i32)))
        (import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))
    "#;
    let seen = inspect(&at_connect(imports, module, "")).unwrap();
    let permissions: Vec<_> = seen.permissions.iter().map(|p| p.name()).collect();
    assert_eq!(permissions, ["session", "log"]);
    assert_eq!(seen.inert, ["wasi:random/random@0.2.6"]);
    assert_eq!(lazaret_engine::stage_names(seen.stages), "connect");
    assert_eq!(
        seen.requests().map(|p| p.name()).collect::<Vec<_>>(),
        ["session"]
    );
}

#[test]
fn all_stages_and_all_permissions_of_the_contract_are_known() {
    let wit = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_dir(wit).unwrap();
    let text = "package test:all; world all { include lazaret:filter/permissions@0.1.0;
        include lazaret:filter/stage-connect@0.1.0; include lazaret:filter/stage-hello@0.1.0;
        include lazaret:filter/stage-auth@0.1.0; include lazaret:filter/stage-mail@0.1.0;
        include lazaret:filter/stage-rcpt@0.1.0; include lazaret:filter/stage-headers@0.1.0;
        include lazaret:filter/stage-message@0.1.0; include lazaret:filter/stage-outcome@0.1.0;
        include lazaret:filter/stage-disconnect@0.1.0; include lazaret:filter/configure@0.1.0; }";
    let package = resolve.push_str("all.wit", text).unwrap();
    let world = resolve.select_world(&[package], Some("all")).unwrap();
    let mangling = wit_parser::ManglingAndAbi::Legacy(wit_parser::LiftLowerAbi::Sync);
    let mut core = wit_component::dummy_module(&resolve, world, mangling);
    let utf8 = wit_component::StringEncoding::UTF8;
    wit_component::embed_component_metadata(&mut core, &resolve, world, utf8).unwrap();
    let mut encoder = wit_component::ComponentEncoder::default();
    let wasm = encoder
        .module(&core)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap();
    let seen = inspect(&wasm).unwrap();
    assert_eq!(seen.stages.iter().count(), 9);
    assert_eq!(seen.permissions.len(), 16);
    assert!(seen.extra.is_empty(), "{:?}", seen.extra);
}

#[tokio::test]
async fn an_unused_grant_loads() {
    let policy = Policy {
        grant: vec![Grant::Body],
        ..Policy::default()
    };
    assert!(
        load(&engine(), &at_connect("", "", ""), policy)
            .await
            .is_ok()
    );
}
