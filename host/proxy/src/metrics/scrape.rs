//! What is counted elsewhere, told when somebody scrapes.

use std::sync::{Arc, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use lazaret_mail::chain::Place;
use lazaret_metrics::{Sample, Scrape, Sums};

use super::process;
use crate::backend::AddressSnapshot;
use crate::site::{Site, Sites};

/// Tells all of it about the proxy, as long as it lives.
pub(crate) fn tell(sites: &Arc<Sites>) {
    let started = SystemTime::now().duration_since(UNIX_EPOCH);
    let started = started.map_or(0.0, |since| since.as_secs_f64());
    let registry = Arc::clone(&sites.now().metrics.registry);
    let sites: Weak<Sites> = Arc::downgrade(sites);
    registry.on_scrape(move |scrape| {
        program(scrape, started);
        process::tell(scrape);
        if let Some(site) = sites.upgrade().map(|sites| sites.now()) {
            clients(scrape, &site);
            backend(scrape, &site);
            chain(scrape, &site);
            filters(scrape, &site.standing.board.places());
        }
    });
}

/// A metric of one number.
fn one(value: f64) -> [Sample<'static, f64>; 1] {
    [(&[], value)]
}

fn program(scrape: &mut Scrape<'_>, started: f64) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    scrape.gauge("build_info", "Always 1", &[(&version, 1.0)]);
    let help = "When it started, in seconds since 1970";
    scrape.gauge("process_start_time_seconds", help, &one(started));
}

fn clients(scrape: &mut Scrape<'_>, site: &Site) {
    let clients = site.admission.now() as f64;
    scrape.gauge(
        "clients",
        "Clients connected now, all listeners together",
        &one(clients),
    );
    let most = site.admission.most() as f64;
    scrape.gauge("clients_limit", "Clients at once, at most", &one(most));
    let (memory, files) = site.spooler.now();
    scrape.gauge(
        "spool_memory_bytes",
        "Octets of messages spooled in memory",
        &one(memory as f64),
    );
    scrape.gauge(
        "spool_memory_limit_bytes",
        "Octets of messages in memory, at most",
        &one(site.limits.spool_memory_total as f64),
    );
    scrape.gauge(
        "spool_files",
        "Messages spooled in files now",
        &one(files as f64),
    );
    let in_flight = site.spooler.in_flight() as f64;
    let help = "Octets of messages that have not been answered for";
    scrape.gauge("in_flight_bytes", help, &one(in_flight));
    let most = site.limits.in_flight as f64;
    scrape.gauge("in_flight_limit_bytes", "The most of them", &one(most));
    let (kept, octets) = site.decisions.kept();
    let help = "Decisions kept for lazaret explain";
    scrape.gauge("decisions", help, &one(kept as f64));
    scrape.gauge("decisions_bytes", "Octets these take", &one(octets as f64));
    let dropped = site.observers.dropped() as f64;
    scrape.counter(
        "observers_dropped",
        "Observers that were not asked because too many ran",
        &one(dropped),
    );
}

fn backend(scrape: &mut Scrape<'_>, site: &Site) {
    let told = site.backend.snapshot();
    scrape.gauge(
        "backend_connections",
        "Connections to the backend: in use, idle, being opened or closed",
        &one(told.connections as f64),
    );
    scrape.gauge(
        "backend_connections_limit",
        "Connections to the backend, at most",
        &one(told.limit as f64),
    );
    addresses(scrape, &told.addresses);
}

fn addresses(scrape: &mut Scrape<'_>, addresses: &[AddressSnapshot]) {
    let labels: Vec<_> = addresses
        .iter()
        .map(|it| [("backend", it.address.as_str()), ("state", it.state)])
        .collect();
    let states: Vec<Sample<'_, f64>> = labels.iter().map(|labels| (&labels[..], 1.0)).collect();
    let help = "1 for the state of the address: up, down, failing";
    scrape.gauge("backend_state", help, &states);
    let each = |of: fn(&AddressSnapshot) -> f64| -> Vec<Sample<'_, f64>> {
        let pairs = labels.iter().zip(addresses);
        pairs.map(|(labels, it)| (&labels[..1], of(it))).collect()
    };
    let help = "Connections to the address with a transaction";
    scrape.gauge("backend_in_use", help, &each(|it| it.in_use as f64));
    let help = "Connections to the address that wait for one";
    scrape.gauge("backend_idle", help, &each(|it| it.idle as f64));
    let help = "Connections opened, health checks included";
    scrape.counter("backend_opened", help, &each(|it| it.opened as f64));
    let help = "Transactions that found an idle connection";
    scrape.counter("backend_reused", help, &each(|it| it.reused as f64));
    let help = "Connections that could not be opened, transactions that broke off";
    scrape.counter("backend_failed", help, &each(|it| it.failed as f64));
    let help = "Messages that it may have taken without a reply: the client heard 451 and may send them again";
    scrape.counter("backend_ambiguous", help, &each(|it| it.ambiguous as f64));
}

