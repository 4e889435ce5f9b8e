//! Counters, gauges and histograms that cost an atomic each, and the text that Prometheus scrapes.
//!
//! One [`Registry`] belongs to one proxy; everybody who measures is given it and keeps the handles he gets:
//!
//! ```
//! use lazaret_metrics::{Registry, SECONDS};
//!
//! let registry = Registry::new();
//! // One number, one name.
//! let sessions = registry.counter("sessions", "Sessions accepted");
//! sessions.inc();
//! // One name, a number for each set of labels. Resolve handles once, not at each event: `with` takes a lock.
//! let asked = registry.counters("filter_asked", "Questions to filters", ["filter", "verdict"]);
//! let accepted = asked.with(["greylist", "accept"]);
//! accepted.inc();
//! let took = registry.histogram("transaction_duration_seconds", "From MAIL to the reply", SECONDS);
//! took.observe(0.021);
//! // What somebody else counts already is asked for at each scrape.
//! registry.on_scrape(|scrape| scrape.gauge("spool_memory_bytes", "Octets spooled in memory", &[(&[], 4096.0)]));
//!
//! assert!(registry.render().contains("lazaret_filter_asked_total{filter=\"greylist\",verdict=\"accept\"} 1\n"));
//! ```
//!
//! # Names
//!
//! `lazaret_` is put before each name, `_total` behind those of counters. Names end in a base unit where there is one:
//! `_seconds`, `_bytes`. No name is given twice.
//!
//! # Bounds
//!
//! Whatever strangers choose (client addresses, HELO names, recipients) is never a label. What filters choose may be, for a
//! [`Family`] takes at most [`MOST_SERIES`] sets of labels: what comes on top is counted together under `other`.
#![forbid(unsafe_code)]

mod family;
mod histogram;
mod per_thread;
mod registry;
mod scrape;

pub use family::{Family, MOST_SERIES};
pub use histogram::{Histogram, OCTETS, SECONDS, Sums};
pub use per_thread::{PerThread, carries_sessions};
pub use registry::{CONTENT_TYPE, Registry};
pub use scrape::{Sample, Scrape};

/// Counts up: `inc`, `inc_by`, `get`. Clones are the same counter.
pub type Counter = prometheus_client::metrics::counter::Counter;
/// Goes up and down: `inc`, `dec`, `set`, `get`. Clones are the same gauge.
pub type Gauge = prometheus_client::metrics::gauge::Gauge;
