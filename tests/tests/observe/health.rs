//! Whether mail goes through, and why not: breakers of filters, filters that cannot be loaded, backends that are down, read
//! at the admin port as an operator reads them.

use std::time::{Duration, Instant};

use lazaret_tests::certificate::Certificate;
use lazaret_tests::guests::Guest;
use lazaret_tests::ports::free_port;
use lazaret_tests::program::Program;
use lazaret_tests::{BackendDouble, Client, Proxy, Step};
use serde_json::Value;

use crate::PROGRAM;
use crate::admin::Admin;

#[test]
fn services_and_sandboxes_are_in_the_open() {
    let backend = BackendDouble::start();
    let nobody = free_port();
    let builder = Proxy::before(backend.address())
        .set(&format!("state = \"redis://{nobody}\"\n"))
        .filter("10-puppet", Guest::Puppet, "[config]\nmail = { do = [] }\n");
    let (admin, builder) = Admin::of(builder);
    let program = Program::run(PROGRAM, builder);
    // In a transaction its sandbox is held.
    let mut client = Client::greeted(program.plain());
    client.ask("MAIL FROM:<a@example.com>", "250 *");
    let figures = admin.figures();
    let value = |name: &str| figures.value(name).expect("it is told");
    let used = value("sandboxes{state=\"used\"}");
    assert!(used >= 1.0);
    let all = used + value("sandboxes{state=\"free\"}");
    assert_eq!(all, value("sandboxes_limit"));
    assert_eq!(value("sandboxes_idle"), 1.0);
    program.until("the state is missed", || {
        admin
            .health()
            .1
            .contains("degraded: a service of filters does not work")
    });
    let told = admin.status();
    let trouble = told["services"]["troubles"][0].as_str().unwrap_or_default();
    assert!(trouble.contains(&nobody.to_string()), "{told}");
}

/// Fails for a sender of its own, and is slow for another.
const MOODY: &str = "breaker = { failures = 3, within = \"1m\", open = \"4s\" }\nwall = \"20s\"\n\
    [config]\nmail = [{ when = \"bad\", do = [{ unreachable = true }] }, { when = \"slow\", do = [{ sleep = 5000 }] }]\n";

/// What is told of the breaker of `moody`: in `/status` its state and its failures in a row, in `/metrics` whether it is
/// suspended, in `/healthz` whether it is missed.
#[derive(Debug, PartialEq)]
struct Breaker {
    state: String,
    failures: u64,
    kept_out: u64,
    suspended: f64,
    health: (u16, &'static str),
}

impl Breaker {
    fn told(admin: Admin) -> Self {
        let told = admin.status();
        let filter = &told["chain"]["filters"][0];
        assert_eq!(filter["name"], "moody", "{told}");
        let breaker = &filter["breaker"];
        let figures = admin.figures();
        let kept_out = filter["kept-out"].as_u64().expect("a count");
        let counted = figures.value("filter_kept_out_total{filter=\"moody\"}");
        assert_eq!(counted, Some(kept_out as f64), "{told}");
        let is_open = breaker["state"] == "open";
        let next = breaker["next-probe-ms"].as_u64();
        assert_eq!(next.is_some_and(|next| next <= 4000), is_open, "{told}");
        Self {
            state: breaker["state"].as_str().expect("a state").to_owned(),
            failures: breaker["failures"].as_u64().expect("a count"),
            kept_out,
            suspended: figures
                .value("filter_suspended{filter=\"moody\"}")
                .expect("it is told"),
            health: health(admin),
        }
    }

