//! Mail filters for Lazaret, in Rust.
//!
//! A filter is a type with the stages it wants to be asked at. The attribute [`filter`] exports exactly the methods that
//! are written, so the host calls a filter for just those; every module of permissions that is used ([`session`],
//! [`headers`], [`score`], …) becomes a request the operator answers with a line in the filter's TOML.
//!
//! ```
//! use lazaret_filter::prelude::*;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     domains: Vec<String>,
//! }
//!
//! struct BlockSender(Settings);
//!
//! #[filter]
//! impl Filter for BlockSender {
//!     type Config = Settings;
//!
//!     fn configure(config: Settings) -> Result<Self, String> {
//!         Ok(Self(config))
//!     }
//!
//!     fn mail(&mut self, sender: &Address) -> Verdict {
//!         if self.0.domains.iter().any(|domain| sender.is_within(domain)) {
//!             return Verdict::reject("we take no mail from there").enhanced("5.7.1");
//!         }
//!         Verdict::Continue
//!     }
//! }
//!
//! let session = testing::Transaction::new().from("offers@spam.example");
//! let report = session.run::<BlockSender>("domains = ['spam.example']");
//! assert_eq!(report.verdict().to_string(), "reject 5.7.1 we take no mail from there");
//! ```
//!
//! Build it with `crate-type = ["cdylib"]` for the target `wasm32-wasip2`: what comes out is the component.
//!
//! # How long a filter lives
//!
//! `configure` runs once. Each transaction, and each call of the stages `connect` and `hello`, is judged by its own copy
//! of the configured filter, thrown away afterwards. What a filter keeps in `self` lasts from `mail` to `message`; what
//! must last longer goes into [`notes`]. Seed nothing in `configure`: every copy would have the same seed; take
//! [`entropy`] when it is needed.
//!
//! A panic ends the copy at once. Its message goes to the filter's log and the operator's `on-failure` answers.

extern crate self as lazaret_filter;

mod address;
#[doc(hidden)]
pub mod bindings;
pub mod body;
mod config;
pub mod dns;
pub mod edit_headers;
pub mod entropy;
pub mod envelope;
mod filter;
pub mod headers;
mod host;
pub mod http;
pub mod lists;
pub mod log;
pub mod metrics;
#[cfg(feature = "names")]
pub mod names;
mod network;
pub mod notes;
pub mod pace;
pub mod parts;
pub mod score;
pub mod session;
pub mod state;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod verdict;

pub use bindings::permissions::lazaret::filter::types::{
    Address, Error, Parameter, Reply, Verdict,
};
pub use filter::{Filter, TransactionResult};
pub use lazaret_filter_macros::filter;
pub use network::{Network, NetworkError};
#[doc(no_inline)]
pub use serde;

/// What most filters need.
pub mod prelude {
    #[cfg(not(target_family = "wasm"))]
    pub use crate::testing;
    pub use crate::{
        Address, Error, Filter, Network, Parameter, Reply, TransactionResult, Verdict, body, dns,
        edit_headers, entropy, envelope, filter, headers, http, lists, log, metrics, notes, pace,
        parts, score, session, state,
    };
    pub use serde::Deserialize;
}

/// For the code that `#[filter]` writes.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings;
    pub use crate::config::{no_settings, read};
}

/// The filter on the first screen of the project is one.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct FirstScreen;
