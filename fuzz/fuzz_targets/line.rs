#![no_main]

#[path = "../../host/cli/tests/checks/line.rs"]
mod checks;
#[path = "../../host/cli/src/logging/line.rs"]
mod line;

use arguments::LogFormat;
use line::{Lines, Reader};

/// As `host/cli` has it, without the command line.
mod arguments {
    /// Format of the log.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum LogFormat {
        Text,
        Json,
    }
}

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::line(octets));
