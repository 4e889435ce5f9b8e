//! `cargo xtask bench`: builds what the benchmark measures, and what it measures with, then runs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::guest_target;
use crate::step::{self, Outcome};

const GUEST: &str = "wasm32-wasip2";

/// Everything is built with `--release`; `--lazaret PROGRAM` measures one that is built already.
pub fn bench(arguments: &[String]) -> Outcome {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace");
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let release = target.join("release");
    step::run(build(root, &["--release", "--package", "lazaret-load"]))?;
    // A connection is a descriptor on both sides.
    let mut bench = Command::new("sh");
    bench.args(["-c", "ulimit -n $(ulimit -H -n) && exec \"$@\"", "sh"]);
    bench.arg(release.join("lazaret-bench"));
    bench.args(arguments);
    if arguments.iter().any(|a| a == "--help" || a == "-h") {
        return step::run(bench);
    }
    if !arguments.iter().any(|a| a.starts_with("--lazaret")) {
        eprintln!("xtask: building lazaret as it is shipped; the first time takes some minutes");
        step::run(build(
            root,
            &["--release", "--package", "lazaret", "--bin", "lazaret"],
        ))?;
        bench.arg("--lazaret").arg(release.join("lazaret"));
    }
    bench.arg("--null-filter").arg(null_filter(root, &target)?);
    bench.arg("--page").arg(root.join("docs/performance.md"));
    if !arguments.iter().any(|a| a.starts_with("--npm")) {
        bench.arg("--npm").arg(target.join("bench"));
    }
    step::run(bench)
}

/// The filter that the peers' null plugins and milters are compared with.
fn null_filter(root: &Path, target: &Path) -> Result<PathBuf, step::Problem> {
    guest_target::ensure()?;
    let guests = target.join("guests");
    let mut filter = build(root, &["--package", "lazaret-null", "--profile", "guest"]);
    // They would stand in for those of `.cargo/config.toml`.
    filter
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .args(["--target", GUEST, "--target-dir"])
        .arg(&guests);
    step::run(filter)?;
    Ok(guests.join(GUEST).join("guest/lazaret_null.wasm"))
}

fn build(root: &Path, what: &[&str]) -> Command {
    let mut cargo = step::cargo();
    cargo.current_dir(root).arg("build").args(what);
    cargo
}
