//! The proxy through its sockets, against a scripted backend. One program, so that it is linked once.

mod backends;
mod config;
mod configuration;
mod corpus;
mod directory;
mod doubt;
mod examples;
mod explain;
mod health;
mod hold;
mod identity;
mod kinds;
mod kit;
mod metrics;
mod passed_on;
mod relay;
mod reload;
mod slow;
mod switch;
mod terms;
mod tls;
mod unwanted;
mod verdicts;
