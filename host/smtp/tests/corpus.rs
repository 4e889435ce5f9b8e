//! Replays the corpus of the fuzz targets, and lets random octets at the same checks.

mod checks;
mod oracle;

use proptest::prelude::*;

#[test]
fn the_corpus_replays() {
    for (target, check) in checks::ALL {
        lazaret_corpus::replay(target, check);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_octets(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        for (_, check) in checks::ALL {
            check(&octets);
        }
    }

    /// Random calls around lines that mean something.
    #[test]
    fn random_calls(parts in prop::collection::vec(
        prop_oneof![
            prop::collection::vec(2u8..16, 1..3),
            "(EHLO x|MAIL FROM:<a@b>|RCPT TO:<c@d>|DATA|STARTTLS|RSET|BDAT 3|\\.|text|QUIT)\r\n"
                .prop_map(|line| [&[0, line.len() as u8], line.as_bytes()].concat()),
        ],
        0..40,
    )) {
        checks::server(&parts.concat());
    }
}
