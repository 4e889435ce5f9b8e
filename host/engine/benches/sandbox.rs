//! What a filter costs that does nothing: a fork, and one call of each stage. `cargo bench --bench sandbox`
//!
//! The filter is the benchmark's own, `tests/load/guest`, compiled as every Rust filter is.
#![allow(missing_docs, clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};

use divan::Bencher;
use lazaret_engine::{Engine, EngineSettings};
use lazaret_mail::message::HEADER_LIMIT;
use lazaret_mail::{
    Ask, ClientName, Content, Envelope, Filter, Grant, Loader, Message, Notes, Outcome, Party,
    Policy, Question, Sandbox, Score, Session, Source,
};
use lazaret_smtp::{Address, Path as Mailbox};
use tokio::runtime::Runtime;

const TARGET: &str = "wasm32-wasip2";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static FILTER: LazyLock<Arc<dyn Filter>> = LazyLock::new(|| RUNTIME.block_on(load()));

fn main() {
    LazyLock::force(&FILTER);
    divan::main();
}

fn null_filter() -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guests = root.join("target/guests");
    let built = Command::new(env!("CARGO"))
        .current_dir(&root)
        .args(["build", "--package", "lazaret-null", "--profile", "guest"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&guests)
        .status();
    assert!(built.unwrap().success(), "the null filter was not built");
    std::fs::read(guests.join(TARGET).join("guest/lazaret_null.wasm")).unwrap()
}

async fn load() -> Arc<dyn Filter> {
    let settings = EngineSettings {
        sandboxes: 1000,
        ..EngineSettings::default()
    };
    let source = Source {
        name: "null".to_owned(),
        file: "10-null.wasm".into(),
        wasm: null_filter().into(),
        policy: Policy {
            grant: vec![Grant::Body],
            config: r#"{"read-body":true}"#.into(),
            ..Policy::default()
        },
    };
    Engine::new(settings).unwrap().load(source).await.unwrap()
}

fn question(ask: Ask) -> Question {
    let text = format!("Subject: a\r\n\r\n{}", "a line of text\r\n".repeat(256));
    let content = Content::Memory(text.into());
    let message = matches!(ask, Ask::Headers | Ask::Message)
        .then(|| Arc::new(Message::parse(content, HEADER_LIMIT).unwrap()));
    Question {
        ask,
        session: Arc::new(Session {
            id: "s1".into(),
            listener: "mx".into(),
            client: Party {
                address: "192.0.2.1:4711".parse().unwrap(),
                name: ClientName::default(),
            },
            hello: None,
            tls: None,
            user: None,
            early_talker: false,
        }),
        envelope: Some(Arc::new(Envelope::default())),
        message,
        score: Score::default(),
        notes: Arc::new(Notes::default()),
    }
}

fn mailbox() -> Mailbox {
    Mailbox::new(Address::parse("someone@example.org").unwrap())
}

fn ask(sandbox: &mut Box<dyn Sandbox>, question: Question) {
    RUNTIME.block_on(sandbox.ask(question)).unwrap();
}

/// A sandbox for one question, as at connect: made, asked, dropped.
#[divan::bench]
fn fork_and_one_call(bencher: Bencher) {
    let question = question(Ask::Connect);
    bencher.bench_local(|| ask(&mut FILTER.fork(), question.clone()));
}

/// All of a transaction: one sandbox, five stages.
#[divan::bench]
fn transaction(bencher: Bencher) {
    let questions = [
        Ask::Mail(mailbox()),
        Ask::Rcpt(mailbox()),
        Ask::Headers,
        Ask::Message,
        Ask::Outcome(Outcome::default()),
    ]
    .map(question);
    bencher.bench_local(|| {
        let mut sandbox = FILTER.fork();
        for question in &questions {
            ask(&mut sandbox, question.clone());
        }
    });
}

/// One call more of a sandbox that is there.
#[divan::bench(args = ["connect", "hello", "mail", "rcpt", "headers", "message", "outcome"])]
fn call(bencher: Bencher, stage: &str) {
    let question = question(match stage {
        "connect" => Ask::Connect,
        "hello" => Ask::Hello("client.example.net".to_owned()),
        "mail" => Ask::Mail(mailbox()),
        "rcpt" => Ask::Rcpt(mailbox()),
        "headers" => Ask::Headers,
        "message" => Ask::Message,
        _ => Ask::Outcome(Outcome::default()),
    });
    let mut sandbox = FILTER.fork();
    ask(&mut sandbox, question.clone());
    bencher.bench_local(|| ask(&mut sandbox, question.clone()));
}
