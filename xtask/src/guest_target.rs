//! Filters are compiled for wasm32-wasip2. Some machines switch rustup's automatic installation off, so we add it.

use std::path::PathBuf;
use std::process::Command;

use crate::step::{self, Outcome, Problem};

const TARGET: &str = "wasm32-wasip2";

/// Adds the target to the toolchain in use unless it is there.
pub fn ensure() -> Outcome {
    if is_installed() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    step::run(rustup).map_err(|problem| {
        Problem::failed(format!(
            "the Rust target {TARGET} is missing and could not be added ({problem}); \
             install rustup, or add the target with your distribution's means"
        ))
    })
}

/// The toolchain has a standard library for the target? Asked of rustc, so that it also holds without rustup.
fn is_installed() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .is_some_and(|path| PathBuf::from(path.trim()).is_dir())
}
