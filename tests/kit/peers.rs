//! Programs of others. A test prints `peer: NAME ran`, or `skipped: NAME not installed`; where
//! `LAZARET_REQUIRE_PEERS=1` is set, as in CI, a missing one fails the test.

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

mod apart;
mod clamd;
pub mod clients;
mod daemon;
mod exim;
pub mod journey;
mod mailbox;
mod nsd;
mod opensmtpd;
mod postfix;
mod postlog;
mod redis;
mod resolver;
mod rspamd;
mod signer;

pub use clamd::{clamd, eicar};
pub use daemon::Daemon;
pub use exim::{Exim, EximClient};
pub use mailbox::{Arrived, Backend};
pub use nsd::Nsd;
pub use opensmtpd::OpenSmtpd;
pub use postfix::{Postfix, Service};
pub use redis::Redis;
pub use resolver::{Manner, Resolver};
pub use rspamd::{gtube, rspamd};
pub use signer::Signer;

pub use crate::ports::free_port;

/// The program of that name, if it is installed; says so if it is not.
pub fn find(name: &str) -> Option<PathBuf> {
    let found = installed(name);
    if found.is_none() {
        missing(name);
    }
    found
}

/// The same, and says nothing.
pub fn installed(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/usr/bin".into()])
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// Where `cargo xtask peers` has unpacked a Debian package: not installed, beside what is.
pub fn unpacked(package: &str) -> PathBuf {
    target().join("peers").join(package)
}

/// cargo's target directory.
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")),
        PathBuf::from,
    )
}

/// Are all wanted?
pub fn are_required() -> bool {
    env::var_os("LAZARET_REQUIRE_PEERS").is_some_and(|value| value == "1")
}

/// Says that a peer cannot take part; fails where all are wanted.
pub fn missing(name: &str) {
    assert!(
        !are_required(),
        "{name} is not installed, and LAZARET_REQUIRE_PEERS=1 wants it"
    );
    println!("skipped: {name} not installed");
}

/// Says that the peer took part in a test; CI counts these lines.
pub fn ran(name: &str) {
    println!("peer: {name} ran");
}

/// Runs a program of a peer to its end; panics with its output if it fails.
pub fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    judged(command, &output)
}

fn judged(command: &Command, output: &Output) -> String {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}",
        output.status
    );
    said
}

/// Runs it with `input`; the same else.
pub fn feed(command: &mut Command, input: &[u8]) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("a pipe");
    // One that does not read its input says why.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    judged(command, &output)
}
