//! Builds the guests in `guests/` and the reference filter in Rust into components and tells the kit where they are.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "build/smith.rs"]
mod smith;

const TARGET: &str = "wasm32-wasip2";
const GUESTS: [&str; 6] = [
    "puppet", "minimal", "frozen", "reacher", "keeper", "scanner",
];

fn main() {
    make_random_components();
    let tests = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let workspace = tests.parent().expect("tests/ is in the workspace");
    for source in [
        ".cargo/config.toml",
        "tests/guests",
        "guest-sdk/rust",
        "wit",
        "Cargo.lock",
    ] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(source).display()
        );
    }
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    ensure_target();
    let target_dir = env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), PathBuf::from)
        .join("guests");
    let reference = ["--package", "lazaret-reference", "--lib"];
    let guests = ["--package", "lazaret-test-guests", "--examples"];
    build(
        workspace,
        &target_dir,
        "guest",
        &[guests, reference].concat(),
    );
    build(workspace, &target_dir, "traced", &reference);
    let built = target_dir.join(TARGET).join("guest");
    for guest in GUESTS {
        tell(guest, &built.join("examples").join(guest));
    }
    tell("reference", &built.join("lazaret_reference"));
    let traced = target_dir.join(TARGET).join("traced");
    tell("traced", &traced.join("lazaret_reference"));
}

fn tell(guest: &str, file: &Path) {
    let file = file.with_extension("wasm");
    assert!(file.is_file(), "{} was not built", file.display());
    println!(
        "cargo::rustc-env=GUEST_{}={}",
        guest.to_uppercase(),
        file.display()
    );
}

/// Into the build directory: their seeds are in the source.
fn make_random_components() {
    println!("cargo::rerun-if-changed=build");
    let directory = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it")).join("smith");
    smith::make(&directory);
    println!("cargo::rustc-env=SMITH={}", directory.display());
}

/// Some machines have rustup's automatic install off: then `rust-toolchain.toml` alone adds nothing.
fn ensure_target() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let libdir = Command::new(rustc)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .expect("rustc runs");
    let libdir = String::from_utf8_lossy(&libdir.stdout).trim().to_owned();
    if Path::new(&libdir).is_dir() {
        return;
    }
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .status();
    assert!(
        added.is_ok_and(|status| status.success()),
        "the target {TARGET} is missing; run `rustup target add {TARGET}`"
    );
}

/// A cargo inside cargo: in a target directory of its own, free of what clippy and the like set for the outer one.
fn build(workspace: &Path, target_dir: &Path, profile: &str, what: &[&str]) {
    let cargo = env::var_os("CARGO").expect("cargo sets it");
    let status = Command::new(cargo)
        .current_dir(workspace)
        .args(["build", "--quiet"])
        .args(what)
        .args(["--target", TARGET, "--profile", profile])
        .arg("--target-dir")
        .arg(target_dir)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("RUSTFLAGS")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .expect("cargo runs");
    assert!(
        status.success(),
        "the guests in tests/guests or guest-sdk/rust/reference do not build"
    );
}
