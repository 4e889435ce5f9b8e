//! `greylist` with one memory for two proxies, and with a memory that goes away and comes back.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use lazaret_tests::Client;
use lazaret_tests::peers;
use lazaret_tests::program::Program;

use crate::{Twins, letter};

fn world(delay: &str, auto_allow: u32) -> Option<Twins> {
    let config = format!("[config]\ndelay = \"{delay}\"\nauto-allow = {auto_allow}\n");
    Twins::with(&[("greylist", &config)])
}

/// The code of the reply to RCPT.
fn rcpt(proxy: &Program, from: &str) -> u16 {
    let mut client = Client::greeted(proxy.plain());
    client.ask(&format!("MAIL FROM:<{from}>"), "250 *");
    to(&mut client, "bob")
}

fn to(client: &mut Client, local_part: &str) -> u16 {
    client.say(&format!("RCPT TO:<{local_part}@example.org>"));
    client.hear().expect("a reply").code
}

/// Waits until it is let through.
fn until_known(proxy: &Program, from: &str) {
    let begun = Instant::now();
    while rcpt(proxy, from) != 250 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "{from} never passes"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Waits until it has its memory back: a stranger, each time another one, waits.
fn until_it_remembers(proxy: &Program, number: usize) {
    let begun = Instant::now();
    for round in 0.. {
        if rcpt(proxy, &format!("stranger{number}-{round}@example.com")) == 451 {
            return;
        }
        let patience = Duration::from_secs(60);
        assert!(begun.elapsed() < patience, "proxy {number} never remembers");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn who_came_to_one_proxy_is_known_to_the_other() {
    let Some(world) = world("1s", 0) else { return };
    let [one, other] = &world.proxies;
    assert_eq!(rcpt(one, "eva@example.com"), 451);
    assert_eq!(rcpt(other, "mallory@example.com"), 451);
    std::thread::sleep(Duration::from_millis(1100));
    assert_eq!(rcpt(other, "eva@example.com"), 250);
    assert_eq!(rcpt(one, "eva@example.com"), 250);
    assert_eq!(rcpt(one, "nobody@example.com"), 451);
    peers::ran("redis-server");
}

/// Eight connections, half of them to each proxy, name Bob at the same moment; each hears this.
fn all_at_once(proxies: &[Program; 2], expected: u16) {
    let start = Barrier::new(8);
    std::thread::scope(|scope| {
        for proxy in proxies.iter().cycle().take(8) {
            scope.spawn(|| {
                let mut client = Client::greeted(proxy.plain());
                client.ask("MAIL FROM:<eva@example.com>", "250 *");
                start.wait();
                assert_eq!(to(&mut client, "bob"), expected);
            });
        }
    });
}

/// Two triplets that passed would let the whole network pass.
#[test]
fn one_triplet_that_comes_back_many_times_at_once_is_one() {
    // The eighth is to be heard before the time of the first is over.
    let Some(world) = world("5s", 2) else { return };
    all_at_once(&world.proxies, 451);
    std::thread::sleep(Duration::from_millis(5500));
    all_at_once(&world.proxies, 250);
    let mut client = Client::greeted(world.proxies[0].plain());
    client.ask("MAIL FROM:<eva@example.com>", "250 *");
    assert_eq!(to(&mut client, "anna"), 451, "of one triplet");
    std::thread::sleep(Duration::from_millis(5500));
    assert_eq!(to(&mut client, "anna"), 250);
    assert_eq!(to(&mut client, "carl"), 250, "of two");
    peers::ran("redis-server");
}

/// What clients saw while they sent.
#[derive(Default)]
struct Books {
    accepted: AtomicUsize,
    deferred: AtomicUsize,
    /// rounds that each client has gone through
    rounds: [AtomicUsize; 4],
    over: AtomicBool,
}

impl Books {
    /// Sends until it is over: a known sender, and in between a fresh one.
    fn fill(&self, proxy: &Program, number: usize) {
        while !self.over.load(Relaxed) {
            let round = self.rounds[number].fetch_add(1, Relaxed);
            let fresh = format!("fresh{number}-{round}@example.com");
            for from in ["eva@example.com", &fresh] {
                self.send(proxy, from);
            }
        }
    }

    fn send(&self, proxy: &Program, from: &str) {
        let mut client = Client::greeted(proxy.plain());
        let reply = client.deliver(from, &["bob@example.org"], letter(from).as_bytes());
        match reply.code {
            250 => self.accepted.fetch_add(1, Relaxed),
            451 => self.deferred.fetch_add(1, Relaxed),
            _ => panic!("{reply:?}"),
        };
    }

    /// Waits for so many more of both together.
    fn grow_by(&self, count: usize) {
        let sum = || self.accepted.load(Relaxed) + self.deferred.load(Relaxed);
        let (before, begun) = (sum(), Instant::now());
        while sum() < before + count {
            assert!(begun.elapsed() < Duration::from_secs(120), "mail hangs");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until each client has begun a round after this one: nothing that is under way is older.
    fn turn(&self) {
        let begun = Instant::now();
        for rounds in &self.rounds {
            let before = rounds.load(Relaxed);
            while rounds.load(Relaxed) == before {
                assert!(begun.elapsed() < Duration::from_secs(120), "mail hangs");
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// Without its memory greylist has no say, as configured; mail goes on. When it is back, it still knows whom it knew.
#[test]
fn a_memory_that_is_killed_under_load_loses_nothing_and_holds_nobody_up() {
    let Some(mut world) = world("1s", 0) else {
        return;
    };
    assert_eq!(rcpt(&world.proxies[0], "eva@example.com"), 451);
    until_known(&world.proxies[0], "eva@example.com");
    let books = Books::default();
    let proxies = &world.proxies;
    let redis = &mut world.redis;
    std::thread::scope(|scope| {
        for (number, proxy) in [0, 1, 0, 1].into_iter().enumerate() {
            let books = &books;
            scope.spawn(move || books.fill(&proxies[proxy], number));
        }
        books.grow_by(20);
        assert!(books.deferred.load(Relaxed) > 0, "strangers wait");
        redis.kill();
        books.turn();
        // From here on all that is under way began without it.
        let deferred = books.deferred.load(Relaxed);
        books.grow_by(20);
        assert_eq!(
            books.deferred.load(Relaxed),
            deferred,
            "nobody waits without it"
        );
        redis.again();
        let begun = Instant::now();
        while books.deferred.load(Relaxed) == deferred {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "it does not come back"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        books.grow_by(8);
        books.over.store(true, Relaxed);
    });
    for (number, proxy) in world.proxies.iter().enumerate() {
        until_it_remembers(proxy, number);
        assert_eq!(rcpt(proxy, "eva@example.com"), 250);
        assert!(!proxy.log(&["cannot remember"]).is_empty(), "it said so");
    }
    let delivered = world.backend.deliveries().len();
    assert_eq!(delivered, books.accepted.load(Relaxed), "each once");
    peers::ran("redis-server");
}
