//! Is a component of this source? The build wrote down beside it what it was built from.

use std::path::Path;
use std::process::Command;

/// Compares the list that was written at the build with the files of today.
pub fn check(language: &str, list: &Path) -> Result<(), String> {
    let then =
        std::fs::read_to_string(list).map_err(|error| format!("{}: {error}", list.display()))?;
    match difference(&then, &today(language)?) {
        None => Ok(()),
        Some(path) => Err(format!("the component is older than {path}")),
    }
}

/// What the component would be built from now.
fn today(language: &str) -> Result<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../guest-sdk/reference/sources.sh");
    let output = Command::new("sh")
        .arg(&script)
        .arg(language)
        .output()
        .map_err(|error| format!("sh: {error}"))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// The first file that is in one list and not, or not the same, in the other.
fn difference<'l>(then: &'l str, now: &'l str) -> Option<&'l str> {
    let missing = |from: &'l str, line: &str| !from.lines().any(|other| other == line);
    let gone = now.lines().find(|line| missing(then, line));
    let changed = gone.or_else(|| then.lines().find(|line| missing(now, line)));
    changed.map(|line| line.split_once("  ").map_or(line, |(_, path)| path))
}
