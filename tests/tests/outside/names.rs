//! Name servers that are no use: `dnsbl` and `auth` answer by their policy within their limits, and nobody else notices.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use lazaret_tests::guests::Guest;
use lazaret_tests::peers::{Manner, Resolver};
use lazaret_tests::program::Program;
use lazaret_tests::{BackendDouble, Client, Delivery};

use crate::{Ends, PROGRAM, before, letter};

/// We are on a list; the sender's domain sends from here.
const RECORDS: [(&str, u16, &str); 3] = [
    ("1.0.0.127.block.example", 1, "127.0.0.2"),
    ("example.com", 16, "v=spf1 ip4:127.0.0.0/8 -all"),
    ("_dmarc.example.com", 16, "v=DMARC1; p=reject"),
];

struct World {
    resolver: Resolver,
    backend: BackendDouble,
    program: Program,
}

/// What a filter that trapped would be told by, and neither ever says of its own here.
const LOUDLY: &str = "on-failure = \"reject\"\nlisteners = [\"plain\"]\n";

const STAMP: &str = "[config]\nmessage = { do = [{ add = [\"X-Stamp\", \"here\"] }] }\n";

/// Both filters at one listener, none at the others; a third one leaves its stamp in every message.
fn world() -> World {
    let resolver = Resolver::start(&RECORDS);
    let backend = BackendDouble::start();
    let builder = before(&backend)
        .set(&format!("[dns]\nservers = [\"{}\"]\n", resolver.address()))
        .bundled("dnsbl", &format!("{LOUDLY}[config]\ntrusted = []\n"))
        .bundled("auth", LOUDLY)
        .filter("95-stamp", Guest::Puppet, STAMP);
    World {
        program: Program::run(PROGRAM, builder),
        resolver,
        backend,
    }
}

/// What became of one message, and how long it took.
#[derive(Debug)]
struct Seen {
    /// to a recipient for whom `dnsbl` may refuse
    rcpt: u16,
    /// after the dot, where `auth` may
    dot: u16,
    /// the slowest reply to a command, which `dnsbl` may hold up
    before: Duration,
    /// the reply after the dot
    after: Duration,
}

impl World {
    fn send(&self) -> Seen {
        let mut client = Client::greeted(self.program.plain());
        client.patience(Duration::from_secs(60));
        let mut before = Duration::ZERO;
        let mut code = |client: &mut Client, line: &str| {
            let (code, waited) = timed(client, line);
            before = before.max(waited);
            code
        };
        code(&mut client, "MAIL FROM:<alice@example.com>");
        let rcpt = code(&mut client, "RCPT TO:<bob@example.org>");
        // Whom nobody refuses by lists.
        assert_eq!(code(&mut client, "RCPT TO:<abuse@example.org>"), 250);
        assert_eq!(code(&mut client, "DATA"), 354);
        let content = letter("alice@example.com") + ".";
        let (dot, after) = timed(&mut client, &content);
        Seen {
            rcpt,
            dot,
            before,
            after,
        }
    }

    /// Messages until one is judged by what the name server says, which does what it should.
    fn comes_back(&self, after: &str) {
        let begun = Instant::now();
        loop {
            let waited = begun.elapsed();
            let seen = self.send();
            if (seen.rcpt, seen.dot) == (550, 250) {
                return;
            }
            assert!(waited < MENDED, "after {after}: {seen:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The last of our messages at the backend.
    fn last(&self) -> String {
        let deliveries = self.backend.deliveries();
        let is_ours =
            |delivery: &&Delivery| delivery.envelope.iter().any(|line| line.contains("abuse@"));
        let last = deliveries.iter().rfind(is_ours).expect("a delivery");
        String::from_utf8_lossy(&last.octets).replace("\r\n ", " ")
    }

    /// While `work` is done, a client at another listener sends; how many messages.
    fn beside(&self, work: impl FnOnce()) -> usize {
        let (over, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = Client::greeted(self.program.address("starttls"));
                while !over.load(Relaxed) {
                    let letter = letter("eva@example.com");
                    let reply =
                        client.deliver("eva@example.com", &["eva@example.org"], letter.as_bytes());
                    assert_eq!(reply.code, 250, "{reply:?}");
                    sent.fetch_add(1, Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
            });
            let _over = Ends(&over);
            work();
        });
        sent.load(Relaxed)
    }
}

/// The code of the reply to that, and how long it took.
fn timed(client: &mut Client, line: &str) -> (u16, Duration) {
    let begun = Instant::now();
    client.say(line);
    (client.hear().expect("a reply").code, begun.elapsed())
}

/// `dns-time` of the two: as `dnsbl` is shipped, and what the host gives `auth`.
const OF_DNSBL: Duration = Duration::from_secs(3);
const OF_AUTH: Duration = Duration::from_secs(5);

/// What a busy machine may add to it. Who waits for an answer that is late shows it by his code, and by twice five seconds if
/// he waits for two.
const SLACK: Duration = Duration::from_secs(3);

/// How long a busy machine may take until all is well again.
const MENDED: Duration = Duration::from_secs(10);

/// By what their policies say: a list that does not answer has no say; `auth` defers what nobody can say anything about. The
/// longest wait is that of `auth`. Once all is well with it, mail is judged by what it says again.
#[test]
fn whatever_the_name_server_does_there_is_an_answer_in_time() {
    let world = world();
    let well = world.send();
    assert_eq!((well.rcpt, well.dot), (550, 250), "{well:?}");
    for (manner, dot, seconds) in [
        (Manner::Broken, 451, 0),
        (Manner::Slowly, 451, 3),
        (Manner::Never, 451, 3),
        (Manner::Nonsense, 451, 0),
        (Manner::Resets, 451, 0),
        (Manner::Endlessly, 250, 0),
        (Manner::InCircles, 250, 0),
        (Manner::OfAnotherType, 250, 0),
        (Manner::Down, 451, 0),
    ] {
        world.resolver.answers(manner);
        world.backend.forget();
        let before = world.resolver.queries();
        let sent = world.beside(|| {
            let seen = world.send();
            assert_eq!((seen.rcpt, seen.dot), (250, dot), "{manner:?}: {seen:?}");
            let in_time = seen.before < OF_DNSBL + SLACK && seen.after < OF_AUTH + SLACK;
            assert!(in_time, "{manner:?}: {seen:?}");
            if dot == 250 {
                let text = world.last();
                assert!(text.contains("\r\nX-Stamp: here\r\n"), "{manner:?}: {text}");
            }
            let least = Duration::from_secs(seconds);
            assert!(seen.after >= least, "{manner:?}: {seen:?}");
        });
        assert!(
            world.resolver.queries() > before || manner == Manner::Down,
            "{manner:?} was not asked"
        );
        // Three seconds of waiting are more than a hundred messages of the other on an idle machine.
        assert!(
            seconds == 0 || sent >= 3,
            "{manner:?}: beside it {sent} were sent"
        );
        world.resolver.answers(Manner::Well);
        world.comes_back(&format!("{manner:?}"));
    }
    let text = world.last();
    assert!(
        text.contains("spf=pass smtp.mailfrom=alice@example.com; dkim=none; dmarc=pass"),
        "{text}"
    );
}
