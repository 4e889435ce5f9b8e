#![no_main]

#[path = "../../plugins/attachments/tests/checks/zip.rs"]
mod checks;
#[path = "../../plugins/attachments/src/zip.rs"]
mod zip;

use zip::{Directory, Ends, directories, members};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::zip(octets));
