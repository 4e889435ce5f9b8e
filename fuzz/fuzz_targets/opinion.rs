#![no_main]
#![allow(dead_code, reason = "most of the filter is for those who have a message")]

#[path = "../../plugins/rspamd/tests/checks/opinion.rs"]
mod checks;
#[path = "../../plugins/rspamd/src/fields.rs"]
mod fields;
#[path = "../../plugins/rspamd/src/opinion.rs"]
mod opinion;
#[path = "../../plugins/rspamd/src/settings.rs"]
mod settings;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::opinion(octets));
