//! `rate` and `greylist` in one chain, at two proxies that share one Redis, which is killed under load.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use lazaret_tests::Client;
use lazaret_tests::peers;
use lazaret_tests::program::Program;
use lazaret_tests::quantile::quantile;

use crate::{Ends, Twins, letter};

/// Tokens of a domain. They come back far too slowly to matter here.
const BURST: usize = 40;
/// Clients that send at once, half of them to each proxy first.
const CLIENTS: usize = 16;
/// A reply takes no longer; on a busy machine one in [`FEW`] may.
const SLOW: Duration = Duration::from_secs(5);
const FEW: usize = 200;
/// No reply may take longer, whatever the machine has to do.
const SLOWEST: Duration = Duration::from_secs(10);
/// What both say while nobody counts or remembers; so does the proxy for them.
const UNAVAILABLE: &str = "we cannot take mail right now, try again later";
const SPENT: &str = "too much mail from this domain";
const UNKNOWN: &str = "we do not know you yet";

/// Whom neither filter can judge has to wait.
fn world() -> Option<Twins> {
    let rate = format!(
        "[config]\nwhen-unavailable = \"defer\"\n\
         bucket = [{{ by = \"sender-domain\", rate = \"1/1h\", burst = {BURST} }}]\n"
    );
    let greylist = "[config]\ndelay = \"1s\"\nauto-allow = 0\nwhen-unavailable = \"defer\"\n";
    Twins::with(&[("rate", &rate), ("greylist", greylist)])
}

/// What clients saw. Each attempt has a number of its own, which its message carries.
#[derive(Default)]
struct Books {
    attempts: AtomicUsize,
    /// the numbers of those that were answered 250 after the dot
    taken: Mutex<Vec<usize>>,
    /// answers of somebody who could not ask Redis
    unavailable: AtomicUsize,
    /// how long each reply took
    waits: Mutex<Vec<Duration>>,
    over: AtomicBool,
}

impl Books {
    /// One message of this sender, at one proxy: `None` if it was taken, else what was said.
    fn attempt(&self, proxy: &Program, from: &str) -> Option<String> {
        let number = self.attempts.fetch_add(1, Relaxed);
        let content = format!("X-Attempt: {number}\r\n{}.", letter(from));
        let mail = format!("MAIL FROM:<{from}>");
        let mut client = Client::greeted(proxy.plain());
        for (line, wanted) in [
            (mail.as_str(), 250),
            ("RCPT TO:<bob@example.org>", 250),
            ("DATA", 354),
            (content.as_str(), 250),
        ] {
            client.say(line);
            let refused = self.hear(&mut client, wanted);
            if refused.is_some() {
                return refused;
            }
        }
        self.taken.lock().expect("no panic").push(number);
        None
    }

    /// A reply, in time: `None` if it is the one that is wanted. Else it can only be 451.
    fn hear(&self, client: &mut Client, wanted: u16) -> Option<String> {
        let begun = Instant::now();
        let reply = client.hear().expect("a reply");
        let mut waits = self.waits.lock().expect("no panic");
        waits.push(begun.elapsed());
        drop(waits);
        if reply.code == wanted {
            return None;
        }
        let text = reply.text();
        assert_eq!(reply.code, 451, "{text}");
        let unavailable = text.contains(UNAVAILABLE);
        self.unavailable.fetch_add(unavailable.into(), Relaxed);
        Some(text)
    }
}

