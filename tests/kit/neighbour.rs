//! A client that does nothing wrong, beside one that does: what it notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::guests::Guest;
use crate::program::{Launch, Program};
use crate::proxy::program;
use crate::quantile::quantile;
use crate::{BackendDouble, Client, Proxy, measured};

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

/// Before and after the filter is put there.
const QUIET: Duration = Duration::from_secs(5);
/// How long a filter may take until it is part of the chain.
const LOADED: Duration = Duration::from_secs(600);

/// What a client of the running program notices while `wasm` is put into its directory, compiled with a cold cache and made
/// part of the chain; only the listener `starttls` asks it, so that what it costs by itself is not counted. Prints how long
/// messages took with and without; an error where there is a step.
pub fn beside_reload(name: &str, wasm: &[u8], policy: &str) -> Result<(), String> {
    let backend = BackendDouble::start();
    let builder = Proxy::before(backend.address())
        .filter("10-first", Guest::Minimal, "")
        .set("[reload]\nlook = \"100ms\"\nquiet = \"300ms\"\n");
    let program = Program::launch(&program(), builder, Launch::default());
    let neighbour = Neighbour::start(program.plain());
    let quiet = || {
        neighbour.enter(Window::Quiet);
        std::thread::sleep(QUIET);
    };
    quiet();
    neighbour.enter(Window::Attack);
    let begun = Instant::now();
    let policy = format!("listeners = [\"starttls\"]\n{policy}");
    program.put_all(&[
        ("20-added.toml", policy.as_bytes()),
        ("20-added.wasm", wasm),
    ]);
    loaded(&program)?;
    let took = begun.elapsed();
    // What a new generation costs comes with its first sessions.
    std::thread::sleep(QUIET / 5);
    quiet();
    println!("{name}: part of the chain after {took:.1?}; what a client notices");
    judge(&neighbour.finish())
}

/// Looks seldom, for looking is work beside the mail.
fn loaded(program: &Program) -> Result<(), String> {
    let deadline = Instant::now() + LOADED;
    while program.log(&["reloaded generation 2"]).is_empty() {
        let refused = program.log(&["filter not loaded", "20-added.wasm"]);
        if !refused.is_empty() || Instant::now() > deadline {
            return Err(format!("it is not loaded: {refused:?}"));
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Prints both and compares: where it is measured, the slowest of a hundred, for twice as slow is a step; on a machine at
/// work, the rare ones say more of it than of us, and what is in the middle must not be ten times as slow.
fn judge(samples: &Samples) -> Result<(), String> {
    let (share, times, enough) = match measured() {
        true => (0.99, 2, 50),
        false => (0.5, 10, 250),
    };
    let line = |name: &str, samples: &[Duration]| {
        let [half, most, longest] = [0.5, 0.99, 1.0].map(|share| quantile(samples, share));
        println!(
            "  {name:16} p99 {most:>10.2?}, p50 {half:>10.2?}, longest {longest:>10.2?} of {} messages",
            samples.len()
        );
        quantile(samples, share)
    };
    let quiet = line("without", &samples.quiet);
    let busy = line("while it compiles", &samples.attack);
    match busy <= (quiet * times).max(Duration::from_millis(enough)) {
        true => Ok(()),
        false => Err(format!(
            "of {share}: {busy:?} while it compiles, {quiet:?} without"
        )),
    }
}
