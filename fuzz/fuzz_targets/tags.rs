#![no_main]

#[path = "../../plugins/auth/tests/checks/tags.rs"]
mod checks;
#[allow(dead_code, reason = "most of it is for those who ask")]
#[path = "../../plugins/auth/src/names.rs"]
mod names;
#[path = "../../plugins/auth/src/dkim/signature.rs"]
mod signature;

use names::is_within as may_sign_for;
use signature::{Signature, Tags};

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::tags(octets));
