//! What filters count and measure (`metrics` of the contract), and the sandboxes they run in, shown at the admin port
//! beside what the proxy counts.

use std::sync::Arc;

use lazaret_engine::{Engine, Slots};
use lazaret_metrics::Scrape;
use lazaret_proxy::MetricsRegistry;
use lazaret_services::Services;
use lazaret_services::metrics::{Figure, Sample};

/// Tells the figures of filters at each scrape, as `lazaret_guest_count_total` and `lazaret_guest_gauge`, by filter and name.
pub fn of_filters(registry: &MetricsRegistry, services: &Services) {
    let figures = services.metrics().clone();
    registry.on_scrape(move |scrape| tell(scrape, &figures.samples()));
}

/// Tells at each scrape how many slots for sandboxes are in use, as `lazaret_sandboxes` by state, how many there are, and how
/// sandboxes began.
pub fn of_sandboxes(registry: &MetricsRegistry, engine: &Arc<Engine>) {
    let engine = Arc::downgrade(engine);
    registry.on_scrape(move |scrape| {
        if let Some(engine) = engine.upgrade() {
            tell_slots(scrape, engine.slots_now());
            tell_origins(scrape, engine.made(), engine.renewed());
        }
    });
}

fn tell_slots(scrape: &mut Scrape<'_>, slots: Slots) {
    let states = [("used", slots.used()), ("free", slots.free)];
    let labels = states.map(|(state, _)| [("state", state)]);
    let counts = states.map(|(_, count)| count as f64);
    let samples: Vec<_> = labels.iter().map(|it| &it[..]).zip(counts).collect();
    let help = "Slots for sandboxes; a filter of several modules takes several";
    scrape.gauge("sandboxes", help, &samples);
    let idle = [(&[][..], slots.idle as f64)];
    let help = "Sandboxes that wait for the next question of their transaction; given up where none is free";
    scrape.gauge("sandboxes_idle", help, &idle);
    let limit = [(&[][..], slots.limit as f64)];
    scrape.gauge("sandboxes_limit", "Slots that there are", &limit);
}

fn tell_origins(scrape: &mut Scrape<'_>, made: u64, renewed: u64) {
    let samples = [
        (&[("origin", "made")][..], made as f64),
        (&[("origin", "renewed")][..], renewed as f64),
    ];
    let help = "Sandboxes that began their work: made, or put back to where a new one begins";
    scrape.counter("sandboxes_begun", help, &samples);
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
    fn slots_are_told_by_state() {
        let registry = MetricsRegistry::new();
        let slots = lazaret_engine::Slots {
            limit: 1000,
            free: 990,
            idle: 4,
        };
        registry.on_scrape(move |scrape| super::tell_slots(scrape, slots));
        registry.on_scrape(|scrape| super::tell_origins(scrape, 3, 5));
        let text = registry.render();
        for line in [
            "lazaret_sandboxes{state=\"used\"} 10.0",
            "lazaret_sandboxes{state=\"free\"} 990.0",
            "lazaret_sandboxes_idle 4.0",
            "lazaret_sandboxes_limit 1000.0",
            "lazaret_sandboxes_begun_total{origin=\"made\"} 3.0",
            "lazaret_sandboxes_begun_total{origin=\"renewed\"} 5.0",
        ] {
            assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
        }
    }

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
