//! What is counted elsewhere and told when somebody asks.

use std::fmt;

use prometheus_client::collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;

use crate::Sums;

/// Labels with their values, and the value.
pub type Sample<'l, V> = (&'l [(&'l str, &'l str)], V);

/// A scrape under way. A metric without samples is left out.
pub struct Scrape<'s> {
    encoder: DescriptorEncoder<'s>,
    went: fmt::Result,
}

impl Scrape<'_> {
    /// Counts up since the start; `name` without `_total`.
    pub fn counter(&mut self, name: &str, help: &str, samples: &[Sample<'_, f64>]) {
        self.tell(
            name,
            help,
            MetricType::Counter,
            samples,
            |mut encoder, value| encoder.encode_counter::<NoLabelSet, f64, f64>(value, None),
        );
    }

    /// As it is now.
    pub fn gauge(&mut self, name: &str, help: &str, samples: &[Sample<'_, f64>]) {
        self.tell(
            name,
            help,
            MetricType::Gauge,
            samples,
            |mut encoder, value| encoder.encode_gauge(value),
        );
    }

    /// Of a [`crate::Histogram`] that somebody else keeps.
    pub fn histogram(&mut self, name: &str, help: &str, samples: &[Sample<'_, Sums>]) {
        self.tell(
            name,
            help,
            MetricType::Histogram,
            samples,
            |encoder, sums| sums.encode(encoder),
        );
    }

    fn tell<V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: &[Sample<'_, V>],
        encode: impl Fn(prometheus_client::encoding::MetricEncoder<'_>, &V) -> fmt::Result,
    ) {
        if !samples.is_empty() && self.went.is_ok() {
            self.went = self.write(name, help, kind, samples, encode);
        }
    }

    fn write<V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: &[Sample<'_, V>],
        encode: impl Fn(prometheus_client::encoding::MetricEncoder<'_>, &V) -> fmt::Result,
    ) -> fmt::Result {
        let help = format!("{help}.");
        let mut metric = self.encoder.encode_descriptor(name, &help, None, kind)?;
        samples
            .iter()
            .try_for_each(|(labels, value)| encode(metric.encode_family(labels)?, value))
    }
}

pub(crate) struct Collector(pub(crate) Box<dyn Fn(&mut Scrape<'_>) + Send + Sync>);

impl collector::Collector for Collector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut scrape = Scrape {
            encoder,
            went: Ok(()),
        };
        (self.0)(&mut scrape);
        scrape.went
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}

#[cfg(test)]
mod tests {
    use crate::{Histogram, Registry};

    #[test]
    fn what_others_count_is_told_when_asked_for() {
        let registry = Registry::new();
        let histogram = Histogram::new(&[1.0]);
        histogram.observe(2.0);
        registry.on_scrape(move |scrape| {
            scrape.gauge(
                "open",
                "Open now",
                &[(&[("kind", "file")], 3.0), (&[("kind", "pipe")], 0.5)],
            );
            scrape.counter("none", "Nothing", &[]);
            scrape.counter("made", "Made", &[(&[], 5.0)]);
            scrape.histogram(
                "size_bytes",
                "Sizes",
                &[(&[("of", "all")], histogram.sums())],
            );
        });
        assert_eq!(
            registry.render(),
            "\
# HELP lazaret_open Open now.
# TYPE lazaret_open gauge
lazaret_open{kind=\"file\"} 3.0
lazaret_open{kind=\"pipe\"} 0.5
# HELP lazaret_made_total Made.
# TYPE lazaret_made_total counter
lazaret_made_total 5.0
# HELP lazaret_size_bytes Sizes.
# TYPE lazaret_size_bytes histogram
lazaret_size_bytes_bucket{of=\"all\",le=\"1\"} 0
lazaret_size_bytes_bucket{of=\"all\",le=\"+Inf\"} 1
lazaret_size_bytes_sum{of=\"all\"} 2.0
lazaret_size_bytes_count{of=\"all\"} 1
"
        );
    }
}
