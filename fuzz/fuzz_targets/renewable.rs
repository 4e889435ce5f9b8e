#![no_main]
#![allow(dead_code, reason = "most of it is for those who have a filter")]

#[path = "../../host/engine/tests/checks/renewable.rs"]
mod checks;

/// As much of the engine as it takes.
#[path = "../../host/engine/src"]
mod engine {
    pub mod limiter;
    pub mod inspect {
        pub mod features;
        pub use features::ALLOWED;
    }
    pub mod prepare {
        pub mod renewable;
    }
}

use engine::prepare::renewable::{Ground, RESTORE, renewable, restorer, whole};
use engine::{inspect, limiter};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::put_back(octets));
