//! From a core module to a component.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use wasi_preview1_component_adapter_provider as wasi;
use wit_component::ComponentEncoder;

/// The module says in its custom sections which stages it exports; what it imports of the permissions stays. A module
/// that uses wasi-libc beyond memory gets its imports served by WASI 0.2, which Lazaret links inert.
pub fn write(module: &Path, component: &Path) -> anyhow::Result<()> {
    let octets = fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(&octets)
        .and_then(|encoder| {
            encoder.adapter(
                wasi::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                wasi::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )
        })
        .and_then(|encoder| encoder.encode())
        .with_context(|| {
            format!(
                "{} is no filter; is every stage that is linked (src/on_*.c) written, and none twice?",
                module.display()
            )
        })?;
    fs::write(component, encoded).with_context(|| format!("cannot write {}", component.display()))
}
