//! Random WebAssembly for the hostile set: modules with the exports of a filter, and whole components, each from a seed.
//!
//! Made here and not in the tests because wasm-smith, as an ordinary dependency, would change features of Cranelift's.

use std::path::Path;

use arbitrary::Unstructured;
use wasm_encoder::{
    CodeSection, EntityType, ExportKind, ExportSection, Function, FunctionSection, ImportSection,
    MemorySection, MemoryType, TypeSection, ValType,
};
use wasm_smith::{Component, Config, Module};

/// How many of each.
const MADE: u64 = 120;
/// Octets of randomness that one is made from: more make larger ones.
const MATTER: usize = 4096;

/// What every module exports besides its memory: allocator and stages, by parameters and results of `i32`.
const EXPORTS: [(&str, usize, usize); 5] = [
    ("cabi_realloc", 4, 1),
    ("lazaret:filter/on-connect@0.1.0#connect", 0, 1),
    ("lazaret:filter/on-hello@0.1.0#hello", 2, 1),
    ("lazaret:filter/on-message@0.1.0#message", 0, 1),
    ("lazaret:filter/on-disconnect@0.1.0#disconnect", 2, 0),
];

/// What they may import, likewise.
const IMPORTS: [(&str, &str, usize, usize); 3] = [
    ("lazaret:filter/session@0.1.0", "early-talker", 0, 1),
    ("lazaret:filter/session@0.1.0", "id", 1, 0),
    ("lazaret:filter/log@0.1.0", "write", 3, 0),
];

/// Writes `filter-N.wasm`, `module-N.wasm` and `component-N.wasm` into `directory`: modules with the exports of a filter,
/// modules and components that want nothing from outside.
pub fn make(directory: &Path) {
    std::fs::create_dir_all(directory).expect("the build directory is writable");
    let (exports, imports) = (exports(), imports());
    for number in 0..MADE {
        let write = |what: &str, octets: Vec<u8>| {
            let file = directory.join(format!("{what}-{number}.wasm"));
            std::fs::write(file, octets).expect("the build directory is writable");
        };
        write("filter", filter(number, &exports, &imports));
        write("module", module(number));
        write("component", component(number));
    }
}

fn exports() -> Vec<u8> {
    let (mut types, mut functions) = (TypeSection::new(), FunctionSection::new());
    let (mut exports, mut code) = (ExportSection::new(), CodeSection::new());
    for (n, (name, parameters, results)) in (0..).zip(EXPORTS) {
        types.ty().function(words(parameters), words(results));
        functions.function(n);
        exports.export(name, ExportKind::Func, n);
        let mut body = Function::new([]);
        body.instructions().unreachable().end();
        code.function(&body);
    }
    exports.export("memory", ExportKind::Memory, 0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = wasm_encoder::Module::new();
    module
        .section(&types)
        .section(&functions)
        .section(&memories)
        .section(&exports)
        .section(&code);
    module.finish()
}

fn imports() -> Vec<u8> {
    let (mut types, mut imports) = (TypeSection::new(), ImportSection::new());
    for (n, (interface, name, parameters, results)) in (0..).zip(IMPORTS) {
        types.ty().function(words(parameters), words(results));
        imports.import(interface, name, EntityType::Function(n));
    }
    let mut module = wasm_encoder::Module::new();
    module.section(&types).section(&imports);
    module.finish()
}

fn words(count: usize) -> impl ExactSizeIterator<Item = ValType> {
    std::iter::repeat_n(ValType::I32, count)
}

fn filter(seed: u64, exports: &[u8], imports: &[u8]) -> Vec<u8> {
    from_seed(seed, |matter| {
        let config = Config {
            exports: Some(exports.to_vec()),
            available_imports: Some(imports.to_vec()),
            ..allowed()
        };
        Module::new(config, matter).map(|module| module.to_bytes())
    })
}

fn module(seed: u64) -> Vec<u8> {
    from_seed(seed, |matter| {
        let config = Config {
            min_funcs: 1,
            ..alone()
        };
        Module::new(config, matter).map(|module| module.to_bytes())
    })
}

fn component(seed: u64) -> Vec<u8> {
    from_seed(seed, |matter| {
        Component::new(alone(), matter).map(|component| component.to_bytes())
    })
}

/// What can be instantiated without anything from outside.
fn alone() -> Config {
    Config {
        max_imports: 0,
        ..allowed()
    }
}

/// Only what the host allows (`ALLOWED` of the engine): what is switched off has specimens of its own. wasm-smith's
/// reference types bring `externref` with them, and that is off.
fn allowed() -> Config {
    Config {
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        reference_types_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        max_instructions: 400,
        max_memory32_bytes: 4 << 20,
        max_table_elements: 1_000,
        ..Config::default()
    }
}

/// A seed may lead nowhere: then the next of its own line is tried.
fn from_seed(
    seed: u64,
    make: impl Fn(&mut Unstructured<'_>) -> arbitrary::Result<Vec<u8>>,
) -> Vec<u8> {
    let mut seeds = (0..1000).map(|line| seed + line * MADE);
    let made = seeds.find_map(|seed| make(&mut Unstructured::new(&matter(seed))).ok());
    made.expect("one of a thousand seeds makes something")
}

/// The same octets for the same seed (splitmix64).
fn matter(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut word = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    (0..MATTER / 8).flat_map(|_| word().to_le_bytes()).collect()
}
