//! Do README's two commands compile wasmtime once? A dependency of a test that turns on a feature of a crate below wasmtime
//! makes another wasmtime of it, and a newcomer waits for it a second time.

use std::collections::BTreeSet;

use crate::step::{self, Outcome, Problem};

/// What takes minutes to compile.
const DEAR: &str = "wasmtime";
/// A package with its features, e.g. `fnv v1.0.7 default,std`.
const WITH_FEATURES: &str = "{p} {f}";

/// Compares the features below wasmtime in what `cargo xtask demo` and `cargo xtask test` build.
pub fn compare() -> Outcome {
    let demo = tree(
        &["--package", "lazaret", "--edges", "normal,build"],
        WITH_FEATURES,
    )?;
    let test = tree(
        &["--workspace", "--edges", "normal,build,dev"],
        WITH_FEATURES,
    )?;
    let below = tree(&["--package", DEAR, "--edges", "normal,build"], "{p}")?;
    let differences = differences(&demo, &test, &below);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Problem::failed(format!(
        "`cargo xtask demo` and `cargo xtask test` would each compile {DEAR}, for the features of these crates differ:\n{}\n\
         turn the same features on in host/engine/Cargo.toml, or leave out what needs them",
        differences.join("\n")
    )))
}

/// The packages of a dependency tree in this format, each once.
fn tree(which: &[&str], format: &str) -> Result<BTreeSet<String>, Problem> {
    let mut cargo = step::cargo();
    cargo.args(["tree", "--quiet", "--locked", "--prefix", "none"]);
    cargo.args(which).args(["--format", format]);
    step::announce(&cargo);
    let output = cargo
        .output()
        .map_err(|error| step::not_started(&cargo, &error))?;
    if !output.status.success() {
        return Err(Problem::failed(String::from_utf8_lossy(&output.stderr)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(package).collect())
}

/// A line of the tree; one that was there before ends in a star.
fn package(line: &str) -> String {
    line.trim_end_matches("(*)").trim().to_owned()
}

/// What the first builds and the second does not, of the packages in `below`.
fn differences(
    demo: &BTreeSet<String>,
    test: &BTreeSet<String>,
    below: &BTreeSet<String>,
) -> Vec<String> {
    let dear = |line: &&String| below.iter().any(|package| is_of(line, package));
    let missing = demo.difference(test).filter(dear);
    missing
        .map(|line| {
            let name = line.split(' ').next().unwrap_or_default();
            let of_it = |other: &&String| other.starts_with(&format!("{name} "));
            let others: Vec<_> = test.iter().filter(of_it).map(String::as_str).collect();
            format!("  demo: {line}\n  test: {}", others.join("\n        "))
        })
        .collect()
}

fn is_of(line: &str, package: &str) -> bool {
    line.strip_prefix(package)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(lines: &[&str]) -> BTreeSet<String> {
        lines.iter().map(|line| package(line)).collect()
    }

    #[test]
    fn a_feature_that_a_test_turns_on_below_wasmtime_is_told() {
        let below = set(&["wasmtime v48.0.8", "fnv v1.0.7", "memchr v2.8.3 (*)"]);
        let demo = set(&[
            "fnv v1.0.7 std",
            "memchr v2.8.3 alloc,std",
            "base64 v0.23.1 std",
        ]);
        let test = set(&[
            "fnv v1.0.7 default,std",
            "memchr v2.8.3 alloc,std (*)",
            "base64 v0.23.1 alloc,std",
        ]);
        let said = differences(&demo, &test, &below);
        assert_eq!(
            said,
            ["  demo: fnv v1.0.7 std\n  test: fnv v1.0.7 default,std"]
        );
        assert!(differences(&demo, &demo, &below).is_empty());
    }
}
