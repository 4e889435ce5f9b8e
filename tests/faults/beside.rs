//! A client that has nothing to do with the fault: how long its messages take meanwhile.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::client::{Security, Sender};
use super::ledger::Told;
use super::letter::Letter;
use super::load::{Books, lock};
use crate::{Samples, Segments, Window};

/// It sends a message this often.
const EVERY: Duration = Duration::from_millis(10);

/// How the tokens of its messages begin.
pub const BESIDE: &str = "beside/";

/// A client beside the fault.
#[derive(Debug)]
pub struct Beside {
    window: Arc<AtomicU8>,
    over: Arc<AtomicBool>,
    samples: Arc<Mutex<Samples>>,
    thread: Option<JoinHandle<()>>,
}

impl Beside {
    /// Starts to send; what it hears goes into the books.
    pub fn start(address: SocketAddr, books: &Books) -> Self {
        let window = Arc::new(AtomicU8::new(Window::Pause as u8));
        let over = Arc::new(AtomicBool::new(false));
        let samples = Arc::new(Mutex::new(Samples::default()));
        let live = Life {
            window: Arc::clone(&window),
            over: Arc::clone(&over),
            samples: Arc::clone(&samples),
            books: Arc::clone(books),
        };
        let thread = Some(std::thread::spawn(move || live.live(address)));
        Self {
            window,
            over,
            samples,
            thread,
        }
    }

    /// Messages that begin from now on belong to this window.
    pub fn enter(&self, window: Window) {
        self.window.store(window as u8, Ordering::SeqCst);
    }

    /// Ends it; how long the messages took that were accepted.
    pub fn finish(mut self) -> Samples {
        self.end();
        let samples = self.samples.lock();
        std::mem::take(&mut *samples.expect("the client does not panic"))
    }

    fn end(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the client does not panic");
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
    }
}

struct Life {
    window: Arc<AtomicU8>,
    over: Arc<AtomicBool>,
    samples: Arc<Mutex<Samples>>,
    books: Books,
}

impl Life {
    fn live(&self, address: SocketAddr) {
        let mut sender = Sender::to(address, Security::Plain, Segments::Whole);
        for number in 0.. {
            let (begun, window) = (Instant::now(), self.window.load(Ordering::SeqCst));
            if self.over.load(Ordering::SeqCst) {
                break;
            }
            let letter = Letter::new(&format!("{BESIDE}{number}"), "carol@example.com", 400);
            let told = sender.send(&letter);
            self.note(&letter, told, window, begun.elapsed());
            std::thread::sleep(EVERY.saturating_sub(begun.elapsed()));
        }
    }

    fn note(&self, letter: &Letter, told: Told, window: u8, took: Duration) {
        lock(&self.books).enter(&letter.token, told);
        let mut samples = self.samples.lock().expect("nobody panics with it");
        match (told, window) {
            (Told::Accepted, window) if window == Window::Quiet as u8 => samples.quiet.push(took),
            (Told::Accepted, window) if window == Window::Attack as u8 => samples.attack.push(took),
            _ => {}
        }
    }
}
