//! `docs/conformance.md` says which transcript shows what: each it names is there, and each there
//! is, it names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[test]
fn the_page_names_the_transcripts_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/conformance.md")).expect("the page is there");
    let rows = page.lines().filter(|line| line.starts_with("| "));
    let shown = rows.filter_map(|row| row.trim_end_matches(" |").rsplit(" | ").next());
    let named: BTreeSet<&str> = shown
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    for name in &named {
        let file = match name.split_once('/') {
            None => root.join(format!("tests/sessions/protocol/{name}.smtp")),
            Some(_) if name.ends_with(".rs") => root.join(name),
            Some(_) => root.join(format!("tests/sessions/{name}.smtp")),
        };
        assert!(file.exists(), "{} is not there", file.display());
    }
    let folder = fs::read_dir(root.join("tests/sessions/protocol")).expect("the transcripts");
    for entry in folder {
        let name = entry.expect("an entry").file_name();
        let name = name.to_string_lossy();
        let name = name.trim_end_matches(".smtp");
        assert!(named.contains(name), "{name} is not in docs/conformance.md");
    }
}
