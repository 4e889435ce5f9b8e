//! One name, a metric for each set of labels.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;

/// Sets of labels that a family keeps apart.
pub const MOST_SERIES: usize = 2000;

/// The label of what came on top of [`MOST_SERIES`].
const OTHER: &str = "other";

/// A metric for each set of `N` label values. Clones are the same family.
pub struct Family<const N: usize, M>(Arc<Inner<N, M>>);

struct Inner<const N: usize, M> {
    labels: [&'static str; N],
    kind: MetricType,
    make: Box<dyn Fn() -> M + Send + Sync>,
    series: RwLock<BTreeMap<[Box<str>; N], M>>,
}

impl<const N: usize, M> Clone for Family<N, M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<const N: usize, M: Clone> Family<N, M> {
    pub(crate) fn new(
        labels: [&'static str; N],
        kind: MetricType,
        make: impl Fn() -> M + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            labels,
            kind,
            make: Box::new(make),
            series: RwLock::default(),
        }))
    }

    /// The metric of these label values, made if there is none. Takes a lock: keep the handle where it is used often.
    pub fn with(&self, values: [&str; N]) -> M {
        let key = values.map(Box::from);
        let read = self.0.series.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(metric) = read.get(&key) {
            return metric.clone();
        }
        let full = read.len() >= MOST_SERIES;
        drop(read);
        let key = if full { [OTHER; N].map(Box::from) } else { key };
        let mut series = self
            .0
            .series
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        series.entry(key).or_insert_with(&self.0.make).clone()
    }

    /// All there are, with their label values.
    pub fn all(&self) -> Vec<([Box<str>; N], M)> {
        let series = self.0.series.read().unwrap_or_else(PoisonError::into_inner);
        series
            .iter()
            .map(|(values, metric)| (values.clone(), metric.clone()))
            .collect()
    }

    /// Forgets those whose label values do not fit, e.g. of filters that are gone.
    pub fn retain(&self, fits: impl Fn(&[Box<str>; N]) -> bool) {
        let mut series = self
            .0
            .series
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        series.retain(|values, _| fits(values));
    }
}

impl<const N: usize, M> fmt::Debug for Family<N, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Family of {:?}", self.0.labels)
    }
}

impl<const N: usize, M: EncodeMetric> EncodeMetric for Family<N, M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let series = self.0.series.read().unwrap_or_else(PoisonError::into_inner);
        for (values, metric) in &*series {
            let pairs = std::iter::zip(self.0.labels, values);
            let labels: Vec<(&str, &str)> = pairs.map(|(label, value)| (label, &**value)).collect();
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        self.0.kind
    }

    fn is_empty(&self) -> bool {
        let series = self.0.series.read().unwrap_or_else(PoisonError::into_inner);
        series.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Registry;

    #[test]
    fn what_comes_on_top_is_counted_together() {
        let registry = Registry::new();
        let family = registry.counters("things", "Things", ["name"]);
        for number in 0..MOST_SERIES + 10 {
            family.with([&number.to_string()]).inc();
        }
        let text = registry.render();
        assert!(
            text.contains("lazaret_things_total{name=\"other\"} 10\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), MOST_SERIES + 3);
    }

    #[test]
    fn the_same_labels_are_the_same_metric_until_they_are_forgotten() {
        let registry = Registry::new();
        let family = registry.gauges("things", "Things", ["a", "b"]);
        family.with(["x", "y"]).set(3);
        assert_eq!(family.with(["x", "y"]).get(), 3);
        assert_eq!(family.with(["y", "x"]).get(), 0);
        let all = family
            .all()
            .into_iter()
            .map(|(values, it)| (values.join(" "), it.get()));
        assert_eq!(
            all.collect::<Vec<_>>(),
            [("x y".to_owned(), 3), ("y x".to_owned(), 0)]
        );
        family.retain(|[a, _]| &**a != "x");
        assert_eq!(family.with(["x", "y"]).get(), 0);
    }
}
