//! Replays the corpus of those fuzz targets whose parsers nobody else can call; `tests/corpus.rs` does the others.

use std::fs;
use std::path::Path;

/// Every file of `fuzz/corpus/<target>`; a target without any is an error.
pub fn replays(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let folder = folder.join(target);
    let mut files = 0;
    for entry in fs::read_dir(&folder).expect("each target has a corpus") {
        let path = entry.expect("the folder can be read").path();
        println!("{}", path.display());
        check(&fs::read(&path).expect("the file can be read"));
        files += 1;
    }
    assert!(files > 0, "nothing in {}", folder.display());
}
