//! `rate`, with every store, and with Debian's Redis between two proxies.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, UNIX_EPOCH};

use lazaret_engine::{Engine, EngineSettings};
use lazaret_services::{STORE_PATIENCE, Services, Settings, state};
use lazaret_tests::peers::{self, Redis, free_port};
use lazaret_tests::program::Program;
use lazaret_tests::{BackendDouble, Client, Proxy, Said, proxy};
use tokio::runtime::Runtime;

use crate::trial::{Service, Trial, vices};

/// Holds the tasks of stores.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));

/// Answers that Redis never gives: of another protocol, of wrong types, and one of 512 MB that never comes.
const LIES: [&[u8]; 4] = [
    b"HTTP/1.1 400 Bad Request\r\n\r\n",
    b"*2\r\n:1\r\n$3\r\nabc\r\n+OK\r\n:-7\r\n",
    b"$536870912\r\nxxxx",
    b"-ERR no\r\n-ERR no\r\n-ERR no\r\n-ERR no\r\n",
];

/// Tokens that come back far too slowly to matter here.
const BURST: usize = 10;

fn limit() -> String {
    format!("[config]\nbucket = [{{ by = \"sender-domain\", rate = \"1/1h\", burst = {BURST} }}]\n")
}

fn program(backend: &BackendDouble, state: &str) -> Program {
    let builder = Proxy::before(backend.address())
        .with_cache()
        .bundled("rate", &limit())
        .set(&format!(
            "state = \"{state}\"\n[limits]\njunk-commands = 1000000"
        ));
    let program = proxy::program();
    Program::run(program.to_str().expect("a path in UTF-8"), builder)
}

/// Asks at MAIL from so many connections to each proxy at once; how many were let through.
fn rush(proxies: &[SocketAddr], connections: usize, each: usize) -> usize {
    let passed = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for address in proxies.iter().cycle().take(proxies.len() * connections) {
            threads.spawn(|| {
                let mut client = Client::greeted(*address);
                for _ in 0..each {
                    passed.fetch_add(usize::from(passes(&mut client)), Ordering::SeqCst);
                }
            });
        }
    });
    passed.into_inner()
}

/// One MAIL, taken back if it was let through. Nothing else may be answered.
fn passes(client: &mut Client) -> bool {
    client.say("MAIL FROM:<offer@bulk.example>");
    let reply = client.hear().expect("a reply");
    match reply.code {
        250 => {
            client.ask("RSET", "250 *");
            true
        }
        451 => {
            assert!(
                reply.text().contains("too much mail from this domain"),
                "{reply:?}"
            );
            false
        }
        _ => panic!("{reply:?}"),
    }
}

#[test]
fn of_many_at_once_as_many_pass_as_there_are_tokens() {
    let backend = BackendDouble::start();
    for state in ["memory", "state.redb"] {
        let program = program(&backend, state);
        assert_eq!(rush(&[program.plain()], 4, 10), BURST, "{state}");
    }
}

#[test]
fn a_file_remembers_who_was_over_the_limit() {
    let backend = BackendDouble::start();
    let mut program = program(&backend, "state.redb");
    assert_eq!(rush(&[program.plain()], 1, 12), BURST);
    program.signal("TERM");
    program.ended(Duration::from_secs(30)).expect("it ends");
    program.again();
    assert_eq!(rush(&[program.plain()], 1, 3), 0);
}

#[test]
fn two_proxies_share_one_redis() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let backend = BackendDouble::start();
    let url = redis.url();
    let proxies = [program(&backend, &url), program(&backend, &url)];
    let both = proxies.each_ref().map(Program::plain);
    assert_eq!(rush(&both, 3, 10), BURST);
    redis.kill();
    redis.again();
    for proxy in &proxies {
        proxy.until("Redis is found again", || {
            !passes(&mut Client::greeted(proxy.plain()))
        });
    }
    assert_eq!(rush(&both, 1, 3), 0, "nothing was forgotten");
    peers::ran("redis-server");
}