impl Books {
    /// Sends until it is over, as a server does that has mail for us: one message after the other, each again and again,
    /// at one proxy and at the other, until it is taken. None of these senders has ever spent his tokens.
    fn fill(&self, proxies: &[Program; 2], client: usize) {
        let mut turns = proxies.iter().cycle().skip(client % 2);
        for message in 0.. {
            let from = format!("eva@m{message}.client{client}.example");
            while let Some(said) = self.attempt(turns.next().expect("a cycle"), &from) {
                assert!(!said.contains(SPENT), "{from}: {said}");
                if self.over.load(Relaxed) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
    }

    /// One who has nothing left tries all the while, and is never let through.
    fn never_take(&self, proxies: &[Program; 2], from: &str) {
        for proxy in proxies.iter().cycle() {
            let said = self.attempt(proxy, from).expect("it is not taken");
            let right = said.contains(SPENT) || said.contains(UNAVAILABLE);
            assert!(right, "{from}: {said}");
            if self.over.load(Relaxed) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until there are so many more of them.
    fn more(&self, count: usize, what: &str, of: impl Fn(&Self) -> usize) {
        let (before, begun) = (of(self), Instant::now());
        while of(self) < before + count {
            assert!(begun.elapsed() < Duration::from_secs(120), "no more {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The replies came in time; how slow they were.
    fn in_time(&self) -> String {
        let waits = self.waits.lock().expect("no panic");
        let over = waits.iter().filter(|it| **it > SLOW).count();
        let [median, slowest] = [0.5, 1.0].map(|share| quantile(&waits, share));
        let told = format!(
            "{over} of {} replies took over {SLOW:?}, half {median:?} at most, the slowest {slowest:?}",
            waits.len()
        );
        assert!(over * FEW <= waits.len() && slowest < SLOWEST, "{told}");
        told
    }

    fn taken(&self) -> usize {
        self.taken.lock().expect("no panic").len()
    }

    fn unavailable(&self) -> usize {
        self.unavailable.load(Relaxed)
    }
}

impl Twins {
    /// Spends all tokens of this domain at the first proxy, where it is known at once that they are gone.
    fn spend(&self, books: &Books, from: &str) {
        for _ in 0..BURST {
            let mut client = Client::greeted(self.proxies[0].plain());
            client.ask(&format!("MAIL FROM:<{from}>"), "250 *");
        }
        self.is_spent(books, from);
    }

    /// At both.
    fn is_spent(&self, books: &Books, from: &str) {
        for proxy in &self.proxies {
            let said = books.attempt(proxy, from).expect("it is not taken");
            assert!(said.contains(SPENT), "{from}: {said}");
        }
    }

    fn must_wait(&self, books: &Books, proxy: usize, from: &str) {
        let said = books.attempt(&self.proxies[proxy], from);
        let said = said.expect("it is not taken");
        assert!(said.contains(UNKNOWN), "{from}: {said}");
    }

    fn is_known(&self, books: &Books, proxy: usize, from: &str) {
        assert_eq!(books.attempt(&self.proxies[proxy], from), None, "{from}");
    }

    /// The numbers of the attempts that the backend has stored.
    fn stored(&self) -> Vec<usize> {
        let number = |octets: &[u8]| {
            let text = String::from_utf8_lossy(octets).into_owned();
            let (_, behind) = text.split_once("X-Attempt: ").expect("each has one");
            let (number, _) = behind.split_once("\r\n").expect("a field ends");
            number.parse().expect("a number")
        };
        let deliveries = self.backend.deliveries();
        let mut numbers: Vec<_> = deliveries.iter().map(|it| number(&it.octets)).collect();
        numbers.sort_unstable();
        numbers
    }
}

/// Twice Redis is killed and started again while mail keeps coming.
fn under_load(world: &mut Twins, books: &Books) {
    let (redis, proxies) = (&mut world.redis, &world.proxies);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            scope.spawn(move || books.fill(proxies, client));
        }
        scope.spawn(|| books.never_take(proxies, "offer@bulk.example"));
        let _over = Ends(&books.over);
        books.more(CLIENTS, "mail is taken at first", Books::taken);
        for _ in 0..2 {
            redis.kill();
            books.more(50, "answers without Redis", Books::unavailable);
            redis.again();
            books.more(2 * CLIENTS, "mail is taken again", Books::taken);
        }
    });
}

#[test]
fn what_one_proxy_counts_and_remembers_the_other_knows_and_a_killed_redis_loses_nothing() {
    let Some(mut world) = world() else { return };
    let books = Books::default();
    world.spend(&books, "offer@bulk.example");
    world.must_wait(&books, 0, "eva@known.example");
    world.must_wait(&books, 0, "eva@late.example");
    std::thread::sleep(Duration::from_millis(1100));
    world.is_known(&books, 1, "eva@known.example");

    under_load(&mut world, &books);

    for proxy in &world.proxies {
        proxy.until("both know again who has nothing left", || {
            let said = books.attempt(proxy, "offer@bulk.example");
            said.is_some_and(|said| said.contains(SPENT))
        });
        assert!(!proxy.log(&["cannot count"]).is_empty(), "it said so");
    }
    world.is_spent(&books, "offer@bulk.example");
    world.is_known(&books, 0, "eva@known.example");
    world.is_known(&books, 1, "eva@late.example");
    world.must_wait(&books, 1, "eva@stranger.example");

    let mut taken = books.taken.lock().expect("no panic").clone();
    taken.sort_unstable();
    assert_eq!(world.stored(), taken, "each that was taken once, no other");
    println!(
        "{} attempts, {} taken, {} answers without Redis; {}",
        books.attempts.load(Relaxed),
        taken.len(),
        books.unavailable(),
        books.in_time(),
    );
    peers::ran("redis-server");
}
