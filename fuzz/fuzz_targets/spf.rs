#![no_main]

#[path = "../../plugins/auth/tests/checks/spf.rs"]
mod checks;

/// As much of the filter as it takes.
#[path = "../../plugins/auth/src"]
mod auth {
    pub mod names;
    pub mod spf;
}

use auth::names;
use auth::spf::{Outcome, Sender, check};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::spf(octets));