/// While Redis is away mail goes on, at once; when it is there again, so are its counts.
#[test]
fn redis_is_restarted_under_load() {
    let Some(mut redis) = Redis::start() else {
        return;
    };
    let backend = BackendDouble::start();
    let url = redis.url();
    let program = program(&backend, &url);
    assert_eq!(rush(&[program.plain()], 1, BURST), BURST);
    let (over, passed) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|threads| {
        let load = threads.spawn(|| {
            let mut client = Client::greeted(program.plain());
            while !over.load(Ordering::SeqCst) {
                passed.fetch_add(usize::from(passes(&mut client)), Ordering::SeqCst);
            }
        });
        redis.kill();
        program.until("some are let through while nobody counts", || {
            load.is_finished() || passed.load(Ordering::SeqCst) > 0
        });
        redis.again();
        program.until("it counts again", || {
            let mut client = Client::greeted(program.plain());
            !passes(&mut client)
        });
        over.store(true, Ordering::SeqCst);
        load.join().expect("every MAIL was answered");
    });
    assert_eq!(rush(&[program.plain()], 1, 3), 0, "nothing was forgotten");
    peers::ran("redis-server");
}

/// With its state there, if it is there.
fn engine(redis: SocketAddr) -> Arc<Engine> {
    let settings = Settings {
        state: state::Place::Redis(format!("redis://{redis}")),
        ..Settings::default()
    };
    let services = RUNTIME.block_on(Services::open(settings));
    let settings = EngineSettings {
        sandboxes: 64,
        services: services.expect("a store that may come later"),
        ..proxy::settings()
    };
    Engine::new(settings).expect("an engine")
}

/// A Redis that knows that all buckets are empty.
fn service(address: SocketAddr) -> Service {
    Service {
        address,
        limit: STORE_PATIENCE,
        says: |heard| match heard.windows(4).any(|part| part == b"EVAL") {
            true => Said::Answer(empty_bucket()),
            // One answer to each command of those with which a connection begins.
            false => Said::SmallTalk(b"+PONG\r\n".repeat(commands(heard))),
        },
        reply: "451 4.7.1 too much mail from this domain, *",
        // Its connection is made anew, after a pause of up to three seconds.
        rest: Duration::from_secs(6),
    }
}

/// When it will be full again, in microseconds, as a bulk string: in little less than a token takes, for each that it holds.
fn empty_bucket() -> Vec<u8> {
    let filling = Duration::from_secs(3600 * BURST as u64 - 60);
    let now = UNIX_EPOCH.elapsed().expect("a clock that is right");
    let full_at = (now + filling).as_micros().to_string();
    format!("${}\r\n{full_at}\r\n", full_at.len()).into_bytes()
}

/// Each is an array.
pub fn commands(heard: &[u8]) -> usize {
    let lines = heard.split(|octet| *octet == b'\n');
    lines.filter(|line| line.starts_with(b"*")).count()
}

/// A filter that remembers in such a Redis, which then is no use in every way.
pub fn is_let_down(service: Service, filter: &str, changes: &str, expected: &str) {
    let address = service.address;
    let trial = Trial::new(service, |builder| {
        builder
            .bundled(filter, changes)
            .set("state = \"memory\"")
            .engine(engine(address))
    });
    trial.goes_wrong(&vices(&LIES), expected);
}

fn rate_is_let_down(when_unavailable: &str, expected: &str) {
    let changes = format!(
        "listeners = [\"plain\"]\n{}when-unavailable = \"{when_unavailable}\"\n",
        limit()
    );
    is_let_down(service(free_port()), "rate", &changes, expected);
}

#[test]
fn a_redis_that_is_no_use_holds_nobody_up() {
    rate_is_let_down("continue", "250 *");
}

#[test]
fn a_redis_that_is_no_use_makes_mail_wait_where_that_is_wanted() {
    rate_is_let_down(
        "defer",
        "451 4.7.1 we cannot take mail right now, try again later (*)",
    );
}