fn chain(scrape: &mut Scrape<'_>, site: &Site) {
    let report = site.standing.report();
    let help = "Counts up with each change of the filter directory";
    scrape.gauge("chain_generation", help, &one(report.generation as f64));
    let help = "1 while the files of filters, as they are, cannot be loaded";
    let broken = f64::from(u8::from(report.load_error.is_some()));
    scrape.gauge("chain_load_error", help, &one(broken));
    let filter = |filter: &crate::filters::report::FilterReport| {
        let absent = f64::from(u8::from(filter.not_loaded.is_some()));
        (filter.name.clone(), filter.mode.clone(), absent)
    };
    let filters: Vec<_> = report.filters.iter().map(filter).collect();
    let labels: Vec<_> = filters
        .iter()
        .map(|(name, mode, _)| [("filter", name.as_str()), ("mode", mode.as_str())])
        .collect();
    let modes: Vec<Sample<'_, f64>> = labels.iter().map(|labels| (&labels[..], 1.0)).collect();
    scrape.gauge("filter_mode", "1 for the mode that counts now", &modes);
    let absent: Vec<Sample<'_, f64>> = labels
        .iter()
        .zip(&filters)
        .map(|(labels, (_, _, absent))| (&labels[..1], *absent))
        .collect();
    let help = "1 while it could not be loaded and answers with its on-failure";
    scrape.gauge("filter_absent", help, &absent);
}

fn filters(scrape: &mut Scrape<'_>, places: &[(String, Arc<Place>)]) {
    said(scrape, places);
    failures(scrape, places);
    let unscanned = each(places, |place| place.measures().unscanned() as f64);
    let help = "Messages over the max-message of a filter, which it did not see";
    scrape.counter("filter_unscanned", help, &samples(&unscanned));
    let cpu = each(places, |place| place.measures().cpu());
    let help = "CPU of a question to a filter";
    scrape.histogram("filter_cpu_seconds", help, &samples(&cpu));
    let suspended = each(places, |place| f64::from(u8::from(place.is_suspended())));
    let help = "1 while its breaker is open: it is not asked, its on-failure answers";
    scrape.gauge("filter_suspended", help, &samples(&suspended));
    let kept_out = each(places, |place| place.tally().kept_out as f64);
    let help = "Questions not asked because the breaker of the filter was open";
    scrape.counter("filter_kept_out", help, &samples(&kept_out));
    wall(scrape, places);
}

type Labelled<'l, V, const N: usize> = Vec<([(&'l str, &'l str); N], V)>;

fn each<V>(places: &[(String, Arc<Place>)], of: impl Fn(&Place) -> V) -> Labelled<'_, V, 1> {
    let values: Vec<V> = places.iter().map(|(_, place)| of(place)).collect();
    let names = places.iter().map(|(name, _)| [("filter", name.as_str())]);
    names.zip(values).collect()
}

fn samples<'l, V: Clone, const N: usize>(labelled: &'l Labelled<'l, V, N>) -> Vec<Sample<'l, V>> {
    labelled
        .iter()
        .map(|(labels, value)| (&labels[..], value.clone()))
        .collect()
}

fn said(scrape: &mut Scrape<'_>, places: &[(String, Arc<Place>)]) {
    let mut all: Labelled<'_, f64, 3> = Vec::new();
    for (name, place) in places {
        for (stage, verdict, count) in place.measures().said() {
            let labels = [
                ("filter", name.as_str()),
                ("stage", stage.name()),
                ("verdict", verdict),
            ];
            all.push((labels, count as f64));
        }
    }
    let help = "Questions to a filter, by stage and what it said, whether it counted or not";
    scrape.counter("filter_asked", help, &samples(&all));
}

fn failures(scrape: &mut Scrape<'_>, places: &[(String, Arc<Place>)]) {
    let mut all: Labelled<'_, f64, 2> = Vec::new();
    for (name, place) in places {
        for (kind, count) in place.measures().failures() {
            all.push(([("filter", name.as_str()), ("kind", kind)], count as f64));
        }
    }
    let help = "Questions that a filter gave no answer to, by reason";
    scrape.counter("filter_failures", help, &samples(&all));
}

fn wall(scrape: &mut Scrape<'_>, places: &[(String, Arc<Place>)]) {
    let mut all: Labelled<'_, Sums, 2> = Vec::new();
    for (name, place) in places {
        for (stage, sums) in place.measures().wall() {
            all.push(([("filter", name.as_str()), ("stage", stage.name())], sums));
        }
    }
    let help = "Real time of a question to a filter, host calls and waiting included";
    scrape.histogram("filter_duration_seconds", help, &samples(&all));
}
