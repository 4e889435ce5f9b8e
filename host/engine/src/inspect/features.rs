//! Proposals of WebAssembly: which are on, and which a component uses that are not.

use wasmparser::{Validator, WasmFeatures};

/// What a filter may use: what the toolchains need, and nothing whose implementation is young.
pub const ALLOWED: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::COMPONENT_MODEL)
    .difference(WasmFeatures::GC_TYPES);

/// What is switched off, in words for people.
pub const SWITCHED_OFF: [(WasmFeatures, &str); 18] = [
    (WasmFeatures::CM_ASYNC, "component-model async"),
    (
        WasmFeatures::CM_ASYNC_STACKFUL,
        "component-model async, stackful",
    ),
    (
        WasmFeatures::CM_MORE_ASYNC_BUILTINS,
        "component-model async builtins",
    ),
    (WasmFeatures::CM_THREADING, "component-model threads"),
    (
        WasmFeatures::CM_ERROR_CONTEXT,
        "component-model error-context",
    ),
    (WasmFeatures::CM_GC, "component-model gc"),
    (WasmFeatures::CM_MAP, "component-model maps"),
    (
        WasmFeatures::CM_FIXED_LENGTH_LISTS,
        "component-model fixed-length lists",
    ),
    (WasmFeatures::CM_VALUES, "component-model values"),
    (WasmFeatures::THREADS, "threads"),
    (
        WasmFeatures::SHARED_EVERYTHING_THREADS,
        "shared-everything threads",
    ),
    (WasmFeatures::GC, "garbage collection"),
    (WasmFeatures::GC_TYPES, "references to the host (externref)"),
    (
        WasmFeatures::FUNCTION_REFERENCES,
        "typed function references",
    ),
    (
        WasmFeatures::EXCEPTIONS.union(WasmFeatures::LEGACY_EXCEPTIONS),
        "exceptions",
    ),
    (WasmFeatures::MEMORY64, "memory64"),
    (WasmFeatures::RELAXED_SIMD, "relaxed SIMD"),
    (WasmFeatures::STACK_SWITCHING, "stack switching"),
];

/// Features that more than one proposal brings: switched off together where no single one was to blame.
const SHARED: [(WasmFeatures, &str); 1] = [(
    WasmFeatures::FUNCTION_REFERENCES.union(WasmFeatures::GC),
    "typed function references",
)];

/// Octets that are validated to find which proposals a component uses: 18 times a filter in Python, and of a larger file
/// the first in the list, which are the likeliest.
const MOST_VALIDATED: usize = 384 << 20;

/// Names of the switched-off proposals that `wasm` uses; empty if it is invalid even with all of them.
pub fn used(wasm: &[u8]) -> Vec<&'static str> {
    if !is_valid(wasm, WasmFeatures::all()) {
        return Vec::new();
    }
    let most = MOST_VALIDATED / wasm.len().max(1);
    for proposals in [&SWITCHED_OFF[..], &SHARED] {
        let names = needed(wasm, proposals.iter().take(most));
        if !names.is_empty() {
            return names;
        }
    }
    vec!["a proposal that is young or not standard yet"]
}

/// The names of those without which it is not valid.
fn needed<'p>(
    wasm: &[u8],
    proposals: impl Iterator<Item = &'p (WasmFeatures, &'static str)>,
) -> Vec<&'static str> {
    proposals
        .filter(|(proposal, _)| !is_valid(wasm, WasmFeatures::all().difference(*proposal)))
        .map(|(_, name)| *name)
        .collect()
}

fn is_valid(wasm: &[u8], features: WasmFeatures) -> bool {
    let mut validator = Validator::new_with_features(features);
    validator.validate_all(wasm).is_ok()
}
