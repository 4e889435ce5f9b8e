//! The core modules of a component: where their functions begin, and their sections of debug information.

use std::ops::Range;

use wasmparser::{Import, Parser, Payload, TypeRef};

/// What of a core module matters here.
#[derive(Debug, Default)]
pub struct Module<'a> {
    /// functions that it imports
    pub imported: u64,
    /// where its functions begin, counted from the code section's contents as DWARF does
    pub starts: Vec<u64>,
    /// octets of the code section
    pub length: u64,
    code: usize,
    /// the sections, in the order of [`SECTIONS`]
    pub debug: [&'a [u8]; 3],
}

/// Names of the sections that say where lines are.
const SECTIONS: [&str; 3] = [".debug_line", ".debug_str", ".debug_line_str"];

impl Module<'_> {
    /// Nothing, or only what cannot be used?
    pub fn has_lines(&self) -> bool {
        !self.debug[0].is_empty() && !self.starts.is_empty()
    }
}

/// All core modules that were built with lines, however deep in a component; those before the first fault in it.
pub fn modules(wasm: &[u8]) -> Vec<Module<'_>> {
    let mut open: Vec<Module<'_>> = vec![Module::default()];
    let mut done = Vec::new();
    let mut parser = Parser::new(0);
    parser.set_features(wasmparser::WasmFeatures::all());
    for payload in parser.parse_all(wasm).map_while(Result::ok) {
        match payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => {
                open.push(Module::default());
            }
            Payload::End(_) => done.extend(open.pop().filter(Module::has_lines)),
            payload => {
                if let Some(module) = open.last_mut() {
                    module.section(&payload);
                }
            }
        }
    }
    done
}

impl<'a> Module<'a> {
    fn section(&mut self, payload: &Payload<'a>) {
        match payload {
            Payload::ImportSection(imports) => {
                let imports = imports.clone().into_imports().flatten();
                self.imported += imports.filter(is_function).count() as u64;
            }
            Payload::CodeSectionStart { range, .. } => self.begin(range),
            Payload::CodeSectionEntry(body) => {
                let start = body.range().start.saturating_sub(self.code);
                self.starts.push(start as u64);
            }
            Payload::CustomSection(custom) => {
                let known = SECTIONS.iter().position(|name| *name == custom.name());
                if let Some(at) = known {
                    self.debug[at] = custom.data();
                }
            }
            _ => {}
        }
    }

    fn begin(&mut self, code: &Range<usize>) {
        self.code = code.start;
        self.length = code.len() as u64;
    }
}

fn is_function(import: &Import<'_>) -> bool {
    matches!(import.ty, TypeRef::Func(_) | TypeRef::FuncExact(_))
}
