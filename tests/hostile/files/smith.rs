//! Random programs: modules and components of wasm-smith, made by the build script from seeds. They use only what the host
//! allows, so that most are compiled and run: as the inside of a filter whose stages they answer, or within a good one.

use std::path::PathBuf;

use wasm_encoder::{
    ComponentExportKind, ComponentInstanceSection, ComponentSection, ComponentSectionId, Encode,
    InstanceSection, ModuleArg,
};
use wit_component::StringEncoding;

use super::{Family, Specimen};
use crate::guests::{assemble, observer_with};
use crate::hostile::attack::Expected;
use crate::hostile::forge::component;

/// How many of each the build script made.
pub const MADE: u64 = 120;

/// What `build.rs` has wasm-smith export, so that its modules are filters.
const WORLD: &str = "
    import lazaret:filter/session@0.1.0; import lazaret:filter/log@0.1.0;
    export lazaret:filter/on-connect@0.1.0; export lazaret:filter/on-hello@0.1.0;
    export lazaret:filter/on-message@0.1.0; export lazaret:filter/on-disconnect@0.1.0;";

pub(super) fn families() -> Vec<Family> {
    vec![
        Family::new("random filter", |number| {
            let core = made("filter", number);
            let wasm = component(WORLD, core, StringEncoding::UTF8);
            let mut specimen = Specimen::new(wasm, Expected::Contained);
            specimen.policy.push_str("grant = [\"session\"]\n");
            specimen
        }),
        Family::new("random module in a filter", |number| {
            let mut instances = InstanceSection::new();
            instances.instantiate(OWN_MODULES, [] as [(&str, ModuleArg); 0]);
            let id = ComponentSectionId::CoreModule;
            Specimen::new(with("module", number, id, &instances), Expected::Contained)
        }),
        Family::new("random component in a filter", |number| {
            let mut instances = ComponentInstanceSection::new();
            instances.instantiate(0, [] as [(&str, ComponentExportKind, u32); 0]);
            let id = ComponentSectionId::Component;
            Specimen::new(
                with("component", number, id, &instances),
                Expected::Contained,
            )
        }),
    ]
}

/// Core modules of the filter that others are put into; components it has none.
const OWN_MODULES: u32 = 1;

/// A filter that has no objection, and in it a random thing of that kind and an instance of it.
fn with(
    what: &str,
    number: u64,
    kind: ComponentSectionId,
    instances: &impl ComponentSection,
) -> Vec<u8> {
    let mut filter = assemble(&observer_with(""));
    filter.push(kind.into());
    made(what, number).encode(&mut filter);
    instances.append_to_component(&mut filter);
    filter
}

fn made(what: &str, number: u64) -> Vec<u8> {
    let name = format!("{what}-{}.wasm", number % MADE);
    let file = PathBuf::from(env!("SMITH")).join(name);
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
