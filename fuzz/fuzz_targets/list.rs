#![no_main]

#[path = "../../host/services/tests/checks/list.rs"]
mod checks;

/// As much of the crate as it takes.
#[path = "../../host/services/src/lists"]
mod lists {
    pub use lazaret_services::lists::Kind;
    mod networks;
    pub mod table;
    mod words;
}

use lazaret_services::{Fault, Refused};
use lists::Kind;
use lists::table::{Table, parse};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::list(octets));
