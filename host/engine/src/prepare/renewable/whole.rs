//! A component, taken apart as far as its state is concerned.

use std::ops::Range;

use wasm_encoder::{Component, ComponentSectionId, RawSection};
use wasmparser::{CanonicalFunction, Chunk, Instance, Parser, Payload, Validator};

use super::MOST_MEMORY;
use super::module::State;
use crate::inspect::ALLOWED;
use crate::limiter::MAX_INSTANCES;

/// Core instances that a component may have: wasmtime makes some of its own.
const MOST_INSTANCES: usize = MAX_INSTANCES / 2;
/// Globals that can be written, in all modules: each is a place more in every sandbox.
const MOST_GLOBALS: usize = 1000;

/// Octets of a page of linear memory.
const WASM_PAGE: u64 = 65536;

/// The sections of a component, and how many things of each kind they define.
pub struct Whole<'a> {
    /// in their order
    pub sections: Vec<Section<'a>>,
    /// core modules
    pub modules: u32,
    /// core instances
    pub instances: u32,
    /// core functions
    pub core_functions: u32,
    /// core memories
    pub memories: u32,
    /// types
    pub types: u32,
    /// functions
    pub functions: u32,
}

/// One of them.
pub enum Section<'a> {
    /// as it is
    Raw(RawSection<'a>),
    /// a core module; if it has state, the only instance of it
    Module(State<'a>, u32),
}

impl<'a> Whole<'a> {
    /// None where its state is not that of core modules that are made once each, in plain sight.
    pub fn read(wasm: &'a [u8]) -> Option<Self> {
        let types = Validator::new_with_features(ALLOWED).validate_all(wasm);
        let types = types.ok()?;
        let types = types.as_ref();
        let mut whole = Self {
            sections: Vec::new(),
            modules: types.module_count(),
            instances: types.core_instance_count(),
            core_functions: types.function_count(),
            memories: types.memory_count(),
            types: types.component_type_count(),
            functions: types.component_function_count(),
        };
        let mut made = Vec::new();
        whole.take_apart(wasm, &mut made)?;
        whole.find_instances(&made)?;
        Some(whole)
    }

    /// `made` becomes the list of core instances: which module each is of.
    fn take_apart(&mut self, wasm: &'a [u8], made: &mut Vec<Option<u32>>) -> Option<()> {
        let mut parser = Parser::new(0);
        parser.set_features(ALLOWED);
        let mut at = 0;
        loop {
            let Chunk::Parsed { consumed, payload } = parser.parse(&wasm[at..], true).ok()? else {
                return None;
            };
            at += consumed;
            match &payload {
                Payload::ModuleSection {
                    unchecked_range, ..
                } => {
                    at = unchecked_range.end;
                    let module = wasm.get(unchecked_range.clone())?;
                    self.sections.push(Section::Module(State::read(module)?, 0));
                    continue;
                }
                Payload::ComponentSection {
                    unchecked_range, ..
                } => {
                    at = unchecked_range.end;
                    refuse_inner_code(wasm.get(unchecked_range.clone())?)?;
                }
                Payload::InstanceSection(instances) => {
                    for instance in instances.clone() {
                        made.push(match instance.ok()? {
                            Instance::Instantiate { module_index, .. } => Some(module_index),
                            Instance::FromExports(_) => None,
                        });
                    }
                }
                Payload::ComponentCanonicalSection(functions) => {
                    for function in functions.clone() {
                        refuse_own_resources(&function.ok()?)?;
                    }
                }
                Payload::End(_) => return Some(()),
                _ => {}
            }
            if let Some((id, range)) = payload.as_section() {
                self.keep(wasm, id, range)?;
            }
        }
    }

    fn keep(&mut self, wasm: &'a [u8], id: u8, range: Range<usize>) -> Option<()> {
        let data = wasm.get(range)?;
        self.sections.push(Section::Raw(RawSection { id, data }));
        Some(())
    }

    fn find_instances(&mut self, made: &[Option<u32>]) -> Option<()> {
        let globals: usize = self.states().map(|(state, _)| state.globals.len()).sum();
        let few = made.len() <= MOST_INSTANCES && globals <= MOST_GLOBALS;
        // Aliases and exports give a module another number, under which it could be made once more.
        let sections = self.sections.iter();
        let modules = sections
            .filter(|section| matches!(section, Section::Module(..)))
            .count();
        let in_sight = modules == self.modules as usize && made.len() == self.instances as usize;
        if !few || !in_sight {
            return None;
        }
        let modules = self
            .sections
            .iter_mut()
            .filter_map(|section| match section {
                Section::Module(state, instance) => Some((state, instance)),
                Section::Raw(_) => None,
            });
        for (module, (state, instance)) in (0..).zip(modules) {
            if !state.is_stateful() {
                continue;
            }
            let mut of_it = (0..).zip(made).filter(|(_, of)| **of == Some(module));
            *instance = of_it.next()?.0;
            if of_it.next().is_some() {
                return None;
            }
        }
        Some(())
    }

    /// Modules with state, and their instances.
    pub fn states(&self) -> impl Iterator<Item = (&State<'a>, u32)> {
        self.sections.iter().filter_map(|section| match section {
            Section::Module(state, instance) if state.is_stateful() => Some((state, *instance)),
            _ => None,
        })
    }

    /// All of it again, each core module as `module` gives it.
    pub fn rebuilt(&self, module: impl Fn(&State<'a>) -> Vec<u8>) -> Component {
        let mut component = Component::new();
        for section in &self.sections {
            match section {
                Section::Raw(section) => {
                    component.section(section);
                }
                Section::Module(state, _) => {
                    let (id, data) = (ComponentSectionId::CoreModule.into(), &module(state)[..]);
                    component.section(&RawSection { id, data });
                }
            }
        }
        component
    }

    /// The first content of its only memory.
    pub fn image(&self) -> Option<Vec<u8>> {
        let mut memories = self.states().flat_map(|(state, _)| &state.memories);
        let (index, memory) = memories.next()?;
        let plain = !memory.memory64 && !memory.shared && memory.page_size_log2.is_none();
        let size = memory.initial.checked_mul(WASM_PAGE)?;
        if memories.next().is_some() || !plain || size == 0 || size > u64::from(MOST_MEMORY) {
            return None;
        }
        let mut image = vec![0; usize::try_from(size).ok()?];
        for section in &self.sections {
            let Section::Module(state, _) = section else {
                continue;
            };
            let owner = !state.memories.is_empty();
            for segment in &state.segments {
                if !owner || segment.memory != *index {
                    return None;
                }
                let from = segment.offset as usize;
                let place = image.get_mut(from..from.checked_add(segment.octets.len())?)?;
                place.copy_from_slice(segment.octets);
            }
        }
        Some(image)
    }
}

/// Core modules that are made where they are not looked at.
fn refuse_inner_code(component: &[u8]) -> Option<()> {
    let mut parser = Parser::new(0);
    parser.set_features(ALLOWED);
    for payload in parser.parse_all(component) {
        match payload.ok()? {
            Payload::ModuleSection { .. } | Payload::InstanceSection(_) => return None,
            Payload::ComponentCanonicalSection(functions) => {
                for function in functions {
                    refuse_own_resources(&function.ok()?)?;
                }
            }
            _ => {}
        }
    }
    Some(())
}

/// Handles of them would be numbers that outlive a restoration.
fn refuse_own_resources(function: &CanonicalFunction) -> Option<()> {
    match function {
        CanonicalFunction::Lift { .. }
        | CanonicalFunction::Lower { .. }
        | CanonicalFunction::ResourceDrop { .. } => Some(()),
        _ => None,
    }
}

/// Is it a component, by all rules?
pub fn is_valid(wasm: &[u8]) -> bool {
    let mut validator = Validator::new_with_features(ALLOWED);
    validator.validate_all(wasm).is_ok()
}
