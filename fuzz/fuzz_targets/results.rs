#![no_main]

#[path = "../../plugins/auth/tests/checks/results.rs"]
mod checks;
#[allow(dead_code, reason = "most of it is for those who ask")]
#[path = "../../plugins/auth/src/names.rs"]
mod names;
#[allow(dead_code, reason = "its name is for those who write it")]
#[path = "../../plugins/auth/src/results.rs"]
mod results;

use results::{Entry, is_by, value};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::results(octets));
