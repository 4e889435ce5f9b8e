#![no_main]

#[path = "../../host/engine/tests/checks/frames.rs"]
mod checks;
#[path = "../../host/engine/src/prepare/pipe.rs"]
mod pipe;

use pipe::{read, write};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::frames(octets));
