//! Filters that stamp each message with what they were configured with: the stamps of one message are of one generation.

use std::collections::BTreeSet;

use crate::faults::{Ground, Outside};
use crate::guests::Guest;
use crate::proxy::Builder;

/// What is stamped at first.
pub(super) const FIRST: &str = "build-0";

/// One filter stamps at two stages. A change is seen soon.
pub(super) fn at_two_stages(builder: Builder, _: &Outside) -> Builder {
    let policy = format!(
        "[config]\n{}{}",
        stamp("headers", "X-First"),
        stamp("message", "X-Second")
    );
    builder
        .filter("10-stamp", Guest::Puppet, &policy)
        .set("[reload]\nlook = \"20ms\"\nquiet = \"60ms\"\n")
}

/// Two filters, each stamps at a stage of its own, so that the second is first asked when the first has answered. A change
/// that nobody asks to be read waits longer than a test between two of its own.
pub(super) fn by_two_filters(builder: Builder, _: &Outside) -> Builder {
    let of = |stage, field| format!("[config]\n{}", stamp(stage, field));
    builder
        .filter("10-first", Guest::Puppet, &of("headers", "X-First"))
        .filter("20-second", Guest::Puppet, &of("message", "X-Second"))
        .set("[reload]\nquiet = \"30s\"\n")
}

fn stamp(stage: &str, field: &str) -> String {
    format!("{stage} = {{ do = [{{ add = [\"{field}\", \"{FIRST}\"] }}] }}\n")
}

/// The stamps in what was delivered: each message has both, and of one generation.
pub(super) fn all(ground: &Ground) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for delivery in ground.backend().deliveries() {
        let text = String::from_utf8_lossy(&delivery.octets).into_owned();
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_else(|| panic!("no {name} on {:?}", text.lines().next()))
                .to_owned()
        };
        let (first, second) = (field("X-First: "), field("X-Second: "));
        assert_eq!(first, second, "two generations in one transaction");
        seen.insert(first);
    }
    seen
}
