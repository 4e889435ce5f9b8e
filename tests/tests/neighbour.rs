//! What a well-behaved client notices while another one's filter misbehaves. In a test program of its own: nothing else
//! runs beside it.
//!
//! `LAZARET_ROUNDS=8 cargo test -p lazaret-tests --test neighbour -- --nocapture` measures; a plain run only looks that
//! nobody has to wait for the filter's end.

use std::time::{Duration, Instant};

use lazaret_tests::guests::Guest;
use lazaret_tests::quantile::quantile;
use lazaret_tests::{BackendDouble, Client, Neighbour, Proxy, Samples, Window};

const MISDEEDS: [(&str, &str); 6] = [
    ("loop", "do = [{ loop = true }]"),
    ("bomb", "do = [{ grow = 1000 }]"),
    ("trap", "do = [{ unreachable = true }]"),
    ("flood", "do = [{ flood = 1000000 }]"),
    ("calls", "do = [{ calls = 10000000 }]"),
    ("huge", "reject = \"{huge:5000000}\""),
];

/// What nobody who measures calls a delay, whatever the ratio: two processors take turns at other things, too.
const NOT_SLOW: Duration = Duration::from_millis(15);

const STAGES: [&str; 6] = ["connect", "hello", "mail", "rcpt", "headers", "message"];

const MESSAGE: &[u8] = b"From: a@example.com\r\nSubject: hello\r\n\r\nA line.\r\n";

/// Length of a window. Quiet ones and those under attack take turns, so that whatever else this machine does falls
/// into both.
const WINDOW: Duration = Duration::from_millis(250);

/// Windows of each kind for each misdeed at each stage, where somebody measures.
fn measured() -> Option<u32> {
    let asked = std::env::var("LAZARET_ROUNDS").ok();
    asked.map(|rounds| rounds.parse().expect("LAZARET_ROUNDS is a number"))
}

/// The filter misbehaves at one stage for the listener `starttls`, and is not asked on `plain`.
fn hostile(backend: &BackendDouble, stage: &str, deed: &str) -> Proxy {
    let policy = format!(
        "listeners = [\"starttls\"]\nmemory = \"16 MiB\"\ntime = \"100ms\"\n[config]\n{stage} = {{ {deed} }}\n"
    );
    Proxy::before(backend.address())
        .filter(&format!("10-hostile-{stage}"), Guest::Puppet, &policy)
        .start()
}

/// A session up to that stage, where the filter does its deed.
fn provoke(proxy: &Proxy, stage: &str) {
    let mut client = Client::connect(proxy.address("starttls"));
    let _ = client.hear();
    if stage == "connect" {
        return;
    }
    client.say("EHLO client.example.com");
    let _ = client.hear();
    if stage != "hello" {
        client.deliver("alice@example.com", &["bob@example.org"], MESSAGE);
        client.ask("QUIT", "221 *");
    }
}

fn watch(proxy: &Proxy, stage: &str) -> Samples {
    provoke(proxy, stage);
    let neighbour = Neighbour::start(proxy.plain());
    for _ in 0..measured().unwrap_or(1) {
        std::thread::sleep(Duration::from_millis(50));
        neighbour.enter(Window::Quiet);
        std::thread::sleep(WINDOW);
        neighbour.enter(Window::Attack);
        let end = Instant::now() + WINDOW;
        while Instant::now() < end {
            provoke(proxy, stage);
        }
        neighbour.enter(Window::Pause);
    }
    neighbour.finish()
}

#[test]
fn a_neighbour_does_not_wait_for_a_filter_that_misbehaves() {
    let backend = BackendDouble::start();
    for (name, deed) in MISDEEDS {
        let mut samples = Samples::default();
        for stage in STAGES {
            samples.extend(watch(&hostile(&backend, stage, deed), stage));
        }
        let (quiet, attack) = (
            quantile(&samples.quiet, 0.99),
            quantile(&samples.attack, 0.99),
        );
        println!(
            "{name:5}: p99 {attack:>10.2?} of {:4} under attack, {quiet:>10.2?} of {:4} quiet, {:.2} x; p50 {:.2?} and {:.2?}",
            samples.attack.len(),
            samples.quiet.len(),
            attack.as_secs_f64() / quiet.as_secs_f64(),
            quantile(&samples.attack, 0.5),
            quantile(&samples.quiet, 0.5),
        );
        assert!(
            measured().is_none() || attack <= NOT_SLOW.max(quiet * 2),
            "{name}: {attack:?} beside {quiet:?}"
        );
        // The rare ones say more of the machine than of us where tests run beside other work: those are for people. What
        // must not be is that everybody waits for the filter's 100 ms.
        let (attack, quiet) = (
            quantile(&samples.attack, 0.5),
            quantile(&samples.quiet, 0.5),
        );
        assert!(
            attack < Duration::from_millis(60).max(quiet * 10),
            "{name} held up a neighbour for {attack:?} each time"
        );
    }
}
