//! A service misbehaves: who hears of it, and who does not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lazaret_tests::guests::Guest;
use lazaret_tests::proxy::Builder;
use lazaret_tests::{BackendDouble, Client, Delivery, Impostor, Proxy, Reply, Said, Vice, glob};

/// What a service does that is slow: longer than any filter waits here.
const SLOW: Duration = Duration::from_secs(30);

/// When a service gives the right answer that is late: longer than any filter waits here, by [`EARLY`] at least.
const LATE: Duration = Duration::from_secs(5);

/// Whoever is answered so long before [`LATE`] did not wait for that answer.
const EARLY: Duration = Duration::from_millis(500);

/// What a busy machine may add to a filter's limit.
const SLACK: Duration = Duration::from_secs(3);

/// The latest at which a client hears a filter that waits so long for its service.
pub fn in_time(limit: Duration) -> Duration {
    assert!(limit < LATE - EARLY, "{limit:?} tells nothing");
    (limit + SLACK).min(LATE - EARLY)
}

/// An ordinary message.
pub const MESSAGE: &[u8] = b"From: a@example.com\r\nSubject: hello\r\n\r\nA line.\r\n";

/// The ways in which a service is no use; `lies` are answers that this service never gives.
pub fn vices(lies: &[&[u8]]) -> Vec<Vice> {
    let lies = lies.iter().map(|lie| Vice::Says(lie.to_vec()));
    let flood = Vice::Says(vec![b'x'; 64 << 10]);
    let silent = [Vice::Slow(SLOW), Vice::Resets];
    silent.into_iter().chain(lies).chain([flood]).collect()
}

/// A service that a filter asks.
pub struct Service {
    pub address: SocketAddr,
    /// how long the filter waits for it, by the filter's own key or the host's
    pub limit: Duration,
    /// what it says while nothing is wrong with it
    pub says: fn(&[u8]) -> Said,
    /// what a client then hears who sends [`MESSAGE`]; nobody hears that from a filter that is let down
    pub reply: &'static str,
    /// how long it may stay unasked, or be asked in vain on a busy machine, after it was no use
    pub rest: Duration,
}

/// A proxy whose listener `plain` asks a filter about a service, and one whose other listeners do not.
pub struct Trial {
    pub proxy: Proxy,
    pub backend: BackendDouble,
    service: Service,
}

impl Trial {
    /// `filter` puts the filter in, with `listeners = ["plain"]`. Another one leaves its stamp in every message.
    pub fn new(service: Service, filter: impl FnOnce(Builder) -> Builder) -> Self {
        let backend = BackendDouble::start();
        let stamp = "[config]\nmessage = { do = [{ add = [\"X-Stamp\", \"here\"] }] }\n";
        let builder = Proxy::before(backend.address()).filter("95-stamp", Guest::Puppet, stamp);
        Self {
            proxy: filter(builder).start(),
            backend,
            service,
        }
    }

    /// One message through the listener with the filter.
    pub fn message(&self, message: &[u8]) -> Reply {
        let mut client = Client::greeted(self.proxy.plain());
        client.deliver("eva@example.com", &["anna@example.org"], message)
    }

    /// Mail passes again before long: a server that listens may not answer in time yet.
    pub fn mends(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.message(MESSAGE).code != 250 {
            assert!(Instant::now() < deadline, "mail does not pass again");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// While nobody listens, and with each of `vices` and an answer that is late: the client hears `expected` within the
    /// filter's limit, and meanwhile those who are not asked about get their mail through, stamped by the other filter.
    /// After each the service is asked again.
    pub fn goes_wrong(&self, vices: &[Vice], expected: &str) {
        self.is_let_down("down", expected, Duration::ZERO);
        self.comes_back("down");
        let Service { address, says, .. } = self.service;
        let late = Vice::Late(LATE, says);
        for vice in vices.iter().chain([&late]) {
            let least = match vice {
                Vice::Late(..) => LATE + Duration::from_millis(200),
                _ => Duration::ZERO,
            };
            let impostor = Impostor::start(address, vice.clone());
            let how = format!("{vice:?}");
            let how = &how[..how.len().min(200)];
            self.is_let_down(how, expected, least);
            drop(impostor);
            self.comes_back(how);
        }
    }

    /// The neighbours send for so long at least.
    fn is_let_down(&self, how: &str, expected: &str, least: Duration) {
        self.backend.forget();
        let begun = Instant::now();
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| (self.message(MESSAGE), begun.elapsed()));
            let ended = || waiting.is_finished() && begun.elapsed() >= least;
            let sent = self.neighbours_send_until(ended);
            let (reply, waited) = waiting.join().expect("the client hears a reply");
            let last = reply.lines.last().expect("a line");
            assert!(glob::fits(expected, last), "{how}: {last}");
            assert!(waited < in_time(self.service.limit), "{how}: {waited:?}");
            self.have_arrived("bob@", sent);
            // Whatever became of the filter that was let down, the next one was asked.
            self.have_arrived("eva@", usize::from(reply.code == 250));
        });
    }

    /// By itself, as soon as there is somebody who answers.
    fn comes_back(&self, how: &str) {
        let Service { address, says, .. } = self.service;
        let _right = Impostor::start(address, Vice::Late(Duration::ZERO, says));
        let begun = Instant::now();
        loop {
            let waited = begun.elapsed();
            let reply = self.message(MESSAGE);
            let last = reply.lines.last().expect("a line");
            if glob::fits(self.service.reply, last) {
                return;
            }
            assert!(waited < self.service.rest, "after {how}: {last}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// At least five messages, one after the other; how many.
    fn neighbours_send_until(&self, ended: impl Fn() -> bool) -> usize {
        let mut neighbour = Client::greeted(self.proxy.address("starttls"));
        let mut sent = 0;
        while sent < 5 || !ended() {
            let reply = neighbour.deliver("bob@example.net", &["anna@example.org"], MESSAGE);
            assert_eq!(reply.code, 250, "{reply:?}");
            sent += 1;
        }
        sent
    }

    /// So many of this sender, each with the stamp of the other filter.
    fn have_arrived(&self, sender: &str, sent: usize) {
        let of_sender = || {
            let mut all = self.backend.deliveries();
            all.retain(|it| it.envelope[0].contains(sender));
            all
        };
        let deadline = Instant::now() + SLOW;
        while of_sender().len() < sent && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let arrived = of_sender();
        assert_eq!(arrived.len(), sent);
        let stamped = |it: &Delivery| {
            let text = String::from_utf8_lossy(&it.octets);
            text.contains("\r\nX-Stamp: here\r\n")
        };
        assert!(arrived.iter().all(stamped), "{arrived:?}");
    }
}
