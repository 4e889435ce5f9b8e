//! What the end-to-end tests are written with.
//!
//! * [`Proxy`]: the real proxy with the real engine on ports of its own, in a directory of its own.
//! * [`Client`]: one SMTP client that does exactly what a test says, in the clear or in TLS.
//! * [`BackendDouble`]: a mail server that records what it hears, and misbehaves where told.
//! * [`Transcript`]: a file of `tests/sessions`, played against the three of them.
//! * [`Impostor`]: a service that is slow, resets, or says what it should not.
//! * [`guests`]: the components built from `tests/guests`.
//! * [`peers`]: programs of others that talk to us or that we talk to.
//! * [`faults`]: the fault table, for `tests/faults.rs` and `cargo xtask faults`.
//! * [`hostile`]: the hostile set, for `tests/hostile.rs` and `cargo xtask hostile`.

pub mod backend;
pub mod certificate;
pub mod client;
#[path = "../faults/mod.rs"]
pub mod faults;
pub mod glob;
pub mod guests;
#[path = "../hostile/mod.rs"]
pub mod hostile;
pub mod impostor;
pub mod journal;
pub mod measured;
pub mod neighbour;
pub mod peers;
pub mod ports;
pub mod program;
pub mod proxy;
pub mod quantile;
pub mod stream;
pub mod transcript;

pub use backend::{BackendDouble, Delivery, Step};
pub use client::{Client, Reply, Segments};
pub use impostor::{Impostor, Said, Vice};
pub use measured::measured;
pub use neighbour::{Neighbour, Samples, Window, beside_reload};
pub use proxy::Proxy;
pub use transcript::Transcript;
