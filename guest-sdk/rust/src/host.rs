//! Who answers: the host, or in native tests the transaction made up by [`testing`](crate::testing).

#[cfg(target_family = "wasm")]
pub use crate::bindings::permissions::lazaret::filter::{
    body, dns, edit_headers, entropy, envelope, headers, http, lists, log, metrics, notes, pace,
    parts, score, session, state,
};
#[cfg(not(target_family = "wasm"))]
pub use crate::testing::host::{
    body, edit_headers, entropy, envelope, headers, log, notes, pace, parts, score, session,
};
#[cfg(not(target_family = "wasm"))]
pub use crate::testing::services::{dns, http, lists, metrics, state};
