//! SMTP as pure state machines. No sockets, no clock, no threads, no unsafe.
#![forbid(unsafe_code)]

pub mod address;
pub mod reply;

pub use address::{Address, Parameter, Path};
pub use reply::{Code, Enhanced, Reply};
