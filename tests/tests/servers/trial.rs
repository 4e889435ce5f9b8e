//! A service misbehaves: who hears of it, and who does not.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use lazaret_tests::guests::Guest;
use lazaret_tests::proxy::Builder;
use lazaret_tests::{BackendDouble, Client, Delivery, Impostor, Proxy, Reply, Vice};

/// What a service does that is slow: longer than any filter waits here.
pub const SLOW: Duration = Duration::from_secs(30);

/// An ordinary message.
pub const MESSAGE: &[u8] = b"From: a@example.com\r\nSubject: hello\r\n\r\nA line.\r\n";

/// The ways in which a service is no use; `lies` are answers that this service never gives.
pub fn vices(lies: &[&[u8]]) -> Vec<Vice> {
    let lies = lies.iter().map(|lie| Vice::Says(lie.to_vec()));
    let flood = Vice::Says(vec![b'x'; 64 << 10]);
    let silent = [Vice::Slow(SLOW), Vice::Resets];
    silent.into_iter().chain(lies).chain([flood]).collect()
}

/// A proxy whose listener `plain` asks a filter about a service, and one whose other listeners do not.
pub struct Trial {
    pub proxy: Proxy,
    pub backend: BackendDouble,
    service: SocketAddr,
}

impl Trial {
    /// `filter` puts the filter in, with `listeners = ["plain"]`. Another one leaves its stamp in every message.
    pub fn new(service: SocketAddr, filter: impl FnOnce(Builder) -> Builder) -> Self {
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

    /// While nobody listens, and with each of `vices`: the client hears `expected` before the service is done being
    /// slow, and meanwhile those who are not asked about get their mail through, stamped by the other filter.
    pub fn goes_wrong(&self, vices: &[Vice], expected: &str) {
        self.is_let_down("down", expected);
        for vice in vices {
            let impostor = Impostor::start(self.service, vice.clone());
            let how = format!("{vice:?}");
            self.is_let_down(&how[..how.len().min(200)], expected);
            drop(impostor);
        }
    }

    fn is_let_down(&self, how: &str, expected: &str) {
        self.backend.forget();
        std::thread::scope(|threads| {
            let waiting = threads.spawn(|| {
                let begun = Instant::now();
                (self.message(MESSAGE), begun.elapsed())
            });
            let sent = self.neighbours_send_until(|| waiting.is_finished());
            let (reply, waited) = waiting.join().expect("the client hears a reply");
            let last = reply.lines.last().expect("a line");
            assert!(lazaret_tests::glob::fits(expected, last), "{how}: {last}");
            assert!(waited < SLOW, "{how}: {waited:?}");
            self.have_arrived(sent);
        });
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

    fn have_arrived(&self, sent: usize) {
        let of_neighbours = || {
            let mut all = self.backend.deliveries();
            all.retain(|it| it.envelope[0].contains("bob@"));
            all
        };
        let deadline = Instant::now() + SLOW;
        while of_neighbours().len() < sent && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let arrived = of_neighbours();
        assert_eq!(arrived.len(), sent);
        let stamped = |it: &Delivery| {
            let text = String::from_utf8_lossy(&it.octets);
            text.contains("\r\nX-Stamp: here\r\n")
        };
        assert!(arrived.iter().all(stamped), "{arrived:?}");
    }
}
