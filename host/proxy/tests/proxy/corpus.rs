//! Replays the corpus of the fuzz targets.

use std::fs;
use std::path::Path;

#[path = "../checks/mod.rs"]
mod checks;

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
