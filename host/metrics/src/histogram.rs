//! A histogram without a lock: sessions on all processors observe into it at each command.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

/// Upper bounds for times in seconds: from 50 microseconds, what a filter takes, to five minutes, what a client may.
pub const SECONDS: &[f64] = &[
    0.00005, 0.0002, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0, 60.0, 300.0,
];

/// Upper bounds for sizes in octets, from 1 KiB to 256 MiB.
pub const OCTETS: &[f64] = &[
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
];

/// Bounds of a histogram.
const MOST: usize = SECONDS.len();

/// Parts of a unit that the sum is kept in: nanoseconds of a second. 580 years of seconds fit, and 18 EB of octets are
/// kept in octets.
const PARTS: f64 = 1e9;

/// How observed values are spread. Clones are the same histogram.
#[derive(Clone)]
pub struct Histogram(Arc<Inner>);

/// On cache lines of its own, where it belongs to one thread.
#[repr(align(128))]
struct Inner {
    bounds: &'static [f64],
    /// one more than bounds: what is over the last
    counts: [AtomicU64; MOST + 1],
    sum: AtomicU64,
    /// parts of a unit in which the sum is kept
    parts: f64,
}

/// What was observed so far.
#[derive(Clone, Debug, PartialEq)]
pub struct Sums {
    /// of all values
    pub sum: f64,
    /// how many
    pub count: u64,
    /// upper bounds, the last one infinite, and how many are under each and over the one before
    pub buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Counts values up to each of these bounds, which rise.
    ///
    /// # Panics
    /// With more bounds than [`SECONDS`] has.
    pub fn new(bounds: &'static [f64]) -> Self {
        assert!(bounds.len() <= MOST, "at most {MOST} bounds");
        // Whole units where no bound is a part of one.
        let parts = if bounds.iter().all(|bound| *bound >= 1.0) {
            1.0
        } else {
            PARTS
        };
        Self(Arc::new(Inner {
            bounds,
            counts: Default::default(),
            sum: AtomicU64::new(0),
            parts,
        }))
    }

    /// Counts one value; what is negative or no number counts as 0.
    pub fn observe(&self, value: f64) {
        let Inner {
            bounds,
            counts,
            sum,
            parts,
        } = &*self.0;
        let value = value.max(0.0);
        let bucket = bounds.partition_point(|bound| *bound < value);
        counts[bucket].fetch_add(1, Relaxed);
        sum.fetch_add((value * parts) as u64, Relaxed);
    }

    /// Counts a time, in seconds.
    pub fn observe_time(&self, time: Duration) {
        self.observe(time.as_secs_f64());
    }

    /// What was observed so far.
    pub fn sums(&self) -> Sums {
        let counts = &self.0.counts[..=self.0.bounds.len()];
        let counts: Vec<u64> = counts.iter().map(|it| it.load(Relaxed)).collect();
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        Sums {
            sum: self.0.sum.load(Relaxed) as f64 / self.0.parts,
            count: counts.iter().sum(),
            buckets: bounds.zip(counts).collect(),
        }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.sums().fmt(f)
    }
}

impl EncodeMetric for Histogram {
    fn encode(&self, encoder: MetricEncoder<'_>) -> fmt::Result {
        self.sums().encode(encoder)
    }

    fn metric_type(&self) -> MetricType {
        MetricType::Histogram
    }
}

impl Sums {
    /// Adds what was observed into another histogram with the same bounds.
    pub fn add(&mut self, other: &Sums) {
        self.sum += other.sum;
        self.count += other.count;
        for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
    }

    pub(crate) fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        encoder.encode_histogram::<NoLabelSet>(self.sum, self.count, &self.buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_on_a_bound_is_under_it() {
        let histogram = Histogram::new(&[0.5, 1.0]);
        [0.0, 0.5, 0.75, 1.0, 7.0, -1.0, f64::NAN]
            .into_iter()
            .for_each(|value| histogram.observe(value));
        let sums = histogram.sums();
        assert_eq!(sums.buckets, [(0.5, 4), (1.0, 2), (f64::INFINITY, 1)]);
        assert_eq!((sums.count, sums.sum), (7, 9.25));
    }

    #[test]
    fn the_sum_of_large_sizes_does_not_overflow() {
        let histogram = Histogram::new(OCTETS);
        (0..1000).for_each(|_| histogram.observe(50e9));
        assert_eq!(histogram.sums().sum, 50e12);
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let histogram = Histogram::new(SECONDS);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..10_000).for_each(|_| histogram.observe_time(Duration::from_millis(1)));
                });
            }
        });
        let sums = histogram.sums();
        assert_eq!(sums.count, 40_000);
        assert!((sums.sum - 40.0).abs() < 1e-6, "{}", sums.sum);
    }
}
