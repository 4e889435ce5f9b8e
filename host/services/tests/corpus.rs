//! Replays the corpus of the fuzz targets, and lets random octets at the same checks.

mod checks;

use proptest::prelude::*;

#[test]
fn the_corpus_replays() {
    for (target, check) in checks::ALL {
        lazaret_corpus::replay(target, check);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_octets(octets in prop::collection::vec(any::<u8>(), 0..300)) {
        for (_, check) in checks::ALL {
            check(&octets);
        }
    }

    /// Random lines that are nearly origins.
    #[test]
    fn random_origins(line in "((https?|ftp|HTTP)(://|:/|//))?([a-z]{0,3}@)?\
        (127\\.0\\.0\\.1|127\\.1|0x7f\\.1|\\[?[0-9a-f:]{2,9}\\]?|\\[::ffff:192\\.0\\.2\\.1\\]|([a-zA-Z0-9ü_*-]{1,9}\\.){0,3}[a-zA-Z0-9ü]{1,9})\
        \\.?(:[+-]?[0-9]{0,6})?[/?#]?") {
        checks::origin(line.as_bytes());
    }

    /// Random lines of zone files, and now and then one that is none.
    #[test]
    fn random_zones(lines in prop::collection::vec(prop_oneof![15 => ENTRY, 1 => "[a-zü \"();\\\\\t\u{1b}.0-9-]{0,12}"], 0..12)) {
        checks::zone(lines.join("\n").as_bytes());
    }
}

/// An entry as it should be.
const ENTRY: &str = "\\$ORIGIN (example|b\\.example)\\.|\\$TTL 60|; a comment|\
    (@|a|b|c\\.example\\.|\\*|\\*\\.a)( 60)?( IN)? (A 192\\.0\\.2\\.[1-9]|AAAA 2001:db8::[1-9]|MX [1-9] (a|b|\\.|c\\.example\\.)|\
    TXT (\"x y\"|z|\"\\\\\"\") ?w|TXT \\( a\n b \\)|PTR (a|c\\.example\\.)|CNAME (a|b|c\\.example\\.)|FAIL|SOA x|ns x)";
