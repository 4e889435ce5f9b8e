//! What the fuzz targets found or began with, replayed by ordinary tests, which need no nightly compiler.

use std::fs;
use std::path::Path;

/// Checks every file of `fuzz/corpus/TARGET`, and says its path first: the last one said is the one that failed.
///
/// # Panics
/// As `check` does, and for a target without a corpus.
pub fn replay(target: &str, check: impl Fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut files = 0;
    for entry in fs::read_dir(corpus.join(target)).expect("each target has a corpus") {
        let path = entry.expect("the folder can be read").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("the file can be read"));
        files += 1;
    }
    assert!(files > 0, "nothing in the corpus of {target}");
}
