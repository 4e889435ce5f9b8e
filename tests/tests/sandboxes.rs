//! A filter can hurt only the transaction it judges: hostile guests at every stage, and what others notice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use lazaret_engine::{Engine, EngineSettings};
use lazaret_tests::guests::{self, Guest};
use lazaret_tests::quantile::quantile;
use lazaret_tests::{BackendDouble, Client, Neighbour, Proxy, Window, journal};
use serde_json::Value;

/// CPU that a stage of a hostile filter is given.
const TIME: Duration = Duration::from_millis(100);
/// CPU that it may take on top before it is stopped.
const GRACE: Duration = Duration::from_millis(50);

/// What the filter does, in the words of the puppet.
const MISDEEDS: [(&str, &str); 5] = [
    ("loop", "{ loop = true }"),
    ("bomb", "{ grow = 1000 }"),
    ("trap", "{ unreachable = true }"),
    ("flood", "{ flood = 1000000 }"),
    ("calls", "{ calls = 10000000 }"),
];

const STAGES: [&str; 6] = ["connect", "hello", "mail", "rcpt", "headers", "message"];

const MESSAGE: &[u8] = b"From: a@example.com\r\nSubject: hello\r\n\r\nA line.\r\n";

/// A proxy whose filter misbehaves at one stage on the listener `starttls`, and is not asked on `plain`.
fn hostile(backend: &BackendDouble, name: &str, stage: &str, deeds: &str) -> Proxy {
    let policy = format!(
        "listeners = [\"starttls\"]\nmemory = \"16 MiB\"\ntime = \"{}ms\"\n[config]\n{stage} = {{ {deeds} }}\n",
        TIME.as_millis()
    );
    Proxy::before(backend.address())
        .filter(&format!("10-{name}-{stage}"), Guest::Puppet, &policy)
        .start()
}

/// Goes through a session up to `stage` and returns what the hostile filter's answer is to the client.
fn answer_at(proxy: &Proxy, stage: &str) -> u16 {
    let mut client = Client::connect(proxy.address("starttls"));
    let reply = client.hear().expect("a greeting");
    if stage == "connect" {
        return reply.code;
    }
    client.say("EHLO client.example.com");
    let reply = client.hear().expect("a reply to EHLO");
    if stage == "hello" {
        return reply.code;
    }
    let reply = client.deliver("alice@example.com", &["bob@example.org"], MESSAGE);
    client.ask("QUIT", "221 *");
    reply.code
}

/// What the client hears of a filter that failed at this stage, whose `on-failure` is defer.
fn deferred(stage: &str) -> u16 {
    match stage {
        "connect" => 421,
        "hello" => 450,
        _ => 451,
    }
}

/// What it hears of a filter that had no objection.
fn continued(stage: &str) -> u16 {
    match stage {
        "connect" => 220,
        _ => 250,
    }
}

/// The records in the log of what the filter of that name used.
fn records(filter: &str) -> Vec<Value> {
    journal::lines(&[&format!("\"filter\":\"{filter}\""), "cpu_us"])
}

/// The CPU that the filter used, from its last record in the log; there is one more than there were before.
fn cpu_used(filter: &str, before: usize) -> Duration {
    let deadline = Instant::now() + Duration::from_secs(30);
    while records(filter).len() <= before {
        assert!(Instant::now() < deadline, "no record of {filter}");
        std::thread::sleep(Duration::from_millis(5));
    }
    let records = records(filter);
    let used = records.last().expect("a record")["fields"]["cpu_us"].as_u64();
    Duration::from_micros(used.expect("a number of microseconds"))
}

/// What a filter of that name answers at this stage, and the CPU it used for it, if it is stopped or ends.
fn play(backend: &BackendDouble, name: &str, stage: &str, deeds: &str) -> (u16, Duration) {
    let filter = format!("{name}-{stage}");
    let before = records(&filter).len();
    let proxy = hostile(backend, name, stage, deeds);
    let code = answer_at(&proxy, stage);
    (code, cpu_used(&filter, before))
}

/// So often the machine may be too busy to stop a guest in time: once beside nothing else. Where nothing stops it, ten
/// times are as telling as three.
fn most_late() -> usize {
    match lazaret_tests::measured() {
        true => 1,
        false => 9,
    }
}

/// Does it three times within its CPU and the grace, before it is late too often, with one of these answers each time? On a
/// busy machine whoever is to stop it may now and then come late. The most that it used, late or not.
fn stopped(
    backend: &BackendDouble,
    name: &str,
    stage: &str,
    deeds: &str,
    codes: &[u16],
) -> Duration {
    let (mut within, mut late) = (Vec::new(), Vec::new());
    while within.len() < 3 {
        let (code, used) = play(backend, name, stage, deeds);
        assert!(
            codes.contains(&code),
            "{name} at {stage}: {code}, expected {codes:?}"
        );
        match used <= TIME + GRACE {
            true => within.push(used),
            false => late.push(used),
        }
        assert!(
            late.len() <= most_late(),
            "{name} at {stage} used {late:?} of CPU, {within:?} within"
        );
    }
    within.into_iter().chain(late).max().unwrap_or_default()
}

