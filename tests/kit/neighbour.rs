//! A client that does nothing wrong, beside one that does: what it notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::Client;

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
