//! Filters are prepared in a child process: what it may use, what becomes of the filter when it dies, and that nobody
//! else notices.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_engine::{Engine, EngineSettings, PrepareLimits, Preparer};
use lazaret_mail::{Filter, LoadError, Loader, Policy, Source};
use lazaret_tests::guests::{Guest, assemble, observer_with};
use lazaret_tests::proxy::{program, settings};
use lazaret_tests::{BackendDouble, Client, Proxy, beside_reload, measured};

const MESSAGE: &[u8] = b"From: a@example.com\r\nSubject: hello\r\n\r\nA line.\r\n";

/// As the program has it, without a cache and with these limits.
fn engine(limits: PrepareLimits) -> Arc<Engine> {
    with_program(program(), limits)
}

fn with_program(program: PathBuf, prepare: PrepareLimits) -> Arc<Engine> {
    let engine = Engine::new(EngineSettings {
        sandboxes: 100,
        preparer: Preparer::Child { program },
        cache: None,
        prepare,
        ..settings()
    });
    engine.expect("an engine")
}

/// Loads the guest `frozen` with this configuration.
fn load(engine: &Engine, config: &str) -> Result<Arc<dyn Filter>, LoadError> {
    let source = Source {
        name: "frozen".to_owned(),
        file: "10-frozen.wasm".into(),
        wasm: Guest::Frozen.octets().into(),
        policy: Policy {
            config: config.to_owned(),
            memory: 200 << 20,
            time: Duration::from_secs(5),
            ..Policy::default()
        },
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(engine.load(source))
}

#[track_caller]
fn refused(loaded: Result<Arc<dyn Filter>, LoadError>, words: &[&str]) {
    let said = loaded.err().expect("a load error").to_string();
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said:?}");
    }
    println!("{said}");
}

