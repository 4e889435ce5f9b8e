#![no_main]

#[path = "../../host/proxy/tests/checks/xclient.rs"]
mod checks;
#[path = "../../host/proxy/src/connection/presented.rs"]
mod presented;

use presented::Presented;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::xclient(octets));
