//! What came of a load.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::dialogue::Fault;

/// The longest time told apart; longer ones count as this.
const LONGEST: u64 = 600_000_000_000;

/// What one thread counted.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) messages: u64,
    pub(crate) octets: u64,
    pub(crate) sessions: u64,
    pub(crate) resumed: u64,
    failures: u64,
    first_failure: Option<String>,
    latency: Histogram<u64>,
    set_up: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> Self {
        let histogram =
            || Histogram::new_with_bounds(1, LONGEST, 3).expect("bounds that fit a histogram");
        Self {
            messages: 0,
            octets: 0,
            sessions: 0,
            resumed: 0,
            failures: 0,
            first_failure: None,
            latency: histogram(),
            set_up: histogram(),
        }
    }

    pub(crate) fn message(&mut self, octets: usize, took: Duration) {
        self.messages += 1;
        self.octets += octets as u64;
        self.latency.saturating_record(nanoseconds(took));
    }

    pub(crate) fn session(&mut self, set_up: Duration, resumed: bool) {
        self.sessions += 1;
        self.resumed += u64::from(resumed);
        self.set_up.saturating_record(nanoseconds(set_up));
    }

    pub(crate) fn failure(&mut self, fault: &Fault) {
        self.failures += 1;
        self.first_failure.get_or_insert_with(|| fault.to_string());
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.octets += other.octets;
        self.sessions += other.sessions;
        self.resumed += other.resumed;
        self.failures += other.failures;
        self.first_failure = self.first_failure.take().or(other.first_failure);
        let fits = "histograms of the same bounds";
        self.latency.add(other.latency).expect(fits);
        self.set_up.add(other.set_up).expect(fits);
    }

    pub(crate) fn report(&self, took: Duration, own_cpu: Duration) -> Report {
        Report {
            messages: self.messages,
            octets: self.octets,
            sessions: self.sessions,
            resumed: self.resumed,
            failures: self.failures,
            first_failure: self.first_failure.clone(),
            seconds: took.as_secs_f64(),
            own_cpu_seconds: own_cpu.as_secs_f64(),
            latency: Latency::of(&self.latency),
            set_up: Latency::of(&self.set_up),
        }
    }
}

/// A finished load.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// messages that were answered 250
    pub messages: u64,
    /// octets of these messages
    pub octets: u64,
    /// connections that came as far as the reply to EHLO
    pub sessions: u64,
    /// of these, with the TLS session of an earlier one
    pub resumed: u64,
    /// connections that did not go as planned; the slot is not used again
    pub failures: u64,
    /// what was wrong with the first of them
    pub first_failure: Option<String>,
    /// from the first connection to the end of the last
    pub seconds: f64,
    /// CPU time of the process that sent, whatever else it did meanwhile included
    pub own_cpu_seconds: f64,
    /// from MAIL to the final reply
    pub latency: Latency,
    /// from before a connection was made to the reply to EHLO, TLS included
    pub set_up: Latency,
}

/// How times were distributed, in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// half took no longer
    pub p50: f64,
    /// nine of ten took no longer
    pub p90: f64,
    /// 99 of 100 took no longer
    pub p99: f64,
    /// none took longer
    pub max: f64,
}

impl Latency {
    fn of(histogram: &Histogram<u64>) -> Self {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1000.0;
        if histogram.is_empty() {
            return Self::default();
        }
        Self {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            max: histogram.max() as f64 / 1000.0,
        }
    }
}

impl Report {
    /// Messages a second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.seconds
    }

    /// Megabytes (10^6 octets) of messages a second.
    pub fn megabytes(&self) -> f64 {
        self.octets as f64 / 1e6 / self.seconds
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            messages,
            sessions,
            resumed,
            seconds,
            ..
        } = self;
        writeln!(
            f,
            "{messages} messages on {sessions} connections ({resumed} resumed) in {seconds:.2} s"
        )?;
        writeln!(
            f,
            "{:.0} messages/s, {:.1} MB/s",
            self.rate(),
            self.megabytes()
        )?;
        writeln!(f, "MAIL to final reply  {}", self.latency)?;
        writeln!(f, "set-up               {}", self.set_up)?;
        write!(f, "own CPU              {:.2} s", self.own_cpu_seconds)?;
        match &self.first_failure {
            Some(first) => write!(f, "\n{} failures; the first: {first}", self.failures),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p90, p99, max } = self;
        write!(
            f,
            "p50 {p50:.0} us, p90 {p90:.0} us, p99 {p99:.0} us, max {max:.0} us"
        )
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_added_up() {
        let (mut one, mut other) = (Tally::new(), Tally::new());
        one.message(1000, Duration::from_micros(100));
        other.message(1000, Duration::from_micros(300));
        other.session(Duration::from_millis(2), true);
        other.failure(&Fault::Closed("DATA"));
        one.add(other);
        let report = one.report(Duration::from_secs(2), Duration::ZERO);
        assert_eq!(
            (report.messages, report.sessions, report.resumed),
            (2, 1, 1)
        );
        assert_eq!((report.octets, report.failures), (2000, 1));
        assert!((report.rate() - 1.0).abs() < 1e-9);
        assert!(
            (report.latency.max - 300.0).abs() < 1.0,
            "{}",
            report.latency
        );
        assert!(report.first_failure.unwrap().contains("DATA"));
    }

    #[test]
    fn nothing_took_no_time() {
        let report = Tally::new().report(Duration::from_secs(1), Duration::ZERO);
        assert_eq!(report.latency, Latency::default());
    }
}
