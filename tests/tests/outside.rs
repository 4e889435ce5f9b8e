//! Bundled filters that ask servers of others, through the listener: with the real server, and with one that is no use.

#[path = "outside/clamav.rs"]
mod clamav;
#[path = "outside/rate.rs"]
mod rate;
#[path = "outside/rspamd.rs"]
mod rspamd;
#[path = "outside/trial.rs"]
mod trial;
