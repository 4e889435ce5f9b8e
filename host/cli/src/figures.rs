//! What filters count and measure (`metrics` of the contract), shown at the admin port beside what the proxy counts.

use lazaret_metrics::Scrape;
use lazaret_proxy::MetricsRegistry;
use lazaret_services::Services;
use lazaret_services::metrics::{Figure, Sample};

/// Tells the figures of filters at each scrape, as `lazaret_guest_count_total` and `lazaret_guest_gauge`, by filter and name.
pub fn publish(registry: &MetricsRegistry, services: &Services) {
    let figures = services.metrics().clone();
    registry.on_scrape(move |scrape| tell(scrape, &figures.samples()));
}

fn tell(scrape: &mut Scrape<'_>, samples: &[Sample]) {
    let labels: Vec<_> = samples
        .iter()
        .map(|sample| [("filter", &*sample.filter), ("name", &*sample.name)])
        .collect();
    let all = || labels.iter().map(|labels| &labels[..]).zip(samples);
    let counted = all().filter_map(|(labels, sample)| match sample.figure {
        Figure::Count(count) => Some((labels, count as f64)),
        Figure::Gauge(_) => None,
    });
    let measured = all().filter_map(|(labels, sample)| match sample.figure {
        Figure::Count(_) => None,
        Figure::Gauge(value) => Some((labels, value)),
    });
    let (counted, measured): (Vec<_>, Vec<_>) = (counted.collect(), measured.collect());
    scrape.counter(
        "guest_count",
        "What filters count, by their own names",
        &counted,
    );
    scrape.gauge(
        "guest_gauge",
        "What filters measure, by their own names",
        &measured,
    );
}

#[cfg(test)]
mod tests {
    use lazaret_proxy::MetricsRegistry;
    use lazaret_services::metrics::Registry;

    #[test]
    fn each_filter_has_its_own_figures() {
        let figures = Registry::default();
        figures.meters("greylist").count("waiting", 2).unwrap();
        figures.meters("rate").count("waiting", 1).unwrap();
        figures.meters("rate").gauge("full", 0.5).unwrap();
        let registry = MetricsRegistry::new();
        registry.on_scrape(move |scrape| super::tell(scrape, &figures.samples()));
        assert_eq!(
            registry.render(),
            "\
# HELP lazaret_guest_count_total What filters count, by their own names.
# TYPE lazaret_guest_count_total counter
lazaret_guest_count_total{filter=\"greylist\",name=\"waiting\"} 2.0
lazaret_guest_count_total{filter=\"rate\",name=\"waiting\"} 1.0
# HELP lazaret_guest_gauge What filters measure, by their own names.
# TYPE lazaret_guest_gauge gauge
lazaret_guest_gauge{filter=\"rate\",name=\"full\"} 0.5
"
        );
    }
}
