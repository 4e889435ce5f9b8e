//! The time in front of a line: RFC 3339, UTC, microseconds.

use std::cell::RefCell;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

thread_local! {
    static SECOND: RefCell<Second> = RefCell::default();
}

/// A second, and how it is written up to the fraction: what finds out the date is asked once a second.
#[derive(Debug, Default)]
struct Second {
    number: u64,
    text: String,
}

/// Writes what time it is.
pub(super) fn now(writer: &mut Writer<'_>) -> fmt::Result {
    let now = since_epoch();
    SECOND.with_borrow_mut(|second| {
        if second.number != now.as_secs() || second.text.is_empty() {
            return renew(second, now, writer);
        }
        // The digit in front keeps the zeros behind it.
        let mut number = itoa::Buffer::new();
        writer.write_str(&second.text)?;
        writer.write_str(".")?;
        writer.write_str(&number.format(1_000_000 + now.subsec_micros())[1..])?;
        writer.write_str("Z")
    })
}

/// The same, with the date found out. It is kept if it is still that of the second.
fn renew(second: &mut Second, now: Duration, writer: &mut Writer<'_>) -> fmt::Result {
    let mut text = String::new();
    SystemTime.format_time(&mut Writer::new(&mut text))?;
    writer.write_str(&text)?;
    let whole = text.find('.').unwrap_or(0);
    text.truncate(whole);
    if since_epoch().as_secs() == now.as_secs() {
        *second = Second {
            number: now.as_secs(),
            text,
        };
    }
    Ok(())
}

fn since_epoch() -> Duration {
    UNIX_EPOCH.elapsed().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> String {
        let mut text = String::new();
        now(&mut Writer::new(&mut text)).unwrap();
        text
    }

    #[test]
    fn the_time_is_that_of_the_clock_whether_kept_or_not() {
        let mut times = Vec::new();
        for _ in 0..50_000 {
            let mut before = String::new();
            let clock = &mut Writer::new(&mut before);
            SystemTime.format_time(clock).unwrap();
            times.extend([before, written()]);
        }
        assert!(times.is_sorted());
        assert!(times.iter().all(|time| time.len() == times[0].len()));
    }
}
