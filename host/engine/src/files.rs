//! Components from files.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use bytes::Bytes;
use lazaret_mail::LoadError;
use rustix::fs::OFlags;

use crate::inspect::{Inspection, fault, inspect};

/// Reads a component of at most `limit` octets from a file and inspects it. Blocks.
pub fn inspect_file(wasm: &Path, limit: u64) -> Result<Inspection, LoadError> {
    let octets = read_file(wasm, limit)?;
    inspect(&octets).map_err(|error| at_file(error, wasm))
}

/// Reads a component of at most `limit` octets from a file; one more is a fault. What is no file, a pipe for example, is
/// opened without waiting for it, and refused: what was looked at is what is read. Blocks.
pub fn read_file(wasm: &Path, limit: u64) -> Result<Bytes, LoadError> {
    let octets = read(wasm, limit).map_err(|error| at_file(error, wasm))?;
    Ok(octets.into())
}

fn read(wasm: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let unreadable = |error: std::io::Error| {
        fault(
            format!("it cannot be read: {error}"),
            "check its name and permissions",
        )
    };
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let opened = File::options().read(true).custom_flags(flags).open(wasm);
    let file = opened.map_err(unreadable)?;
    if !file.metadata().map_err(unreadable)?.is_file() {
        return Err(fault("it is not a file", "put the .wasm itself there"));
    }
    let mut octets = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    refuse_large(octets.len() as u64, limit)?;
    Ok(octets)
}

/// Over `limit` octets?
pub fn refuse_large(octets: u64, limit: u64) -> Result<(), LoadError> {
    if octets <= limit {
        return Ok(());
    }
    Err(fault(
        format!("it is larger than {limit} octets"),
        "build it for size: opt-level \"s\", lto, strip; interpreters: --stub-wasi or --opt-size",
    ))
}

/// Says which file an error is about.
pub fn at_file(error: LoadError, wasm: &Path) -> LoadError {
    LoadError {
        file: wasm.display().to_string(),
        ..error
    }
}