#[test]
fn a_hostile_filter_is_stopped_at_every_stage() {
    let backend = BackendDouble::start();
    for (name, deed) in MISDEEDS {
        let mut most = Duration::ZERO;
        for stage in STAGES {
            let deeds = format!("do = [{deed}]");
            let codes = match name {
                // Lines of a flood are dropped: it ends within its time, or its time ends.
                "flood" => &[deferred(stage), continued(stage)][..],
                _ => &[deferred(stage)],
            };
            most = most.max(stopped(&backend, name, stage, &deeds, codes));
        }
        println!("{name}: CPU at most {most:?}");
    }
}

#[test]
fn a_huge_reply_at_every_stage_gets_the_configured_answer() {
    let backend = BackendDouble::start();
    for stage in STAGES {
        // 50 MB do not fit into 16 MiB; of what fits, the client is told a part.
        let huge = "reject = \"{huge:50000000}\"";
        let used = stopped(&backend, "huge", stage, huge, &[deferred(stage)]);
        let long = "reject = \"{huge:1000000}\"";
        let refused = if stage == "connect" { 554 } else { 550 };
        let fits = stopped(&backend, "long", stage, long, &[refused]);
        println!("at {stage}: CPU {used:?} for 50 MB, {fits:?} for one");
    }
}

#[test]
fn a_filter_that_sleeps_does_not_hold_a_neighbour_up() {
    let backend = BackendDouble::start();
    let policy = "listeners = [\"starttls\"]\nwall = \"500ms\"\n[config]\nmail = { do = [{ sleep = 60000 }] }\n";
    let proxy = Proxy::before(backend.address())
        .filter("10-sleeper", Guest::Puppet, policy)
        .start();
    let neighbour = Neighbour::start(proxy.plain());
    neighbour.enter(Window::Attack);
    let begun = Instant::now();
    assert_eq!(answer_at(&proxy, "mail"), 451);
    let took = begun.elapsed();
    assert!(
        took >= Duration::from_millis(500),
        "answered after {took:?}"
    );
    assert!(took < Duration::from_secs(20), "answered after {took:?}");
    let p99 = quantile(&neighbour.finish().attack, 0.99);
    println!("sleep: answered after {took:?}; neighbour's p99 {p99:?}");
}

#[test]
fn pace_holds_the_reply_back_and_nobody_elses() {
    let backend = BackendDouble::start();
    let policy = "listeners = [\"starttls\"]\n[config]\nrcpt = { do = [{ hold = 3000 }] }\n";
    let proxy = Proxy::before(backend.address())
        .filter("10-slow", Guest::Puppet, policy)
        .start();
    let neighbour = Neighbour::start(proxy.plain());
    neighbour.enter(Window::Attack);
    let begun = Instant::now();
    assert_eq!(answer_at(&proxy, "rcpt"), 250);
    assert!(begun.elapsed() >= Duration::from_secs(3));
    let p50 = quantile(&neighbour.finish().attack, 0.5);
    assert!(
        p50 < Duration::from_millis(1500),
        "a neighbour waited {p50:?}"
    );
}

