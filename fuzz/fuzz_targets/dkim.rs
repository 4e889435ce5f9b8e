#![no_main]

#[path = "../../plugins/auth/tests/checks/dkim.rs"]
mod checks;

/// As much of the filter as it takes.
#[path = "../../plugins/auth/src"]
mod auth {
    pub mod dkim;
    pub mod names;
}

use auth::dkim::{Field, Outcome, Signatures};
use auth::names;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::dkim(octets));
