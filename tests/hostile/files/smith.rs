//! Random components: modules of wasm-smith, made by the build script from seeds, as the inside of a filter or alone.

use std::path::PathBuf;

use wit_component::StringEncoding;

use super::{Family, Specimen};
use crate::hostile::attack::Expected;
use crate::hostile::forge::component;

/// How many of each the build script made.
const MADE: u64 = 120;

/// What `build.rs` has wasm-smith export, so that its modules are filters.
const WORLD: &str = "
    import lazaret:filter/session@0.1.0; import lazaret:filter/log@0.1.0;
    export lazaret:filter/on-connect@0.1.0; export lazaret:filter/on-hello@0.1.0;
    export lazaret:filter/on-message@0.1.0; export lazaret:filter/on-disconnect@0.1.0;";

pub(super) fn families() -> Vec<Family> {
    vec![
        Family::new("random filter", |number| {
            let core = made("module", number);
            let wasm = component(WORLD, core, StringEncoding::UTF8);
            let mut specimen = Specimen::new(wasm, Expected::Contained);
            specimen.policy.push_str("grant = [\"session\"]\n");
            specimen
        }),
        Family::new("random component", |number| {
            Specimen::new(made("component", number), Expected::Contained)
        }),
    ]
}

fn made(what: &str, number: u64) -> Vec<u8> {
    let name = format!("{what}-{}.wasm", number % MADE);
    let file = PathBuf::from(env!("SMITH")).join(name);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
