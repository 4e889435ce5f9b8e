#![no_main]

#[path = "../../host/services/tests/checks/url.rs"]
mod checks;

/// As much of the crate as it takes.
#[path = "../../host/services/src/http"]
mod http {
    pub use lazaret_services::http::{Chunks, Content, Grant, Origin, Request, Scheme};
    mod outgoing;
    pub mod vetted;
}

use http::vetted::check;
use http::{Content, Grant, Origin, Request};
use lazaret_services::Refused;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::url(octets));
