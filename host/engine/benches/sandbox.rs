//! What a filter costs that does nothing: a fork, with one call and without, and one call of each stage.
//! `cargo bench --bench sandbox`
//!
//! The filter is the benchmark's own, `tests/load/guest`, compiled as every Rust filter is, unless said.
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
static FILTER: LazyLock<Arc<dyn Filter>> = LazyLock::new(|| {
    let (grant, config) = (vec![Grant::Body], r#"{"read-body":true}"#);
    RUNTIME.block_on(load("null", grant, config))
});
/// It has no stage but `message`.
static DEAF: LazyLock<Arc<dyn Filter>> = LazyLock::new(|| {
    let grant = vec![Grant::Parts, Grant::Score(0.0, 20.0), Grant::Notes];
    RUNTIME.block_on(load("attachments", grant, "{}"))
});

fn main() {
    LazyLock::force(&FILTER);
    LazyLock::force(&DEAF);
    divan::main();
}

fn component(name: &str) -> Vec<u8> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let guests = root.join("target/guests");
    let built = Command::new(env!("CARGO"))
        .current_dir(&root)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args(["build", "--profile", "guest"])
        .args(["--package", &format!("lazaret-{name}")])
        .args(["--target", TARGET, "--target-dir"])
        .arg(&guests)
        .status();
    assert!(built.unwrap().success(), "{name} was not built");
    let file = format!("guest/lazaret_{name}.wasm");
    std::fs::read(guests.join(TARGET).join(file)).unwrap()
}

async fn load(name: &str, grant: Vec<Grant>, config: &str) -> Arc<dyn Filter> {
    let settings = EngineSettings {
        sandboxes: 1000,
        ..EngineSettings::default()
    };
    let source = Source {
        name: name.to_owned(),
        file: format!("10-{name}.wasm").into(),
        wasm: component(name).into(),
        policy: Policy {
            grant,
            config: config.into(),
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
        ask: ask.into(),
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

/// A sandbox that is made and dropped, and no function of it called: it is asked at a stage that its filter does not
/// have. That filter is the bundled `attachments`; the null filter has all stages.
#[divan::bench]
fn fork(bencher: Bencher) {
    let question = question(Ask::Connect);
    bencher.bench_local(|| ask(&mut DEAF.fork(), question.clone()));
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
#[divan::bench(args = ["connect", "hello", "mail", "rcpt", "headers", "message", "outcome", "disconnect"])]
fn call(bencher: Bencher, stage: &str) {
    let question = question(match stage {
        "connect" => Ask::Connect,
        "hello" => Ask::Hello("client.example.net".to_owned()),
        "mail" => Ask::Mail(mailbox()),
        "rcpt" => Ask::Rcpt(mailbox()),
        "headers" => Ask::Headers,
        "message" => Ask::Message,
        "outcome" => Ask::Outcome(Outcome::default()),
        _ => Ask::Disconnect("quit".to_owned()),
    });
    let mut sandbox = FILTER.fork();
    ask(&mut sandbox, question.clone());
    bencher.bench_local(|| ask(&mut sandbox, question.clone()));
}
