//! All metrics of one proxy.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::{EncodeMetric, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry;

use crate::scrape::{Collector, Scrape};
use crate::{Counter, Family, Gauge, Histogram};

/// What a scraper is told: the text format 0.0.4 of Prometheus.
pub const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// Put before each name.
const PREFIX: &str = "lazaret";

/// All metrics of one proxy. Names and help texts are given without the prefix, without `_total` and without a full stop.
pub struct Registry(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    registry: registry::Registry,
    names: BTreeSet<&'static str>,
}

impl Registry {
    /// Without any metric.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Inner {
            registry: registry::Registry::with_prefix(PREFIX),
            names: BTreeSet::new(),
        })))
    }

    /// One counter.
    pub fn counter(&self, name: &'static str, help: &str) -> Counter {
        self.register(name, help, Counter::default())
    }

    /// One gauge.
    pub fn gauge(&self, name: &'static str, help: &str) -> Gauge {
        self.register(name, help, Gauge::default())
    }

    /// One histogram with these upper bounds, e.g. [`crate::SECONDS`].
    pub fn histogram(&self, name: &'static str, help: &str, bounds: &'static [f64]) -> Histogram {
        self.register(name, help, Histogram::new(bounds))
    }

    /// A counter for each set of label values.
    pub fn counters<const N: usize>(
        &self,
        name: &'static str,
        help: &str,
        labels: [&'static str; N],
    ) -> Family<N, Counter> {
        let family = Family::new(labels, MetricType::Counter, Counter::default);
        self.register(name, help, family)
    }

    /// A gauge for each set of label values.
    pub fn gauges<const N: usize>(
        &self,
        name: &'static str,
        help: &str,
        labels: [&'static str; N],
    ) -> Family<N, Gauge> {
        let family = Family::new(labels, MetricType::Gauge, Gauge::default);
        self.register(name, help, family)
    }

    /// A histogram for each set of label values.
    pub fn histograms<const N: usize>(
        &self,
        name: &'static str,
        help: &str,
        labels: [&'static str; N],
        bounds: &'static [f64],
    ) -> Family<N, Histogram> {
        let make = move || Histogram::new(bounds);
        let family = Family::new(labels, MetricType::Histogram, make);
        self.register(name, help, family)
    }

    /// Asked at each scrape, for what is counted elsewhere already. It must not block and must not use this registry.
    pub fn on_scrape(&self, tell: impl Fn(&mut Scrape<'_>) + Send + Sync + 'static) {
        let collector = Collector(Box::new(tell));
        self.lock().registry.register_collector(Box::new(collector));
    }

    /// All of it, as [`CONTENT_TYPE`] says.
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        let encoded = prometheus_text::encode(&mut text, &self.lock().registry);
        encoded.expect("a string that grows takes all text");
        text
    }

    fn register<M>(&self, name: &'static str, help: &str, metric: M) -> M
    where
        M: EncodeMetric + Clone + fmt::Debug + Send + Sync + 'static,
    {
        let mut inner = self.lock();
        let is_new = inner.names.insert(name);
        debug_assert!(is_new, "two metrics are named {name}");
        inner.registry.register(name, help, metric.clone());
        metric
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registry of {:?}", self.lock().names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let registry = Registry::new();
        registry.counter("sessions", "Sessions accepted").inc();
        registry.gauge("spool_bytes", "Octets spooled").set(7);
        let took = registry.histogram("took_seconds", "Time", &[0.5]);
        took.observe(0.25);
        let strange = registry.counters("strange", "Labels", ["name"]);
        strange.with(["a\"b\\c\nd"]).inc_by(2);
        assert_eq!(
            registry.render(),
            "\
# HELP lazaret_sessions_total Sessions accepted.
# TYPE lazaret_sessions_total counter
lazaret_sessions_total 1
# HELP lazaret_spool_bytes Octets spooled.
# TYPE lazaret_spool_bytes gauge
lazaret_spool_bytes 7
# HELP lazaret_took_seconds Time.
# TYPE lazaret_took_seconds histogram
lazaret_took_seconds_bucket{le=\"0.5\"} 1
lazaret_took_seconds_bucket{le=\"+Inf\"} 1
lazaret_took_seconds_sum 0.25
lazaret_took_seconds_count 1
# HELP lazaret_strange_total Labels.
# TYPE lazaret_strange_total counter
lazaret_strange_total{name=\"a\\\"b\\\\c\\nd\"} 2
"
        );
    }
}