#[test]
fn many_sessions_judged_at_once_each_have_their_own_sandbox() {
    let backend = BackendDouble::start();
    let policy = "[config]\n\
        mail = { do = [{ remember = \"{sender}\" }] }\n\
        message = { reject = \"{count} {remembered} {recipients}\" }\n";
    let proxy = Proxy::before(backend.address())
        .filter("10-memory", Guest::Puppet, policy)
        .start();
    let clients: Vec<_> = (0..30)
        .map(|n| {
            let address = proxy.plain();
            std::thread::spawn(move || {
                let mut client = Client::greeted(address);
                let (from, to) = (format!("a{n}@example.com"), format!("b{n}@example.org"));
                for _ in 0..3 {
                    let reply = client.deliver(&from, &[&to], MESSAGE);
                    let expected = format!("550 5.7.1 2 {from} {to} (");
                    assert!(reply.text().starts_with(&expected), "{reply:?}");
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("every session heard its own filter");
    }
}

#[test]
fn observers_delay_nobody_however_long_they_take() {
    let backend = BackendDouble::start();
    let policy = "time = \"5s\"\n[config]\noutcome = { do = [{ loop = true }] }\ndisconnect = { do = [{ sleep = 60000 }] }\n";
    let proxy = Proxy::before(backend.address())
        .filter("10-watcher", Guest::Puppet, policy)
        .start();
    let begun = Instant::now();
    let mut client = Client::greeted(proxy.plain());
    for _ in 0..3 {
        let reply = client.deliver("alice@example.com", &["bob@example.org"], MESSAGE);
        assert_eq!(reply.code, 250, "{reply:?}");
    }
    client.ask("QUIT", "221 *");
    client.ended();
    assert!(
        begun.elapsed() < Duration::from_secs(12),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn a_table_that_grows_without_end_is_stopped() {
    let backend = BackendDouble::start();
    let growing = guests::observer_with(
        "(table $t 1 funcref)
         (func $grow (export \"grow\")
            (loop $again
                (br_if $again (i32.ge_s (table.grow $t (ref.null func) (i32.const 10000)) (i32.const 0)))))
         (start $grow)",
    );
    let proxy = Proxy::before(backend.address())
        .file("filters.d/10-table.wasm", &guests::assemble(&growing))
        .file("filters.d/10-table.toml", b"")
        .start();
    for _ in 0..3 {
        let mut client = Client::greeted(proxy.plain());
        let reply = client.deliver("alice@example.com", &["bob@example.org"], MESSAGE);
        assert_eq!(reply.code, 250, "{reply:?}");
        client.ask("QUIT", "221 *");
    }
}

/// Three places for sandboxes.
fn cramped() -> Arc<Engine> {
    let settings = EngineSettings {
        sandboxes: PLACES,
        ..EngineSettings::default()
    };
    Engine::new(settings).expect("an engine")
}

const PLACES: u32 = 3;
/// How long a sandbox is left to a client that says nothing.
const KEPT: Duration = Duration::from_secs(1);

/// Lets clients that were greeted take a sandbox each, all at once; they say nothing more.
fn fall_silent(clients: &mut [Client]) {
    for client in &mut *clients {
        client.say("MAIL FROM:<silent@example.com>");
    }
    for client in clients {
        client.expect("250 *");
    }
}

fn greeted(proxy: &Proxy, count: u32) -> Vec<Client> {
    (0..count).map(|_| Client::greeted(proxy.plain())).collect()
}

/// Rejects what it is to reject, if it is asked; who gets it to fail gets past it.
const GUARD: &str = "on-failure = \"skip\"\nwall = \"WALL\"\n[config]\nmail = { do = [] }\nmessage = { reject = \"seen\" }\n";

fn guarded(backend: &BackendDouble, wall: &str) -> Proxy {
    Proxy::before(backend.address())
        .filter("10-guard", Guest::Puppet, &GUARD.replace("WALL", wall))
        .engine(cramped())
        .start()
}

#[test]
fn where_no_sandbox_is_free_mail_waits_and_does_not_pass_unseen() {
    let backend = BackendDouble::start();
    let refused = (0..20).any(|_| is_refused_for_want_of_room(&backend));
    assert!(refused, "each time we were too slow for it");
}

/// One who comes while others hold all sandboxes; false if a place was free by the time its own came up.
fn is_refused_for_want_of_room(backend: &BackendDouble) -> bool {
    let proxy = guarded(backend, "400ms");
    let mut silent = greeted(&proxy, PLACES);
    let mut client = Client::greeted(proxy.plain());
    let begun = Instant::now();
    fall_silent(&mut silent);
    let reply = client.deliver("alice@example.com", &["bob@example.org"], MESSAGE);
    let busy = "451 4.3.2 Too busy to check mail now, try again later (";
    if !reply.text().starts_with(busy) {
        assert!(reply.text().starts_with("550 5.7.1 seen ("), "{reply:?}");
        assert!(begun.elapsed() >= KEPT, "given up too early: {reply:?}");
        return false;
    }
    let session = reply.session().expect("a session").to_owned();
    let line = journal::wait_for(&[&session, "\"message\":\"refused\""]);
    assert_eq!(line[0]["fields"]["by"], "(rule)", "no filter decided this");
    true
}

#[test]
fn silent_clients_do_not_keep_a_filter_from_others() {
    let backend = BackendDouble::start();
    let proxy = guarded(&backend, "10s");
    let mut silent = greeted(&proxy, PLACES);
    for client in silent.chunks_mut(1) {
        fall_silent(client);
    }
    let mut client = Client::greeted(proxy.plain());
    let reply = client.deliver("alice@example.com", &["bob@example.org"], MESSAGE);
    assert!(reply.text().starts_with("550 5.7.1 seen ("), "{reply:?}");
    // The one who was silent longest has lost its sandbox, and hears so; it can begin anew.
    silent[0].ask("RCPT TO:<bob@example.org>", "250 *");
    silent[0].ask("DATA", "354 *");
    silent[0].content(MESSAGE);
    silent[0].expect("451 4.3.2 Too busy to check mail now, try again later (*)");
    let reply = silent[0].deliver("alice@example.com", &["bob@example.org"], MESSAGE);
    assert!(reply.text().starts_with("550 5.7.1 seen ("), "{reply:?}");
}
