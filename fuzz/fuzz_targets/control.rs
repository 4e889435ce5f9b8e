#![no_main]

#[path = "../../host/proxy/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::control(octets));
