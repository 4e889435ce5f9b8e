//! The network: listeners, TLS, admission, the connection loop, the spool, the backend, the filter directory.
//!
//! One loop for each client takes events from [`lazaret_smtp::Server`], asks the filters of the chain, then the
//! backend, and answers. Nothing here knows what runs a filter: it is handed a [`lazaret_mail::Loader`].
//!
//! Read [`Config`] first, then [`Proxy`]: bind, run, drain.
#![forbid(unsafe_code)]

mod admin;
mod admission;
mod alarm;
mod backend;
mod balancer;
mod caretaker;
pub mod config;
mod connection;
pub mod control;
mod descriptors;
mod door;
pub mod explain;
mod fate;
pub mod filters;
mod handed;
mod id;
mod left;
mod listener;
mod metrics;
mod probe;
mod proxy;
mod quarantine;
mod renewal;
mod site;
mod spool;
mod tls;
mod wire;
mod workers;

pub use config::Config;
pub use filters::Reloader;
pub use handed::Handed;
pub use lazaret_metrics::Registry as MetricsRegistry;
pub use probe::{Finding, ProbeReport, probe};
pub use proxy::{Proxy, Pulse, StartError, cautions, check_directories, expired};
