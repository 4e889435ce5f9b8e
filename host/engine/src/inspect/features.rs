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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;
    use crate::inspect::faults;

    #[derive(Deserialize)]
    struct Specimens {
        proposal: Vec<Specimen>,
    }

    /// Something of a proposal, to put into a core module or beside it, and what the refusal says.
    #[derive(Deserialize)]
    struct Specimen {
        flag: String,
        #[serde(default)]
        core: String,
        #[serde(default)]
        beside: String,
        says: String,
    }

    impl Specimen {
        fn component(&self) -> Vec<u8> {
            let Self { core, beside, .. } = self;
            let text = format!(
                "(component {beside} (core module (memory 1) {core} (func (export \"f\"))))"
            );
            wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
        }
    }

    /// By the name of the flag; the hostile set of the end-to-end tests is made of the same.
    fn specimens() -> BTreeMap<String, Vec<Specimen>> {
        let text = include_str!("../../../../tests/mistakes/proposals.toml");
        let all: Specimens = toml::from_str(text).unwrap();
        let mut by_flag = BTreeMap::<_, Vec<_>>::new();
        for specimen in all.proposal {
            let of_a_flag = by_flag.entry(specimen.flag.clone()).or_default();
            of_a_flag.push(specimen);
        }
        by_flag
    }

    /// What is wrong with the specimens of one flag.
    fn faults_of(name: &str, flag: WasmFeatures, own: &[Specimen]) -> Vec<String> {
        let without = WasmFeatures::all().difference(flag);
        // Others may use what two proposals bring.
        let needs_it = own
            .iter()
            .any(|specimen| !is_valid(&specimen.component(), without));
        let mut wrong = Vec::new();
        if !needs_it {
            wrong.push(format!("{name} has no specimen that needs it"));
        }
        for specimen in own {
            let wasm = specimen.component();
            let said = faults::invalid(&wasm).to_string();
            let is_off = is_valid(&wasm, WasmFeatures::all()) && !is_valid(&wasm, ALLOWED);
            if !is_off || !said.contains(&specimen.says) {
                let Specimen { core, beside, .. } = specimen;
                wrong.push(format!("{name}: {core}{beside}: {said}"));
            }
        }
        wrong
    }

    #[test]
    fn each_feature_that_is_off_has_a_specimen_that_is_refused_for_it() {
        let mut specimens = specimens();
        let mut wrong = Vec::new();
        for (name, flag) in (!ALLOWED).iter_names() {
            let own = specimens.remove(name).unwrap_or_default();
            wrong.extend(faults_of(name, flag, &own));
        }
        wrong.extend(specimens.keys().map(|name| format!("{name} is not off")));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
