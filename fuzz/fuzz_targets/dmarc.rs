#![no_main]

#[path = "../../plugins/auth/tests/checks/dmarc.rs"]
mod checks;

/// As much of the filter as it takes.
#[path = "../../plugins/auth/src"]
mod auth {
    pub mod dmarc;
    pub mod names;
}

use auth::dmarc::{Authenticated, Authors, Identifiers, Outcome};
use auth::names;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::dmarc(octets));
