#![no_main]

#[path = "../../host/smtp/tests/checks/mod.rs"]
mod checks;
#[path = "../../host/smtp/tests/oracle/mod.rs"]
mod oracle;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::newlines(octets));
