//! Replays the corpus of the fuzz targets, and lets random octets at the same checks.

mod checks;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

/// Every file of `fuzz/corpus/<target>`; a target without any is an error.
#[test]
fn the_corpus_replays() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, check) in checks::ALL {
        let folder = corpus.join(target);
        let mut files = 0;
        for entry in fs::read_dir(&folder).expect("each target has a corpus") {
            let path = entry.expect("the folder can be read").path();
            println!("{}", path.display());
            check(&fs::read(&path).expect("the file can be read"));
            files += 1;
        }
        assert!(files > 0, "nothing in {}", folder.display());
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
