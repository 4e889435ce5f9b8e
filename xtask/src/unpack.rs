//! `cargo xtask peers`: mail servers whose Debian packages exclude Postfix are unpacked below the target directory, where
//! the tests start them from. Nothing is installed.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::step::{self, Outcome, Problem};

/// What is unpacked, and what of it must be there then.
const PACKAGES: [(&str, &str); 2] = [
    ("exim4-daemon-light", "usr/sbin/exim4"),
    ("opensmtpd", "usr/sbin/smtpd"),
];

/// Fetches with apt-get what is not there yet.
pub fn peers(arguments: &[String]) -> Outcome {
    if let Some(unexpected) = arguments.first() {
        return Err(Problem::usage(format!(
            "`peers` takes no arguments, got `{unexpected}`"
        )));
    }
    let places = step::target().join("peers");
    for (package, program) in PACKAGES {
        let place = places.join(package);
        if !place.join(program).is_file() {
            unpack(package, &place)?;
        }
        step::say(&format!("{}\n", place.join(program).display()));
    }
    Ok(())
}

fn unpack(package: &str, place: &Path) -> Outcome {
    std::fs::create_dir_all(place).map_err(|error| cannot("make", place, &error))?;
    let mut download = Command::new("apt-get");
    download
        .args(["download", "-q", package])
        .current_dir(place);
    step::run(download)?;
    let archive = archive_in(place)?;
    let mut extract = Command::new("dpkg-deb");
    extract.arg("-x").arg(&archive).arg(place);
    step::run(extract)?;
    std::fs::remove_file(&archive).map_err(|error| cannot("remove", &archive, &error))
}

fn archive_in(place: &Path) -> Result<PathBuf, Problem> {
    let entries = std::fs::read_dir(place).map_err(|error| cannot("read", place, &error))?;
    let mut files = entries.flatten().map(|entry| entry.path());
    let found = files.find(|file| file.extension().is_some_and(|it| it == "deb"));
    found.ok_or_else(|| Problem::failed(format!("apt-get left no package in {}", place.display())))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Problem {
    Problem::failed(format!("cannot {what} {}: {error}", path.display()))
}
