//! A client that does nothing wrong, beside those that do: every message it was promised must be there, once, whole.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::play::message;
use super::reply;
use super::site::{GOOD, Site};
use crate::{Client, Window};

/// It sends a message this often.
const EVERY: Duration = Duration::from_millis(5);
/// Messages over one connection.
const A_CONNECTION: u64 = 50;
/// Not a window: the end.
const END: u8 = u8::MAX;

/// What it lived through since it was last asked.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// how long each message took, by the window in which it began
    pub quiet: Vec<Duration>,
    /// see `quiet`
    pub attack: Vec<Duration>,
    /// messages accepted
    pub accepted: u64,
    /// what was wrong
    pub faults: Vec<String>,
}

/// The client, at work.
#[derive(Debug)]
pub struct Good {
    window: Arc<AtomicU8>,
    life: Arc<Mutex<Life>>,
    thread: Option<JoinHandle<()>>,
}

impl Good {
    /// Starts in [`Window::Pause`]. `name` makes its messages its own.
    pub fn start(site: &Arc<Site>, name: &str) -> Self {
        let window = Arc::new(AtomicU8::new(Window::Pause as u8));
        let life = Arc::<Mutex<Life>>::default();
        let (site, name) = (Arc::clone(site), name.to_owned());
        let (now, lived) = (Arc::clone(&window), Arc::clone(&life));
        let thread = std::thread::spawn(move || live(&site, &name, &now, &lived));
        Self {
            window,
            life,
            thread: Some(thread),
        }
    }

    /// Messages that begin from now on belong to this window.
    pub fn enter(&self, window: Window) {
        self.window.store(window as u8, Ordering::SeqCst);
    }

    /// What it lived through since this was asked before.
    pub fn tell(&self) -> Life {
        std::mem::take(&mut *lock(&self.life))
    }

    /// Ends it.
    pub fn finish(mut self) -> Life {
        self.window.store(END, Ordering::SeqCst);
        let ended = self.thread.take().map(JoinHandle::join);
        let mut life = self.tell();
        if !matches!(ended, Some(Ok(()))) {
            life.faults.push("the good client panicked".to_owned());
        }
        life
    }
}

fn live(site: &Site, name: &str, now: &AtomicU8, life: &Mutex<Life>) {
    let mut number = 0;
    while now.load(Ordering::SeqCst) != END {
        let mut client = Client::greeted(site.address(GOOD));
        for _ in 0..A_CONNECTION {
            let window = now.load(Ordering::SeqCst);
            if window == END {
                break;
            }
            number += 1;
            let begun = Instant::now();
            let sent = send(site, &mut client, &format!("{name}-{number}"));
            let took = begun.elapsed();
            let mut life = lock(life);
            life.accepted += 1;
            life.faults.extend(sent.err());
            match window {
                _ if window == Window::Quiet as u8 => life.quiet.push(took),
                _ if window == Window::Attack as u8 => life.attack.push(took),
                _ => {}
            }
            drop(life);
            std::thread::sleep(EVERY.saturating_sub(took));
        }
        client.ask("QUIT", "221 *");
    }
}

/// One message; what was accepted must be at the backend by then, for the reply is the backend's own.
fn send(site: &Site, client: &mut Client, token: &str) -> Result<(), String> {
    let sent = message(token);
    let reply = client.deliver("carol@example.com", &["dave@example.org"], &sent);
    if reply.code != 250 {
        return Err(format!("{token} heard {:?}", reply.text()));
    }
    let copies = site.sink.take(token);
    let [copy] = &copies[..] else {
        return Err(format!("{token} was delivered {} times", copies.len()));
    };
    let added = copy.strip_suffix(&sent[..]).map(reply::field_names);
    match added == Some(Ok(vec!["Received".to_owned()])) {
        true => Ok(()),
        false => Err(format!(
            "{token} was changed: {:?}",
            String::from_utf8_lossy(copy)
        )),
    }
}

fn lock(life: &Mutex<Life>) -> MutexGuard<'_, Life> {
    life.lock().unwrap_or_else(PoisonError::into_inner)
}
