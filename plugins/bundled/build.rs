//! Builds the bundled filters to components with a cargo of its own: another target, profile and target folder, so that
//! it neither waits for the cargo that runs this nor spoils its cache. Without changes it takes no network.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

const TARGET: &str = "wasm32-wasip2";
const FILTERS: [&str; 10] = [
    "access",
    "rules",
    "attachments",
    "policy",
    "dnsbl",
    "auth",
    "clamav",
    "rspamd",
    "rate",
    "greylist",
];

/// What a change of means another build, from the root of the workspace.
const SOURCES: [&str; 7] = [
    ".cargo/config.toml",
    "Cargo.toml",
    "Cargo.lock",
    "guest-sdk/rust/src",
    "guest-sdk/rust/macros",
    "guest-sdk/rust/wit",
    "guest-sdk/rust/Cargo.toml",
];

fn main() {
    let root = workspace();
    for source in SOURCES {
        rerun_if_changed(&root.join(source));
    }
    for filter in FILTERS {
        rerun_if_changed(&root.join("plugins").join(filter));
    }
    have_target(&root);
    let out = PathBuf::from(variable("OUT_DIR"));
    let guests = target_folder(&out).join("guests");
    build(&root, &guests);
    for filter in FILTERS {
        take(&guests, filter, &out);
    }
}

fn workspace() -> PathBuf {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .nth(2)
        .expect("this crate is plugins/bundled");
    root.to_path_buf()
}

fn rerun_if_changed(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

/// rustup adds the target where it manages the toolchain; elsewhere the message says what to install.
fn have_target(root: &Path) {
    let asked = Command::new(variable("RUSTC"))
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(root)
        .output();
    let folder = asked.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
    if folder.is_ok_and(|folder| Path::new(&folder).is_dir()) {
        return;
    }
    let added = Command::new("rustup")
        .args(["target", "add", TARGET])
        .current_dir(root)
        .status();
    assert!(
        added.is_ok_and(|status| status.success()),
        "the filters are WebAssembly, and Rust's target {TARGET} is not installed: run \
         `rustup target add {TARGET}` (or install your distribution's standard library for it), then build again"
    );
}

/// Where the cargo that runs this builds; its folder is marked as a cache.
fn target_folder(out: &Path) -> &Path {
    out.ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file())
        .unwrap_or(out)
}

fn build(root: &Path, guests: &Path) {
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .current_dir(root)
        .args(["build", "--locked", "--target", TARGET]);
    cargo
        .args(["--profile", "guest", "--target-dir"])
        .arg(guests);
    for filter in FILTERS {
        cargo.args(["--package", &format!("lazaret-{filter}")]);
    }
    for (name, _) in env::vars_os().filter(|(name, _)| is_of_this_build(name)) {
        cargo.env_remove(name);
    }
    let status = cargo.status();
    assert!(
        status.as_ref().is_ok_and(ExitStatus::success),
        "the bundled filters do not build ({status:?}); the reason is above"
    );
}

/// Variables that cargo, clippy or a coverage tool set for this build would be wrong for the filters.
fn is_of_this_build(name: &OsString) -> bool {
    let name = name.to_string_lossy();
    let kept = [
        "CARGO_HOME",
        "CARGO_NET_",
        "CARGO_HTTP_",
        "CARGO_REGISTR",
        "CARGO_TERM_",
    ];
    let ours = [
        "CARGO",
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
        "LLVM_PROFILE_FILE",
    ];
    ours.iter().any(|start| name.starts_with(start))
        && !kept.iter().any(|start| name.starts_with(start))
}

fn take(guests: &Path, filter: &str, out: &Path) {
    let built = guests
        .join(TARGET)
        .join("guest")
        .join(format!("lazaret_{filter}.wasm"));
    let taken = out.join(format!("{filter}.wasm"));
    if let Err(error) = fs::copy(&built, &taken) {
        panic!(
            "cannot copy {} to {}: {error}",
            built.display(),
            taken.display()
        );
    }
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name} for a build script"))
}
