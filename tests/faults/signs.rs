//! Signs of life (sd_notify(3)) as a service manager hears them, on a machine where the manager itself may be late.
//!
//! Between two signs there was silence from when the first was taken in, or before, to when the socket was last seen empty
//! before the second, or after. What is judged is the time between these two moments: it is surely the program's. A
//! manager that gets no processor sees the socket empty late, or not at all, and holds nothing against the program.

use std::fmt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The service manager looks this often whether it is told to stop.
const LOOK: Duration = Duration::from_millis(50);

/// The service manager's end of the socket.
#[derive(Debug)]
pub struct Manager(UnixDatagram);

/// What a service manager heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// signs of life
    pub signs: usize,
    /// the longest time in which surely none was given
    pub longest: Duration,
    /// how late the manager was itself at the most: so much longer a silence may have been
    pub deaf: Duration,
    /// when the last sign was taken in
    taken: Instant,
    /// when the socket was last seen empty
    empty: Instant,
}

impl Manager {
    /// Listens on `notify` in this directory.
    pub fn listen(directory: &Path) -> Self {
        let socket = UnixDatagram::bind(directory.join("notify"));
        let socket = socket.expect("our directory");
        let patience = socket.set_read_timeout(Some(LOOK));
        patience.expect("a valid time");
        Self(socket)
    }

    /// Listens until `over`.
    pub fn watch(&self, over: &AtomicBool) -> Heard {
        let mut heard = Heard::nothing(Instant::now());
        while !over.load(Ordering::SeqCst) {
            let (mut octets, asked) = ([0; 4096], Instant::now());
            let read = self.0.recv(&mut octets);
            heard.looked(asked, Instant::now());
            match read {
                Ok(read) => {
                    let text = String::from_utf8_lossy(&octets[..read]);
                    if text.lines().any(|line| line == "WATCHDOG=1") {
                        heard.sign(Instant::now());
                    }
                }
                // It was looked at once more when the time was over.
                Err(_) => heard.silence(asked + LOOK),
            }
        }
        heard
    }
}

impl Heard {
    fn nothing(now: Instant) -> Self {
        Self {
            signs: 0,
            longest: Duration::ZERO,
            deaf: Duration::ZERO,
            taken: now,
            empty: now,
        }
    }

    /// The socket was asked, and the answer seen.
    fn looked(&mut self, asked: Instant, answered: Instant) {
        let late = (answered - asked).saturating_sub(LOOK);
        self.deaf = self.deaf.max(late);
    }

    /// A sign was taken in, which was given before.
    fn sign(&mut self, now: Instant) {
        self.signs += 1;
        self.taken = now;
    }

    /// The socket was empty then.
    fn silence(&mut self, then: Instant) {
        self.empty = then;
        let silent = then.saturating_duration_since(self.taken);
        self.longest = self.longest.max(silent);
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (signs, longest, deaf) = (self.signs, self.longest, self.deaf);
        write!(f, "{signs} signs of life, {longest:.1?} apart at most")?;
        match deaf < LOOK {
            true => Ok(()),
            false => write!(f, " (we listened up to {deaf:.1?} late)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn silence_is_the_programs() {
        let begun = Instant::now();
        let mut heard = Heard::nothing(begun);
        heard.sign(begun + SECOND);
        heard.silence(begun + 2 * SECOND);
        heard.silence(begun + 4 * SECOND);
        heard.sign(begun + 4 * SECOND);
        assert_eq!((heard.signs, heard.longest), (2, 3 * SECOND));
        assert_eq!(heard.to_string(), "2 signs of life, 3.0s apart at most");
    }

    /// Two signs wait for a manager that had no processor for five seconds.
    #[test]
    fn who_listens_late_hears_no_silence() {
        let begun = Instant::now();
        let mut heard = Heard::nothing(begun);
        heard.silence(begun + SECOND);
        heard.looked(begun + SECOND, begun + 6 * SECOND);
        heard.sign(begun + 6 * SECOND);
        heard.sign(begun + 6 * SECOND);
        assert_eq!(heard.longest, SECOND);
        assert!(heard.to_string().ends_with("late)"), "{heard}");
    }

    #[test]
    fn a_program_that_is_dead_is_silent_to_the_end() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (manager, over) = (Manager::listen(directory.path()), AtomicBool::new(false));
        let heard = std::thread::scope(|scope| {
            let watch = scope.spawn(|| manager.watch(&over));
            let program = UnixDatagram::unbound().expect("a socket");
            let told = program.send_to(b"WATCHDOG=1\nSTATUS=a", directory.path().join("notify"));
            told.expect("the manager listens");
            std::thread::sleep(SECOND);
            over.store(true, Ordering::SeqCst);
            watch.join().expect("it only listens")
        });
        assert_eq!(heard.signs, 1);
        assert!(heard.longest + heard.deaf > SECOND / 2, "{heard}");
    }
}
