//! Every transcript in `sessions/`, whole and with one octet a segment, in the clear and in TLS.

use std::path::{Path, PathBuf};

use lazaret_tests::Transcript;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let sessions = Path::new(env!("CARGO_MANIFEST_DIR")).join("sessions");
    let mut files = Vec::new();
    collect(&sessions, &mut files);
    files.sort();
    assert!(
        !files.is_empty(),
        "no transcripts in {}",
        sessions.display()
    );
    let trials = files
        .into_iter()
        .map(|file| trial(&sessions, file))
        .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trial(sessions: &Path, file: PathBuf) -> Trial {
    let name = file
        .strip_prefix(sessions)
        .unwrap_or(&file)
        .with_extension("");
    Trial::test(name.display().to_string(), move || {
        Transcript::read(&file).play().map_err(Failed::from)
    })
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("a readable entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path
            .extension()
            .is_some_and(|extension| extension == "smtp")
        {
            files.push(path);
        }
    }
}
