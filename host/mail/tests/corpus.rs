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

    /// Random lines that mean something.
    #[test]
    fn random_messages(lines in prop::collection::vec(
        "(Content-Type: multipart/mixed; boundary=b|Content-Type: text/plain; charset=x|--b|--b--|Subject: =\\?utf-8\\?q\\?x|\
         Content-Transfer-Encoding: base64|Content-Type: message/rfc822|aGVsbG8=| folded|\t|:|: x|From x|X:y|)(\r\n|\n|\r)?",
        0..30,
    )) {
        checks::message(lines.concat().as_bytes());
    }
}