#[test]
fn a_child_that_takes_too_long_is_killed() {
    let engine = engine(PrepareLimits {
        wall: Duration::from_secs(3),
        ..PrepareLimits::default()
    });
    let begun = Instant::now();
    let words = [
        "10-frozen.wasm: ",
        "took longer than 3s",
        "s, while ",
        "make it smaller",
    ];
    refused(load(&engine, r#"{"spin":60000}"#), &words);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_child_that_uses_too_much_cpu_is_killed() {
    let engine = engine(PrepareLimits {
        cpu: Duration::from_secs(2),
        ..PrepareLimits::default()
    });
    refused(
        load(&engine, r#"{"spin":60000}"#),
        &["its preparation used its CPU time of 2s", "make it smaller"],
    );
}

/// The filter stays within its own `memory`; what ends it is the limit of everything that prepares it.
#[test]
fn a_configure_that_wants_more_than_its_child_may_have_is_told_so() {
    let engine = engine(PrepareLimits {
        memory: 96 << 20,
        ..PrepareLimits::default()
    });
    refused(
        load(&engine, r#"{"mib":150}"#),
        &[
            "10-frozen.wasm: its preparation may use 96 MiB of memory in all",
            "the filter wanted more (within its own `memory` of 200 MiB)",
            "; give it less to hold",
        ],
    );
}

/// Not the guest: the compiler itself, or whatever else of ours is at work there.
#[test]
fn a_child_that_dies_of_memory_is_a_load_error_and_no_more() {
    let mut deaths = 0;
    // With the least of them it cannot even read what it is to prepare, which it still can say.
    for mib in [1, 8, 12, 16, 24, 32, 48] {
        let engine = engine(PrepareLimits {
            memory: mib << 20,
            ..PrepareLimits::default()
        });
        let Err(error) = load(&engine, "{}") else {
            break;
        };
        let said = error.to_string();
        println!("{said}");
        assert!(
            said.starts_with("10-frozen.wasm: ") && said.contains("memory"),
            "{said}"
        );
        let wants = format!("its preparation wants more memory than {mib} MiB, while ");
        deaths += u32::from(said.contains(&wants) && said.contains("; make it smaller"));
    }
    assert!(deaths > 0, "none of them died of memory");
    let engine = engine(PrepareLimits::default());
    assert!(
        load(&engine, "{}").is_ok(),
        "the next one is prepared as ever"
    );
}

#[test]
fn a_child_that_is_killed_from_outside_is_a_load_error_and_no_more() {
    let engine = engine(PrepareLimits {
        memory: MARKED,
        // It gives way to all else: on a busy machine it has its second of CPU late.
        configure_wall: Duration::from_secs(240),
        ..PrepareLimits::default()
    });
    let killer = std::thread::spawn(|| {
        let deadline = Instant::now() + Duration::from_secs(240);
        loop {
            if let Some(child) = child_in_configure() {
                let killed = std::process::Command::new("kill")
                    .args(["-KILL", &child])
                    .status();
                return killed.expect("kill runs").success();
            }
            assert!(Instant::now() < deadline, "no child was seen");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let loaded = load(&engine, r#"{"spin":19000}"#);
    assert!(
        killer.join().expect("the killer"),
        "it was there to be killed"
    );
    refused(loaded, &["was killed from outside", "load it again"]);
    assert!(
        load(&engine, "{}").is_ok(),
        "the next one is prepared as ever"
    );
}

/// A limit on memory that no other test sets: it is on the child's command line, which is how it is found.
const MARKED: u64 = (3 << 30) + 4096;

/// The marked child of ours once it has used more than a second of CPU.
fn child_in_configure() -> Option<String> {
    let ours = std::process::id().to_string();
    let entries = std::fs::read_dir("/proc").ok()?;
    entries.flatten().find_map(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        let command = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let used: u64 = fields.get(11)?.parse().ok()?;
        // Fields are counted from the state on; a tick is 10 ms.
        let it = fields.get(1)? == &ours && command.contains(&MARKED.to_string()) && used >= 120;
        it.then(|| entry.file_name().to_string_lossy().into_owned())
    })
}

#[test]
fn a_configure_that_panics_says_why_and_where() {
    let engine = engine(PrepareLimits::default());
    refused(
        load(&engine, r#"{"panic":"no list for eve"}"#),
        &[
            "10-frozen.wasm: configure failed: trap: ",
            "no list for eve",
            "[",
            "it wrote: ",
            "panicked at ",
            "it was in: function ",
        ],
    );
}

#[test]
fn a_program_that_is_not_ours_is_a_load_error() {
    let limits = PrepareLimits::default;
    let none = with_program("/nowhere/lazaret".into(), limits());
    refused(
        load(&none, "{}"),
        &["no process could be started", "/nowhere/lazaret"],
    );
    let other = with_program("/bin/true".into(), limits());
    refused(
        load(&other, "{}"),
        &["ended without an answer", "report this"],
    );
}

#[test]
fn what_configure_grew_and_drew_is_in_each_sandbox() {
    let loaded = load(&engine(PrepareLimits::default()), r#"{"mib":150}"#).expect("150 of 200 MiB");
    assert_eq!(loaded.preparation(), "snapshot");
    let refused = load(&engine(PrepareLimits::default()), r#"{"mib":250}"#);
    self::refused(
        refused,
        &[
            "configure wants more memory than 209715200 octets",
            "raise `memory`",
        ],
    );
}

/// The reply to each recipient of a proxy with this guest.
fn replies(config: &str, recipients: &[&str]) -> Vec<String> {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .filter("10-frozen", Guest::Frozen, config)
        .start();
    let ask = |recipient: &&str| {
        let mut client = Client::greeted(proxy.plain());
        let reply = client.deliver("alice@example.com", &[recipient], MESSAGE);
        client.ask("QUIT", "221 *");
        reply.text()
    };
    recipients.iter().map(ask).collect()
}

#[test]
fn two_sandboxes_have_one_past_and_two_presents() {
    let said = replies("[config]\nmib = 1\n", &["a@example.org", "b@example.org"]);
    let word = |text: &str, after: &str| {
        let rest = text
            .split_once(after)
            .unwrap_or_else(|| panic!("no {after} in {text}"))
            .1;
        rest.split_whitespace()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    for text in &said {
        assert_eq!(
            word(text, "past "),
            "true",
            "an instant of configure is never in the future"
        );
        assert_eq!(word(text, "ballast "), "1048576");
    }
    assert_ne!(word(&said[0], "drawn "), word(&said[1], "drawn "));
    assert_eq!(
        word(&said[0], "hash "),
        word(&said[1], "hash "),
        "keys of a map made in configure are frozen"
    );
}

#[test]
fn a_panic_after_a_print_in_configure_still_says_why() {
    let said = replies(
        "[config]\nprint = \"configured\"\n",
        &["panic@example.org", "a@example.org"],
    );
    assert!(said[0].starts_with("451 "), "{said:?}");
    assert!(said[1].contains("past true"), "{said:?}");
    let lines = lazaret_tests::journal::wait_for(&["told to panic"]);
    assert!(!lines.is_empty());
}

/// Clients of the thousand transactions, at once.
const SENDERS: usize = 8;

/// Delivers so many messages over one connection, each envelope in one segment.
fn send(address: SocketAddr, count: usize) {
    const ENVELOPE: &[u8] =
        b"MAIL FROM:<alice@example.com>\r\nRCPT TO:<pass@example.org>\r\nDATA\r\n";
    let mut client = Client::greeted(address);
    for _ in 0..count {
        client.octets(ENVELOPE).expect("an open connection");
        for reply in ["250 *", "250 *", "354 *"] {
            client.expect(reply);
        }
        client.content(MESSAGE);
        client.expect("250 *");
    }
    client.ask("QUIT", "221 *");
}

#[test]
fn a_thousand_transactions_do_not_pay_for_a_slow_configure() {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address())
        .filter("10-frozen", Guest::Frozen, "[config]\nspin = 200\n")
        .start();
    let address = proxy.plain();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| send(address, 1000 / SENDERS));
        }
    });
    let took = begun.elapsed();
    println!("1000 messages in {took:?}; configured for each they would take 200 s");
    assert_eq!(backend.wait_for(1000).len(), 1000);
    let most = Duration::from_secs(if measured() { 5 } else { 50 });
    assert!(took < most, "{took:?}");
}

/// A filter of megabytes of code, as an interpreter in a component is.
fn large() -> Vec<u8> {
    let step = "(local.set 0 (i32.mul (i32.add (local.get 0) (i32.const 7919)) (i32.popcnt (local.get 0))))
        (if (i32.lt_u (local.get 0) (i32.const 9999)) (then (i32.store8 (i32.const 2048) (local.get 0))))";
    let body = step.repeat(40);
    let function = |_| format!("(func (param i32) (result i32) {body} (local.get 0))");
    assemble(&observer_with(&(0..1500).map(function).collect::<String>()))
}

#[test]
fn mail_hardly_notices_that_filters_are_compiled() {
    let wasm = large();
    println!("a filter of {} KiB", wasm.len() >> 10);
    let noticed = beside_reload("a large filter", &wasm, "");
    noticed.unwrap_or_else(|step| panic!("{step}"));
}

#[test]
fn check_says_how_far_it_is() {
    let backend = BackendDouble::start();
    let dir = Proxy::before(backend.address())
        .filter("10-frozen", Guest::Frozen, "[config]\nspin = 8000\n")
        .write();
    let config = dir.path().join("lazaret.toml");
    let cache = dir.path().join("compiled");
    let text = std::fs::read_to_string(&config).expect("it was written");
    let text = format!("cache = \"{}\"\n{text}", cache.display());
    std::fs::write(&config, text).expect("our directory");
    let check = || {
        let output = std::process::Command::new(program())
            .args(["check", "--config"])
            .arg(&config)
            .output()
            .expect("the program starts");
        let words =
            [output.stdout, output.stderr].map(|o| String::from_utf8_lossy(&o).into_owned());
        assert!(output.status.success(), "{words:?}");
        words
    };
    let [out, err] = check();
    assert!(out.contains("snapshot"), "{out}");
    assert!(
        err.contains("still preparing: running its configure"),
        "{err}"
    );
    let begun = Instant::now();
    let [_, err] = check();
    assert!(
        !err.contains("running its configure"),
        "the second time it comes from the cache: {err}"
    );
    println!("from the cache: {:?}", begun.elapsed());
}

#[test]
fn prepare_is_not_for_people() {
    let output = std::process::Command::new(program())
        .args(["prepare", "--memory", "100000000", "--cpu", "5"])
        .stdin(std::process::Stdio::null())
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(75));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("no order came"), "{said}");
}
