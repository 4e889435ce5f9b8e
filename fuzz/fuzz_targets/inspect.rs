#![no_main]

#[path = "../../host/engine/tests/checks/inspect.rs"]
mod checks;

use lazaret_engine::inspect;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::inspected(octets));
