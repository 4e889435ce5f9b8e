//! How far it is, on a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Columns of the bar itself.
const WIDTH: usize = 30;

/// Between two pictures.
const PAUSE: Duration = Duration::from_millis(100);

/// A line on standard error that is drawn over itself; nothing where that is no terminal.
pub struct Bar {
    of: usize,
    begun: Instant,
    /// when it was drawn last; None: it never is
    drawn: Option<Instant>,
}

impl Bar {
    /// For so many messages.
    pub fn on_a_terminal(of: usize) -> Self {
        let begun = Instant::now();
        Self {
            of,
            begun,
            drawn: std::io::stderr().is_terminal().then_some(begun),
        }
    }

    /// Draws it, unless it was drawn a moment ago.
    pub fn show(&mut self, done: u64) {
        let due = self.drawn.is_some_and(|drawn| drawn.elapsed() >= PAUSE);
        if due {
            self.drawn = Some(Instant::now());
            let picture = picture(done, self.of as u64, self.begun.elapsed());
            let _ = write!(std::io::stderr(), "\r{picture}\x1b[K");
        }
    }

    /// Takes it off.
    pub fn clear(&self) {
        if self.drawn.is_some() {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

fn picture(done: u64, of: u64, elapsed: Duration) -> String {
    let share = done as f64 / of.max(1) as f64;
    let full = ((share * WIDTH as f64) as usize).min(WIDTH);
    let bar = "=".repeat(full) + &" ".repeat(WIDTH - full);
    let left = match done {
        0 => String::new(),
        _ => {
            let left = elapsed.as_secs_f64() / done as f64 * of.saturating_sub(done) as f64;
            format!(", {} left", time(left.round() as u64))
        }
    };
    format!("[{bar}] {done} of {of}{left}")
}

fn time(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        _ => format!("{} min", seconds.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_how_far_and_how_long() {
        let cases = [
            (0, 4, 0, "[                              ] 0 of 4"),
            (
                1,
                4,
                5,
                "[=======                       ] 1 of 4, 15 s left",
            ),
            (
                1,
                400,
                5,
                "[                              ] 1 of 400, 34 min left",
            ),
            (4, 4, 9, "[==============================] 4 of 4, 0 s left"),
        ];
        for (done, of, seconds, expected) in cases {
            assert_eq!(picture(done, of, Duration::from_secs(seconds)), expected);
        }
    }
}
