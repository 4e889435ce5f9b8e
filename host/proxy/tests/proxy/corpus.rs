//! Replays the corpus of the fuzz targets.

#[path = "../checks/mod.rs"]
mod checks;

#[test]
fn the_corpus_replays() {
    for (target, check) in checks::ALL {
        lazaret_corpus::replay(target, check);
    }
}
