//! Native unit tests of a filter: no Wasm, no host.
//!
//! A made-up [`Transaction`] answers the permissions as the host would (`not-now` before its stage, `not-granted`,
//! `invalid`), asks the filter stage by stage, and ends in a [`Report`].
//!
//! ```
//! use lazaret_filter::prelude::*;
//!
//! #[derive(Default)]
//! struct Tag;
//!
//! #[filter]
//! impl Filter for Tag {
//!     fn message(&mut self) -> Verdict {
//!         if headers::first("Subject").is_some_and(|subject| subject.contains("offer")) {
//!             edit_headers::add("X-Offer", "yes").expect("granted");
//!         }
//!         Verdict::Continue
//!     }
//! }
//!
//! let report = testing::Transaction::new()
//!     .client("192.0.2.1")
//!     .from("shop@example.com")
//!     .to("anna@example.org")
//!     .message("Subject: an offer\n\nBuy!\n")
//!     .run::<Tag>("");
//! assert_eq!(report.edits(), ["add X-Offer: yes"]);
//! ```

pub(crate) mod host;
mod message;
mod mime;
mod outside;
mod play;
mod report;
pub(crate) mod services;
mod state;
mod transaction;

pub use outside::State;
pub use report::{Report, Score};
pub use transaction::Transaction;

use crate::{Filter, config};

/// Configures a filter with the `[config]` table in `toml`, to see what `configure` says.
///
/// # Errors
/// What the operator would read.
///
/// # Panics
/// When `toml` is not TOML.
pub fn configure<F: Filter>(toml: &str) -> Result<F, String> {
    let before = state::replace(Some(state::World::new(state::Facts::new())));
    let filter = config::read(&settings(toml)).and_then(F::configure);
    state::replace(before);
    filter
}

/// As the host hands `[config]` out: JSON.
fn settings(toml: &str) -> String {
    let table: toml::Table = toml
        .parse()
        .unwrap_or_else(|error| panic!("not TOML: {error}"));
    serde_json::to_string(&table).expect("a TOML table with text keys is JSON")
}
