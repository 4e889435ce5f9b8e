//! Small guests from WebAssembly text, loaded and asked.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use lazaret_engine::{Engine, EngineSettings};
use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{
    Answer, Ask, Content, Envelope, Failure, Filter, Grant, LoadError, Loader, Message, Notes,
    Party, Policy, Question, Score, Session, Source,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Words of the canonical ABI that each guest needs: a memory and a bump allocator.
const ABI: &str = r#"
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 8192))
    (func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (block $fits
            (loop $grow
                (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                (br_if $grow (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))))
            unreachable)
        (local.get $at))
"#;

/// A component of a world and the inside of a core module, to which memory and allocator are added.
pub fn component(world: &str, module: &str) -> Vec<u8> {
    bare_component(world, &format!("(module {module} {ABI})"))
}

/// A component of a world and a whole core module.
pub fn bare_component(world: &str, module: &str) -> Vec<u8> {
    let mut core = wat::parse_str(module).unwrap();
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit");
    resolve.push_dir(wit).unwrap();
    let text = format!("package test:guest; world guest {{ {world} }} {WASI}");
    let package = resolve.push_str("guest.wit", &text).unwrap();
    let world = resolve.select_world(&[package], Some("guest")).unwrap();
    embed_component_metadata(&mut core, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&core)
        .unwrap()
        .validate(false)
        .encode()
        .unwrap()
}

/// What tests need of WASI 0.2.
const WASI: &str = "
    package wasi:cli@0.2.6 {
        interface exit { exit: func(status: result); }
        interface stderr {
            use wasi:io/streams@0.2.6.{output-stream};
            get-stderr: func() -> output-stream;
        }
    }
    package wasi:random@0.2.6 { interface random { get-random-bytes: func(len: u64) -> list<u8>; } }
    package wasi:io@0.2.6 {
        interface poll { resource pollable { block: func(); } }
        interface error { resource error; }
        interface streams {
            use error.{error};
            variant stream-error { last-operation-failed(error), closed }
            resource output-stream {
                write: func(contents: list<u8>) -> result<_, stream-error>;
                blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>;
            }
        }
    }
    package wasi:clocks@0.2.6 { interface monotonic-clock {
        use wasi:io/poll@0.2.6.{pollable};
        now: func() -> u64;
        subscribe-duration: func(when: u64) -> pollable;
    } }
    package wasi:http@0.2.6 { interface outgoing-handler { handle: func(); } }
";

/// A guest asked at connect; `body` runs before it says continue.
pub fn at_connect(imports: &str, module: &str, body: &str) -> Vec<u8> {
    component(
        &format!("{imports} export lazaret:filter/on-connect@0.1.0;"),
        &format!(
            r#"{module}
            (func (export "lazaret:filter/on-connect@0.1.0#connect") (result i32) {body} (i32.const 16))"#
        ),
    )
}

/// A guest asked at message; `body` runs before it says continue.
pub fn at_message(imports: &str, module: &str, body: &str) -> Vec<u8> {
    component(
        &format!("{imports} export lazaret:filter/on-message@0.1.0;"),
        &format!(
            r#"{module}
            (func (export "lazaret:filter/on-message@0.1.0#message") (result i32) {body} (i32.const 16))"#
        ),
    )
}

/// An engine with few slots.
pub fn engine() -> Arc<Engine> {
    engine_with(EngineSettings::default())
}

/// An engine with few slots and otherwise these settings.
pub fn engine_with(settings: EngineSettings) -> Arc<Engine> {
    let settings = EngineSettings {
        sandboxes: 8,
        ..settings
    };
    Engine::new(settings).unwrap()
}

/// All permissions granted.
pub fn all_granted() -> Policy {
    Policy {
        grant: vec![
            Grant::Session,
            Grant::Envelope,
            Grant::Headers,
            Grant::Body,
            Grant::Parts,
            Grant::EditHeaders(vec!["X-*".into()]),
            Grant::Score(-5.0, 5.0),
            Grant::Notes,
            Grant::Pace,
        ],
        ..Policy::default()
    }
}

/// Loads octets as a filter called `guest`.
pub async fn load(
    engine: &Engine,
    wasm: &[u8],
    policy: Policy,
) -> Result<Arc<dyn Filter>, LoadError> {
    let source = Source {
        name: "guest".to_owned(),
        file: "10-guest.wasm".into(),
        wasm: wasm.to_vec().into(),
        policy,
    };
    engine.load(source).await
}

/// Loads and asks at connect.
pub async fn ask_connect(wasm: &[u8], policy: Policy) -> Result<Answer, Failure> {
    let engine = engine();
    let filter = load(&engine, wasm, policy).await.unwrap();
    filter.fork().ask(question(Ask::Connect)).await
}

/// Loads and asks at message, with a small message.
pub async fn ask_message(wasm: &[u8], policy: Policy) -> Result<Answer, Failure> {
    let engine = engine();
    let filter = load(&engine, wasm, policy).await.unwrap();
    filter.fork().ask(question(Ask::Message)).await
}

/// A question with facts that suit it.
pub fn question(ask: Ask) -> Question {
    let content = Content::Memory("Subject: a test\r\n\r\nbody\r\n".into());
    let message = matches!(ask, Ask::Headers | Ask::Message)
        .then(|| Arc::new(Message::parse(content, HEADER_LIMIT).unwrap()));
    Question {
        ask: ask.into(),
        session: Arc::new(Session {
            id: "s1".into(),
            listener: "mx".into(),
            client: Party {
                address: "192.0.2.1:4711".parse().unwrap(),
                name: lazaret_mail::ClientName::default(),
            },
            hello: None,
            tls: None,
            user: None,
            early_talker: false,
        }),
        envelope: message.is_some().then(|| Arc::new(Envelope::default())),
        message,
        score: Score::default(),
        notes: Arc::new(Notes::default()),
    }
}
