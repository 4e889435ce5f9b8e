//! The names of a component's outermost imports and exports, and the marks its tools left.

use wasmparser::{
    BinaryReaderError, ComponentExternName, CustomSectionReader, Instance, KnownCustom, Parser,
    Payload,
};

use crate::limiter::MAX_INSTANCES;

/// What can be read off a component without knowing types.
#[derive(Debug, Default)]
pub struct Surface {
    /// names of what it wants
    pub imports: Vec<String>,
    /// names of what it gives
    pub exports: Vec<String>,
    /// (field, value) of the `producers` sections, e.g. (`language`, `Rust`)
    pub producers: Vec<(String, String)>,
    /// core instances made, at most
    pub core_instances: u32,
    /// core modules that run code when they are instantiated
    pub starts: u32,
    /// core modules inside inner components
    pub inner_modules: u32,
}

/// Most marks that are kept; a hostile component may hold millions.
const MAX_PRODUCERS: usize = 100;

impl Surface {
    /// Walks the sections. An error means that the octets are not well formed.
    pub fn read(wasm: &[u8]) -> Result<Self, BinaryReaderError> {
        let mut surface = Surface::default();
        let mut depth = 0;
        let mut parser = Parser::new(0);
        parser.set_features(wasmparser::WasmFeatures::all());
        for payload in parser.parse_all(wasm) {
            match payload? {
                Payload::ModuleSection { .. } => {
                    surface.inner_modules += u32::from(depth > 0);
                    depth += 1;
                }
                Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                payload => surface.section(&payload, depth == 0)?,
            }
        }
        Ok(surface)
    }

    fn section(&mut self, payload: &Payload<'_>, outermost: bool) -> Result<(), BinaryReaderError> {
        match payload {
            Payload::CustomSection(custom) => self.mark(custom),
            Payload::StartSection { .. } => self.starts += 1,
            Payload::InstanceSection(instances) => {
                for instance in instances.clone() {
                    if matches!(instance?, Instance::Instantiate { .. }) {
                        self.count_instance(outermost);
                    }
                }
            }
            Payload::ComponentImportSection(imports) if outermost => {
                for import in imports.clone() {
                    self.imports.push(full_name(&import?.name));
                }
            }
            Payload::ComponentExportSection(exports) if outermost => {
                for export in exports.clone() {
                    self.exports.push(full_name(&export?.name));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Nested components may be instantiated more than once: where they hold instances, reckon with the most allowed.
    fn count_instance(&mut self, outermost: bool) {
        let more = if outermost { 1 } else { MAX_INSTANCES as u32 };
        self.core_instances = self.core_instances.saturating_add(more);
    }

    /// Marks are for people: broken ones are passed over.
    fn mark(&mut self, custom: &CustomSectionReader<'_>) {
        let KnownCustom::Producers(fields) = custom.as_known() else {
            return;
        };
        for field in fields.into_iter().flatten() {
            for value in field.values.into_iter().flatten() {
                if self.producers.len() < MAX_PRODUCERS {
                    let mark = (field.name.to_owned(), value.name.to_owned());
                    self.producers.push(mark);
                }
            }
        }
    }
}

fn full_name(name: &ComponentExternName<'_>) -> String {
    name.name.to_owned()
}
