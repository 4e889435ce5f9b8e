//! A filter in Rust that was built with debug information, frozen and forked as operators run it, says where it failed.

use std::path::Path;
use std::sync::Arc;

use lazaret_engine::{Engine, EngineSettings};
use lazaret_mail::facts::Address;
use lazaret_mail::{
    Ask, ClientName, Clues, Envelope, Filter, Loader, Notes, Party, Policy, Question, Session,
    Source,
};
use tokio::runtime::Runtime;

/// All rights and a configuration of the reference filter.
const POLICY: &str = r#"
grant = ["session", "envelope", "headers", "body", "parts", "edit-headers", "score", "notes", "pace"]
time = "2s"
[config]
domains = ["bulk.example.com"]
"#;

/// The reference filter of that build, prepared in a child and without a cache.
fn load(runtime: &Runtime, component: &str) -> Arc<dyn Filter> {
    let settings = EngineSettings {
        cache: None,
        ..lazaret_tests::proxy::settings()
    };
    let engine = Engine::new(settings).expect("an engine");
    let source = Source {
        name: "reference".to_owned(),
        file: component.into(),
        wasm: std::fs::read(component).expect("built by build.rs").into(),
        policy: Policy::parse(Path::new("reference.toml"), POLICY).expect("a policy"),
    };
    runtime
        .block_on(engine.load(source))
        .expect("a filter that loads")
}

/// What it tells of its end at MAIL from a sender at whom it panics.
fn clues(runtime: &Runtime, filter: &Arc<dyn Filter>) -> Clues {
    let sender = Address::parse("try-trap@example.com").expect("a mailbox");
    let session = Session {
        id: "s1".into(),
        listener: "mx".into(),
        client: Party {
            address: "192.0.2.1:4711".parse().expect("an address"),
            name: ClientName::default(),
        },
        hello: Some("client.example.com".to_owned()),
        tls: None,
        user: None,
        early_talker: false,
    };
    let question = Question {
        ask: Ask::Mail(lazaret_mail::Path::new(sender)).into(),
        session: Arc::new(session),
        envelope: Some(Arc::new(Envelope::default())),
        message: None,
        score: Default::default(),
        notes: Arc::new(Notes::default()),
    };
    let mut sandbox = filter.fork();
    let answer = runtime.block_on(sandbox.ask(question));
    *answer.expect_err("it panics").clues
}

/// The line of the reference filter's source that panics.
fn line_of_the_panic() -> usize {
    let source = include_str!("../../guest-sdk/rust/reference/src/commands.rs");
    let line = source
        .lines()
        .position(|line| line.contains("panic!(\"told to trap\")"));
    line.expect("the command `trap`") + 1
}

#[test]
fn a_backtrace_names_the_line_of_the_filters_own_source() {
    let runtime = Runtime::new().expect("a runtime");
    let filter = load(&runtime, env!("GUEST_TRACED"));
    assert_eq!(filter.preparation().to_string(), "snapshot");
    let backtrace = clues(&runtime, &filter).backtrace;
    println!("{}", backtrace.join("\n"));
    let place = format!("reference/src/commands.rs:{}", line_of_the_panic());
    assert!(backtrace[0].ends_with(&place), "{place}: {backtrace:?}");
    let outer = |file: &str| {
        let mut others = backtrace[1..].iter();
        others.any(|line| line.contains(file))
    };
    assert!(outer("reference/src/lib.rs:"), "{backtrace:?}");
}

#[test]
fn without_debug_information_it_names_none() {
    let runtime = Runtime::new().expect("a runtime");
    let filter = load(&runtime, env!("GUEST_REFERENCE"));
    let backtrace = clues(&runtime, &filter).backtrace;
    assert!(!backtrace.is_empty());
    assert!(
        backtrace.iter().all(|line| !line.contains(".rs:")),
        "{backtrace:?}"
    );
}