    fn of(state: &str, failures: u64, kept_out: u64) -> Self {
        let is_asked = state == "closed";
        Self {
            state: state.to_owned(),
            failures,
            kept_out,
            suspended: if is_asked { 0.0 } else { 1.0 },
            health: (200, if is_asked { "ok" } else { SUSPENDED }),
        }
    }
}

const SUSPENDED: &str =
    "degraded: filter moody failed over and over: it is not asked, its on-failure answers";

fn health(admin: Admin) -> (u16, &'static str) {
    let (code, text) = admin.health();
    let known = ["ok", SUSPENDED].into_iter().find(|it| text.trim() == *it);
    (code, known.unwrap_or_else(|| panic!("{text}")))
}

/// A program whose breaker was seen to open, and to keep somebody out; None if that took so long that a trial was due.
fn opened(backend: &BackendDouble) -> Option<(Program, Admin, Client)> {
    let builder = Proxy::before(backend.address()).filter("10-moody", Guest::Puppet, MOODY);
    let (admin, builder) = Admin::of(builder);
    let program = Program::run(PROGRAM, builder);
    let mut client = Client::greeted(program.plain());
    assert_eq!(Breaker::told(admin), Breaker::of("closed", 0, 0));
    for failures in 1..3 {
        client.ask("MAIL FROM:<bad@example.com>", "451 4.7.1 *");
        assert_eq!(Breaker::told(admin), Breaker::of("closed", failures, 0));
    }
    let begun = Instant::now();
    client.ask("MAIL FROM:<bad@example.com>", "451 4.7.1 *");
    let open = Breaker::told(admin);
    // Nobody is asked, whoever the sender is.
    client.say("MAIL FROM:<good@example.com>");
    let reply = client.hear().expect("a reply").text();
    let kept_out = Breaker::told(admin);
    if begun.elapsed() >= Duration::from_secs(4) {
        return None;
    }
    assert_eq!(open, Breaker::of("open", 3, 0));
    assert!(reply.starts_with("451 4.7.1 "), "{reply}");
    assert_eq!(kept_out, Breaker::of("open", 3, 1));
    Some((program, admin, client))
}

#[test]
fn a_breaker_is_seen_to_open_to_try_and_to_close() {
    let backend = BackendDouble::start();
    let opened = (0..5).find_map(|_| opened(&backend));
    let (program, admin, mut client) = opened.expect("it is seen before it is over");
    // A trial that fails keeps it open, one that is answered closes it.
    until_a_trial(&program, admin);
    client.ask("MAIL FROM:<bad@example.com>", "451 4.7.1 *");
    assert_eq!(Breaker::told(admin), Breaker::of("open", 3, 1));
    until_a_trial(&program, admin);
    client.say("MAIL FROM:<slow@example.com>");
    program.until("the trial", || Breaker::told(admin).state == "half-open");
    assert_eq!(Breaker::told(admin), Breaker::of("half-open", 3, 1));
    client.expect("250 *");
    assert_eq!(Breaker::told(admin), Breaker::of("closed", 0, 1));
    let listed = program.command(&["filters", "list"]);
    let listed = String::from_utf8_lossy(&listed.stdout);
    assert!(
        listed.contains("moody") && !listed.contains("suspended"),
        "{listed}"
    );
}

/// Until the next question tries the filter.
fn until_a_trial(program: &Program, admin: Admin) {
    let next = || admin.status()["chain"]["filters"][0]["breaker"]["next-probe-ms"].as_u64();
    program.until("the time of the trial", || next() == Some(0));
}

#[test]
fn a_filter_that_cannot_be_loaded_is_told_and_those_before_it_serve_on() {
    let backend = BackendDouble::start();
    let builder = Proxy::before(backend.address()).filter(
        "10-puppet",
        Guest::Puppet,
        "[config]\nmail = [{ when = \"eve\", reject = \"not eve\" }]\n",
    );
    let (admin, builder) = Admin::of(builder);
    let program = Program::run(PROGRAM, builder);
    let sound = std::fs::read(program.filter("10-puppet.wasm")).expect("our file");
    let told = admin.status();
    assert_eq!(told["chain"]["load-error"], Value::Null);
    assert_eq!(load(admin), (1.0, 0.0, 0.0));
    program.put("10-puppet.wasm", b"\0asm and no more");
    program.until("the load error", || load(admin) == (1.0, 1.0, 0.0));
    let told = admin.status();
    let errors = &told["chain"]["load-error"]["errors"];
    let error = errors[0].as_str().unwrap_or_default();
    assert!(error.contains("10-puppet.wasm"), "{told}");
    assert!(
        told["chain"]["load-error"]["since"].as_u64() > Some(0),
        "{told}"
    );
    assert_eq!(told["chain"]["generation"], 1);
    let (code, health) = admin.health();
    assert_eq!(code, 200, "{health}");
    let first = "degraded: filters changed and cannot be loaded, those before them serve on\n";
    assert!(
        health.starts_with(first) && health.contains(error),
        "{health}"
    );
    // The old one answers.
    let mut client = Client::greeted(program.plain());
    client.ask("MAIL FROM:<eve@example.com>", "550 5.7.1 not eve *");
    program.put("10-puppet.wasm", &sound);
    program.until("the end of the load error", || load(admin).1 == 0.0);
    assert_eq!(admin.status()["chain"]["load-error"], Value::Null);
    assert_eq!(admin.health(), (200, "ok\n".to_owned()));
}

/// Generation, load error, absence of the filter.
fn load(admin: Admin) -> (f64, f64, f64) {
    let figures = admin.figures();
    let value = |name: &str| figures.value(name).expect("it is told");
    (
        value("chain_generation"),
        value("chain_load_error"),
        value("filter_absent{filter=\"puppet\"}"),
    )
}

#[test]
fn a_backend_is_seen_to_go_and_to_come_back() {
    let first = BackendDouble::start();
    let second = BackendDouble::start();
    let (one, two) = (first.address(), second.address());
    let addresses = format!("[backend]\naddress = [\"{one}\", \"{two}\"]\n");
    let (admin, builder) = Admin::of(Proxy::before(one).set(&addresses));
    let program = Program::run(PROGRAM, builder);
    program.until("both are up", || states(admin) == ["up", "up"]);
    assert_eq!(admin.health(), (200, "ok\n".to_owned()));
    first.stop();
    program.until("one is down", || states(admin) == ["down", "up"]);
    let (code, health) = admin.health();
    let first_line = "degraded: mail goes to the other addresses of the backend\n";
    assert!(health.starts_with(first_line), "{health}");
    assert!(code == 200 && health.contains(&one.to_string()), "{health}");
    second.stop();
    program.until("both are down", || states(admin) == ["down", "down"]);
    let (code, health) = admin.health();
    assert!(
        health.starts_with("the backend cannot be used\n"),
        "{health}"
    );
    assert!(code == 503 && health.contains(&two.to_string()), "{health}");
    let told = admin.status();
    assert_eq!(told["backend"]["troubles"][0], "the backend cannot be used");
    let _again = BackendDouble::start_at(one);
    program.until("one is up", || states(admin) == ["up", "down"]);
    assert_eq!(admin.health().0, 200);
}

#[test]
fn a_backend_that_offers_no_tls_is_told() {
    let backend = BackendDouble::start();
    let tls = "[backend]\ntls = \"opportunistic\"\n";
    let (admin, builder) = Admin::of(Proxy::before(backend.address()).set(tls));
    let program = Program::run(PROGRAM, builder);
    program.logs(&["mail goes to it in clear", &backend.address().to_string()]);
    let in_clear = || admin.status()["backend"]["addresses"][0]["in-clear"].clone();
    assert!(in_clear().as_u64() > Some(0), "{}", admin.status());
    backend.present(&Certificate::make());
    backend.offer(["PIPELINING", "SIZE 1000000", "8BITMIME", "STARTTLS"]);
    backend.hang_up();
    program.until("a connection in TLS", || {
        let mut client = Client::greeted(program.plain());
        client.ask("MAIL FROM:<a@example.com>", "250 *");
        !program
            .log(&["mail goes to this backend in TLS"])
            .is_empty()
    });
}

/// Takes the message's parts, however long that takes here.
const READER: &str = "time = \"20s\"\nwall = \"60s\"\nmax-message = \"50 MiB\"\n[config]\nmessage = { do = [{ note = [\"transaction\", \"parts\", \"{parts}\"] }] }\n";

#[test]
fn trees_of_large_messages_share_what_memory_there_is_for_them() {
    let backend = BackendDouble::start();
    backend.record_commands_only();
    backend.always(".", [Step::Silence]);
    let builder = Proxy::before(backend.address())
        .set("[limits]\nparse-memory = \"192 MiB\"\n")
        .filter("10-puppet", Guest::Puppet, READER);
    let program = Program::run(PROGRAM, builder);
    // Each takes three times its size until it is answered.
    let large = [
        b"Subject: a\r\n\r\n".to_vec(),
        b"A line.\r\n".repeat(4 << 20),
    ]
    .concat();
    let hand_over = || {
        let mut client = Client::greeted(program.plain());
        client.ask("MAIL FROM:<a@example.com>", "250 *");
        client.ask("RCPT TO:<b@example.org>", "250 *");
        client.ask("DATA", "354 *");
        client.content(&large);
        client
    };
    let _first = hand_over();
    let is_data = |line: &String| line.starts_with("DATA");
    program.until("the backend is handed the first", || {
        backend
            .heard()
            .iter()
            .any(|it| it.lines.iter().any(is_data))
    });
    let _second = hand_over();
    program.logs(&["`parse-memory` is taken"]);
}

/// Of each address, once `/status` and `/metrics` tell the same.
fn states(admin: Admin) -> Vec<String> {
    let told = admin.status();
    let figures = admin.figures();
    let addresses = told["backend"]["addresses"].as_array().expect("a list");
    let states = addresses.iter().map(|it| {
        let state = it["state"].as_str().expect("a state");
        let address = it["address"].as_str().expect("an address");
        let series = format!("backend_state{{backend=\"{address}\",state=\"{state}\"}}");
        // In between it may have changed.
        figures
            .value(&series)
            .map_or("changing", |_| state)
            .to_owned()
    });
    states.collect()
}

#[test]
fn an_address_that_breaks_off_is_failing_until_a_trial_succeeds() {
    let backend = BackendDouble::start();
    let (admin, builder) = Admin::of(Proxy::before(backend.address()));
    let program = Program::run(PROGRAM, builder);
    let mut client = Client::greeted(program.plain());
    backend.always("RCPT *", [Step::Close]);
    for _ in 0..3 {
        client.ask("MAIL FROM:<a@example.com>", "250 *");
        client.ask("RCPT TO:<b@example.org>", "451 4.* *");
        client.ask("RSET", "250 *");
    }
    assert_eq!(states(admin), ["failing"]);
    let told = admin.status();
    let address = &told["backend"]["addresses"][0];
    assert_eq!(address["failures"], 3, "{told}");
    assert!(address["next-trial-ms"].as_u64().is_some(), "{told}");
    assert_eq!(admin.health().0, 503);
    backend.behave();
    program.until("a trial succeeds", || {
        let mut client = Client::greeted(program.plain());
        let message = b"Subject: x\r\n\r\nx\r\n";
        client
            .deliver("a@example.com", &["b@example.org"], message)
            .code
            == 250
    });
    assert_eq!(states(admin), ["up"]);
    assert_eq!(admin.status()["backend"]["addresses"][0]["failures"], 0);
}
