//! Every transcript in `sessions/`, whole and with one octet a segment, in the clear and in TLS; and what of them is in the
//! README of a bundled filter.

#[path = "sessions/readme.rs"]
mod readme;

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
    let readmes = readmes(&sessions, &files);
    let trials = files
        .into_iter()
        .map(|file| trial(&sessions, file))
        .chain(readmes)
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

/// One for each bundled filter.
fn readmes(sessions: &Path, files: &[PathBuf]) -> Vec<Trial> {
    let plugins = sessions.join("../../plugins");
    let all = lazaret_bundled::ALL.iter().chain(&lazaret_bundled::FURTHER);
    let trial = |name: &'static str| {
        let readme = plugins.join(name).join("README.md");
        let of_filter = |file: &&PathBuf| is_of(name, file, sessions);
        let transcripts: Vec<_> = files.iter().filter(of_filter).cloned().collect();
        Trial::test(format!("readme/{name}"), move || {
            let transcripts: Vec<_> = transcripts.iter().map(PathBuf::as_path).collect();
            readme::check(&readme, &transcripts).map_err(Failed::from)
        })
    };
    all.map(|filter| trial(filter.name)).collect()
}

fn is_of(filter: &str, file: &Path, sessions: &Path) -> bool {
    let homes = ["bundled", "services"].map(|home| sessions.join(home));
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    let rest = stem.strip_prefix(filter);
    file.parent()
        .is_some_and(|home| homes.iter().any(|it| it == home))
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
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
