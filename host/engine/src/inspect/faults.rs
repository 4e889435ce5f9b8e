//! One message for each way in which a file is not a filter: what is wrong, and the cure.

use lazaret_mail::LoadError;
use wasmparser::Validator;

use super::features::{self, ALLOWED};
use crate::contract::{Name, PACKAGE, our_version};
use crate::text::{clip, printable};

const MAGIC: &[u8] = b"\0asm";
/// The version and layer fields that follow the magic number.
const CORE_MODULE: &[u8] = &[1, 0, 0, 0];
const COMPONENT: &[u8] = &[0x0d, 0, 1, 0];

/// A load error whose file the caller fills in.
pub fn fault(problem: impl Into<String>, cure: impl Into<String>) -> LoadError {
    LoadError {
        file: String::new(),
        problem: problem.into(),
        cure: cure.into(),
        clues: Box::default(),
    }
}

/// By its first octets: empty, truncated, text, a core module, or nothing of WebAssembly.
pub fn refuse_what_is_no_component(wasm: &[u8]) -> Result<(), LoadError> {
    if wasm.is_empty() {
        return Err(fault("the file is empty", "build or copy it again"));
    }
    if MAGIC.starts_with(&wasm[..wasm.len().min(4)]) && wasm.len() < 8 {
        return Err(truncated());
    }
    if !wasm.starts_with(MAGIC) {
        return Err(not_wasm(wasm));
    }
    match &wasm[4..8] {
        COMPONENT => Ok(()),
        CORE_MODULE => Err(core_module()),
        _ => Err(fault(
            "it is WebAssembly of an unknown binary version",
            "rebuild it as a component with a current toolchain",
        )),
    }
}

fn truncated() -> LoadError {
    fault(
        "the file is cut off",
        "build or copy it again; it may still have been being written",
    )
}

fn not_wasm(wasm: &[u8]) -> LoadError {
    let text = wasm.trim_ascii_start();
    if text.starts_with(b"(") || text.starts_with(b";;") {
        return fault(
            "it is WebAssembly text, not binary",
            "translate it first: wasm-tools parse FILE.wat -o FILE.wasm",
        );
    }
    fault(
        "it is not WebAssembly",
        "a filter is a component: build it with cargo build --target wasm32-wasip2",
    )
}

fn core_module() -> LoadError {
    fault(
        "it is a core module, not a component",
        "if it was built for wasm32-unknown-unknown or wasm32-wasip1, build it with --target wasm32-wasip2, or run \
         wasm-tools component new on it",
    )
}

/// Not valid under our rules: say why, from the octets.
pub fn invalid(wasm: &[u8]) -> LoadError {
    let used = features::used(wasm);
    if used.iter().any(|name| name.contains("async")) {
        return fault(
            "it is built with the async ABI of the component model, which is switched off",
            "rebuild it with the synchronous ABI (componentize-qjs: --sync)",
        );
    }
    if !used.is_empty() {
        return fault(
            format!(
                "it uses WebAssembly that is switched off here: {}",
                used.join(", ")
            ),
            "rebuild it without (for Rust: check -C target-feature)",
        );
    }
    match Validator::new_with_features(ALLOWED).validate_all(wasm) {
        Err(error) if error.message().contains("unexpected end") => truncated(),
        Err(error) => malformed(error.message()),
        Ok(_) => malformed("its sections are out of order"),
    }
}

fn malformed(why: &str) -> LoadError {
    fault(
        format!(
            "it is damaged or not valid WebAssembly ({})",
            printable(clip(why, 200))
        ),
        "build or copy it again",
    )
}

/// Speaks another version of our contract.
pub fn other_version(name: &str, ours: &str) -> LoadError {
    let theirs = Name::parse(name).version.unwrap_or("without a version");
    fault(
        format!(
            "it speaks {PACKAGE} {}, this lazaret speaks {ours}",
            printable(clip(theirs, 40))
        ),
        format!("rebuild it against wit/ of {PACKAGE}@{ours}, or use the lazaret it was made for"),
    )
}

/// No stage of ours among the exports.
pub fn other_world(exports: &[String]) -> LoadError {
    let seen = match exports {
        [] => "nothing".to_owned(),
        some => list(some),
    };
    fault(
        format!("it exports no stage of {PACKAGE}; it exports {seen}"),
        format!(
            "export at least one of on-connect .. on-disconnect of {PACKAGE}@{} (Rust: #[filter] of lazaret-filter)",
            our_version()
        ),
    )
}

/// Wants what this host does not have.
pub fn unknown_import(import: &str) -> LoadError {
    let name = Name::parse(import);
    let shown = printable(clip(import, 120));
    let cure = if name.is_ours() {
        format!(
            "the permissions of {PACKAGE}@{} are listed in wit/README.md",
            our_version()
        )
    } else if name.package.starts_with("wasi:") {
        "only WASI 0.2 cli, io, clocks, random, filesystem and sockets are linked, without any power; build without it"
            .to_owned()
    } else {
        format!("a filter may import {PACKAGE} and WASI 0.2 only; build without it")
    };
    fault(
        format!("it wants `{shown}`, which does not exist here"),
        cure,
    )
}

/// The names, shortened, for a message.
fn list(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<_> = names
        .iter()
        .take(SHOWN)
        .map(|n| printable(clip(n, 80)))
        .collect();
    let more = if names.len() > SHOWN { ", .." } else { "" };
    format!("{}{more}", shown.join(", "))
}
