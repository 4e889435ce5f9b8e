#![no_main]

#[path = "../../host/mail/tests/checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::edits(octets));
