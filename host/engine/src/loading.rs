//! From a file and a policy to a filter.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use lazaret_mail::{Filter, LoadError, Loader, Policy, Source};

use crate::engine::Engine;
use crate::grants::settle;
use crate::inspect::{Configure, Inspection, fault, inspect};
use crate::sandbox::WasmFilter;
use crate::template::Template;

#[async_trait]
impl Loader for Engine {
    async fn load(&self, source: Source) -> Result<Arc<dyn Filter>, LoadError> {
        let file = source.file.clone();
        let template = match self.prepare(source).await {
            Ok(template) => template.tried().await,
            Err(error) => Err(error),
        };
        match template {
            Ok(template) => Ok(Arc::new(WasmFilter::new(template))),
            Err(error) => Err(at_file(error, &file)),
        }
    }
}

impl Engine {
    /// Everything that takes long, on a thread of its own.
    async fn prepare(&self, source: Source) -> Result<Template, LoadError> {
        let engine = self.clone();
        let work = move || engine.prepare_blocking(source);
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or_else(|panic| {
            tracing::error!(%panic, "preparing a filter failed");
            Err(fault(
                "it made its preparation fail",
                "report this, with the file",
            ))
        })
    }

    fn prepare_blocking(&self, source: Source) -> Result<Template, LoadError> {
        let Source {
            name, wasm, policy, ..
        } = source;
        refuse_large(wasm.len() as u64, self.settings().max_wasm)?;
        let seen = inspect(&wasm)?;
        let rights = settle(&seen, &policy)?;
        refuse_unused_config(&seen, &policy)?;
        for remark in &rights.remarks {
            tracing::warn!(filter = name, "{remark}");
        }
        Template::make(self, &name, &wasm, &seen, rights, policy)
    }
}

/// Reads a component of at most `limit` octets from a file and inspects it. Blocks.
pub fn inspect_file(wasm: &Path, limit: u64) -> Result<Inspection, LoadError> {
    let octets = read_file(wasm, limit)?;
    inspect(&octets).map_err(|error| at_file(error, wasm))
}

/// Reads a component of at most `limit` octets from a file; one more is a fault. What is no file, a pipe for example, is
/// not even opened. Blocks.
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
    if !std::fs::metadata(wasm).map_err(unreadable)?.is_file() {
        return Err(fault("it is not a file", "put the .wasm itself there"));
    }
    let file = File::open(wasm).map_err(unreadable)?;
    let mut octets = Vec::new();
    file.take(limit + 1)
        .read_to_end(&mut octets)
        .map_err(unreadable)?;
    refuse_large(octets.len() as u64, limit)?;
    Ok(octets)
}

fn refuse_large(octets: u64, limit: u64) -> Result<(), LoadError> {
    if octets <= limit {
        return Ok(());
    }
    Err(fault(
        format!("it is larger than {limit} octets"),
        "build it for size: opt-level \"s\", lto, strip; interpreters: --stub-wasi or --opt-size",
    ))
}

fn refuse_unused_config(seen: &Inspection, policy: &Policy) -> Result<(), LoadError> {
    let empty = ["", "{}", "null"].contains(&policy.config.trim());
    if empty || seen.configure != Configure::Absent {
        return Ok(());
    }
    Err(fault(
        "its .toml has a [config] table, but the filter takes no configuration",
        "take [config] out, or export `configure`",
    ))
}

fn at_file(error: LoadError, wasm: &Path) -> LoadError {
    LoadError {
        file: wasm.display().to_string(),
        ..error
    }
}
