//! Clients that send, all at once, and enter what they are told into the ledger.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::client::{Security, Sender};
use super::ledger::{Ledger, Told};
use super::letter::Letter;
use crate::Segments;

/// The sender of messages that a fault is for.
pub const FAULTY: &str = "fault@example.com";
/// The sender of all others.
pub const FINE: &str = "alice@example.com";

/// The books of a row, which all its clients write to.
pub type Books = Arc<Mutex<Ledger>>;

/// What is to be sent. Tokens are `LABEL/fault/N` and `LABEL/fine/N`.
#[derive(Clone, Debug)]
pub struct Load {
    /// unique within a row
    pub label: String,
    /// clients at once
    pub clients: usize,
    /// messages in all
    pub messages: usize,
    /// octets of each
    pub size: usize,
    /// of so many messages one is from [`FAULTY`]; with 1 all are
    pub fault_every: usize,
    /// the sender of those
    pub sender: String,
    /// whether they come in TLS
    pub security: Security,
    /// how octets are handed to the network
    pub segments: Segments,
}

impl Load {
    /// Small messages of ten clients, each second from [`FAULTY`].
    pub fn of(label: &str, messages: usize) -> Self {
        Self {
            label: label.to_owned(),
            clients: 10,
            messages,
            size: 600,
            fault_every: 2,
            sender: FAULTY.to_owned(),
            security: Security::Plain,
            segments: Segments::Whole,
        }
    }

    fn letter(&self, number: usize) -> Letter {
        let (kind, sender) = match number.is_multiple_of(self.fault_every) {
            true => ("fault", self.sender.as_str()),
            false => ("fine", FINE),
        };
        let token = format!("{}/{kind}/{number}", self.label);
        Letter::new(&token, sender, self.size)
    }
}

/// A load that is being played.
#[derive(Debug)]
pub struct Running {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts to send to a listener.
    pub fn start(address: SocketAddr, load: Load, books: &Books) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (load, next) = (Arc::new(load), Arc::new(AtomicUsize::new(0)));
        let client = |_| {
            let (load, next) = (Arc::clone(&load), Arc::clone(&next));
            let (books, stop) = (Arc::clone(books), Arc::clone(&stop));
            std::thread::spawn(move || client(address, &load, &next, &stop, &books))
        };
        Self {
            threads: (0..load.clients).map(client).collect(),
            stop,
        }
    }

    /// Waits until all is sent.
    pub fn finish(mut self) {
        for thread in self.threads.drain(..) {
            thread.join().expect("a client does not panic");
        }
    }

    /// Waits for what is on its way; no more is sent.
    pub fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.finish();
    }

    /// Is all sent?
    pub fn is_over(&self) -> bool {
        self.threads.iter().all(JoinHandle::is_finished)
    }
}

fn client(address: SocketAddr, load: &Load, next: &AtomicUsize, stop: &AtomicBool, books: &Books) {
    let mut sender = Sender::to(address, load.security, load.segments);
    while !stop.load(Ordering::SeqCst) {
        let number = next.fetch_add(1, Ordering::SeqCst);
        if number >= load.messages {
            break;
        }
        let letter = load.letter(number);
        let told = sender.send(&letter);
        lock(books).enter(&letter.token, told);
        match told {
            Told::Accepted => lock(books).accepted_after(sender.answered()),
            // As a client that is to come back later.
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// A thread that panicked with the books in its hands has failed the row already.
pub fn lock(books: &Books) -> MutexGuard<'_, Ledger> {
    books.lock().unwrap_or_else(PoisonError::into_inner)
}
