#![no_main]

#[path = "../../plugins/clamav/tests/checks/clamd.rs"]
mod checks;
#[allow(dead_code, reason = "only its answers are read")]
#[path = "../../plugins/clamav/src/clamd.rs"]
mod clamd;

use clamd::{Look, Trouble, read};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::clamd(octets));
