#![no_main]
#![allow(dead_code, reason = "most of the filter is for those who have a message")]

#[path = "../../plugins/attachments/tests/checks/attachment.rs"]
mod checks;
#[path = "../../plugins/attachments/src/findings.rs"]
mod findings;
#[path = "../../plugins/attachments/src/html.rs"]
mod html;
#[path = "../../plugins/attachments/src/names.rs"]
mod names;
#[path = "../../plugins/attachments/src/settings.rs"]
mod settings;
#[path = "../../plugins/attachments/src/text.rs"]
mod text;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::attachment(octets));
