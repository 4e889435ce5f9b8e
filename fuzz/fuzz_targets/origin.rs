#![no_main]

#[path = "../../host/services/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::origin(octets));
