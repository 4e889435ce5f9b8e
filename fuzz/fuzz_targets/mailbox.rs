#![no_main]

#[path = "../../plugins/rules/tests/checks/mailbox.rs"]
mod checks;
#[allow(dead_code, reason = "some of it is for those who have fields")]
#[path = "../../plugins/rules/src/mailbox.rs"]
mod mailbox;
#[path = "../../plugins/rules/src/mask.rs"]
mod mask;
#[allow(dead_code, reason = "only how much of a text it looks at")]
#[path = "../../plugins/rules/src/matcher.rs"]
mod matcher;

use mailbox::{Mailbox, are_related, domain, mailboxes, shown_addresses};
use mask::masked;

libfuzzer_sys::fuzz_target!(|octets: &[u8]| checks::mailbox(octets));
