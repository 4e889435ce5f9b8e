#![no_main]
#![allow(dead_code, reason = "most of it is for those who have a filter")]

#[path = "../../host/engine/tests/checks/lines.rs"]
mod checks;

/// As much of the engine as it takes.
#[path = "../../host/engine/src"]
mod engine {
    pub mod lines;
    pub mod text;
}

use engine::lines::{Lines, Place, Spot};
use engine::text;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::lines(octets));
