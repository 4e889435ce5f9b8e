//! A client that does nothing wrong, beside one that does: what it notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::quantile::quantile;
use crate::{BackendDouble, Client, Proxy};

/// It sends a message this often.
const EVERY: Duration = Duration::from_millis(20);
const MESSAGE: &[u8] = b"From: c@example.com\r\nSubject: hello\r\n\r\nA line.\r\n";

/// What goes on beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Window {
    /// between two windows: not counted
    Pause,
    /// nothing
    Quiet,
    /// somebody misbehaves
    Attack,
}

/// How long each of its messages took, by the window in which it began.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    /// in [`Window::Quiet`]
    pub quiet: Vec<Duration>,
    /// in [`Window::Attack`]
    pub attack: Vec<Duration>,
}

impl Samples {
    /// Adds those of another neighbour.
    pub fn extend(&mut self, other: Samples) {
        self.quiet.extend(other.quiet);
        self.attack.extend(other.attack);
    }

    fn push(&mut self, window: u8, took: Duration) {
        match window {
            _ if window == Window::Quiet as u8 => self.quiet.push(took),
            _ if window == Window::Attack as u8 => self.attack.push(took),
            _ => {}
        }
    }
}

/// Delivers a message every 20 ms over one connection until it is finished.
#[derive(Debug)]
pub struct Neighbour {
    window: Arc<AtomicU8>,
    thread: JoinHandle<Samples>,
}

/// Not a window: the end.
const END: u8 = u8::MAX;

impl Neighbour {
    /// Starts with [`Window::Pause`]; every message must be accepted.
    pub fn start(address: SocketAddr) -> Self {
        let window = Arc::new(AtomicU8::new(Window::Pause as u8));
        let now = Arc::clone(&window);
        let thread = std::thread::spawn(move || {
            let mut client = Client::greeted(address);
            let mut samples = Samples::default();
            loop {
                let begun = Instant::now();
                let window = now.load(Ordering::SeqCst);
                if window == END {
                    break;
                }
                let reply = client.deliver("carol@example.com", &["dave@example.org"], MESSAGE);
                assert_eq!(reply.code, 250, "{reply:?}");
                samples.push(window, begun.elapsed());
                std::thread::sleep(EVERY.saturating_sub(begun.elapsed()));
            }
            client.ask("QUIT", "221 *");
            samples
        });
        Self { window, thread }
    }

    /// Messages that begin from now on belong to this window.
    pub fn enter(&self, window: Window) {
        self.window.store(window as u8, Ordering::SeqCst);
    }

    /// Ends it.
    pub fn finish(self) -> Samples {
        self.window.store(END, Ordering::SeqCst);
        self.thread
            .join()
            .expect("the neighbour was served all the time")
    }
}

/// What a client of a proxy without filters notices of `work`, which this process does meanwhile: as long without it as
/// with it, at least two seconds. Prints how long its messages took.
pub fn beside(name: &str, work: impl FnOnce()) -> Samples {
    let backend = BackendDouble::start();
    let proxy = Proxy::before(backend.address()).start();
    let neighbour = Neighbour::start(proxy.plain());
    let begun = Instant::now();
    neighbour.enter(Window::Attack);
    work();
    neighbour.enter(Window::Quiet);
    std::thread::sleep(begun.elapsed().clamp(LEAST_QUIET, MOST_QUIET));
    let samples = neighbour.finish();
    let line = |name: &str, samples: &[Duration]| {
        let (half, most) = (quantile(samples, 0.5), quantile(samples, 0.99));
        println!(
            "  {name:16} p99 {most:>10.2?}, p50 {half:>10.2?} of {} messages",
            samples.len()
        );
    };
    println!("{name}: what a client notices");
    line("without", &samples.quiet);
    line("while it compiles", &samples.attack);
    samples
}

/// Of the quiet part.
const LEAST_QUIET: Duration = Duration::from_secs(2);
/// See [`LEAST_QUIET`].
const MOST_QUIET: Duration = Duration::from_secs(20);
