//! The heaviest filter there is, put into the directory of the running program while mail flows.

use std::path::Path;

use super::policy;

/// What a client notices while this component is compiled, printed; an error where there is a step.
pub fn mail(component: &Path) -> Result<(), String> {
    let wasm = std::fs::read(component).map_err(|error| error.to_string())?;
    lazaret_tests::beside_reload("Python", &wasm, &policy())
}
