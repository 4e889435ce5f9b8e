//! The core module that restores, and its place in the component.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{
    Alias, BlockType, CanonicalFunctionSection, CanonicalOption, CodeSection, Component,
    ComponentAliasSection, ComponentExportKind, ComponentExportSection, ComponentTypeSection,
    ComponentValType, DataCountSection, DataSection, ExportKind, ExportSection, Function,
    FunctionSection, Ieee32, Ieee64, ImportSection, InstanceSection, InstructionSink, MemArg,
    Module, ModuleArg, ModuleSection, PrimitiveValType, RawSection, SectionId, TypeSection,
    ValType,
};
use wasmparser::{Parser, Payload};

use super::module::{Global, State, Value};
use super::whole::Whole;
use super::{GROUND, Ground, RESTORE, RUNS};

/// The name under which a module gives its memory to the restorer.
const MEMORY: &str = "lazaret:memory";
/// Octets of a page of linear memory.
const WASM_PAGE: u32 = 65536;
/// The last local of `restore` that is an argument.
const ARGUMENTS: u32 = 2 * RUNS as u32;

/// The component with the restorer.
pub fn add(whole: &Whole<'_>, image: &[u8], ground: Ground) -> Vec<u8> {
    let mut component = whole.rebuilt(opened);
    component.section(&ModuleSection(&restorer(whole, image, ground)));
    wire(whole, &mut component);
    component.finish()
}

fn global_name(global: &Global) -> String {
    format!("lazaret:global-{}", global.index)
}

/// The module with its state exported.
fn opened(state: &State<'_>) -> Vec<u8> {
    if !state.is_stateful() {
        return state.octets.to_vec();
    }
    let mut exports = ExportSection::new();
    let mut module = Module::new();
    let mut open = Some(());
    for payload in Parser::new(0).parse_all(state.octets) {
        let payload = payload.expect("a module that was read before");
        if let Payload::ExportSection(section) = &payload {
            RoundtripReencoder
                .parse_export_section(&mut exports, section.clone())
                .expect("exports that were read before");
        }
        let Some((id, range)) = payload.as_section() else {
            continue;
        };
        let is_export = id == u8::from(SectionId::Export);
        if (is_export || comes_after_exports(id)) && open.take().is_some() {
            add_state(state, &mut exports);
            module.section(&exports);
        }
        if !is_export {
            let data = &state.octets[range];
            module.section(&RawSection { id, data });
        }
    }
    if open.is_some() {
        add_state(state, &mut exports);
        module.section(&exports);
    }
    module.finish()
}

fn comes_after_exports(id: u8) -> bool {
    let after = [
        SectionId::Start,
        SectionId::Element,
        SectionId::DataCount,
        SectionId::Code,
        SectionId::Data,
    ];
    after.map(u8::from).contains(&id)
}

fn add_state(state: &State<'_>, exports: &mut ExportSection) {
    for (index, _) in &state.memories {
        exports.export(MEMORY, ExportKind::Memory, *index);
    }
    for global in &state.globals {
        exports.export(&global_name(global), ExportKind::Global, global.index);
    }
}

/// Two functions: `ground` hands over the first eight octets of the memory as a list, for which it has to write there where that
/// list is; `restore` fills
/// or copies runs of octets, each given as its place (the high half of a number) and its length (the low half).
fn restorer(whole: &Whole<'_>, image: &[u8], ground: Ground) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    types.ty().function([ValType::I64; 2 * RUNS], []);
    let mut functions = FunctionSection::new();
    functions.function(0).function(1);
    let mut exports = ExportSection::new();
    exports.export(GROUND, ExportKind::Func, 0);
    exports.export(RESTORE, ExportKind::Func, 1);
    let mut code = CodeSection::new();
    code.function(&ground_code());
    code.function(&restore_code(whole, ground));
    let mut data = DataSection::new();
    let content = &image[ground.from as usize..ground.to as usize];
    data.passive(content.iter().copied());
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports(whole))
        .section(&functions)
        .section(&exports)
        .section(&DataCountSection { count: 1 })
        .section(&code)
        .section(&data);
    module
}

/// The memory first, which is number 0, and all globals in the order of [`Whole::states`].
pub fn imports(whole: &Whole<'_>) -> ImportSection {
    let mut imports = ImportSection::new();
    for (state, instance) in whole.states() {
        let from = instance.to_string();
        for (_, memory) in &state.memories {
            let memory = RoundtripReencoder.memory_type(*memory);
            let memory = memory.expect("an ordinary memory");
            imports.import(&from, MEMORY, memory);
        }
        for global in &state.globals {
            let of = RoundtripReencoder.global_type(global.of);
            let of = of.expect("a global with a number in it");
            imports.import(&from, &global_name(global), of);
        }
    }
    imports
}

fn ground_code() -> Function {
    let mut function = Function::new([]);
    let place = |offset| MemArg {
        offset,
        align: 2,
        memory_index: 0,
    };
    let mut code = function.instructions();
    code.i32_const(0).i32_const(0).i32_store(place(0));
    code.i32_const(0).i32_const(8).i32_store(place(4));
    code.i32_const(0).end();
    function
}

fn restore_code(whole: &Whole<'_>, ground: Ground) -> Function {
    let mut function = Function::new([(1, ValType::I32)]);
    let mut code = function.instructions();
    code.memory_size(0)
        .i32_const((ground.size / WASM_PAGE).cast_signed());
    code.i32_ne().if_(BlockType::Empty).unreachable().end();
    let globals = whole.states().flat_map(|(state, _)| &state.globals);
    for (index, global) in (0..).zip(globals) {
        push(&mut code, global.value);
        code.global_set(index);
    }
    let half = ARGUMENTS / 2;
    for run in 0..ARGUMENTS {
        // Not for nothing: each of the instructions that fill or copy is a call into the engine.
        code.local_get(run).i32_wrap_i64().if_(BlockType::Empty);
        code.local_get(run).i64_const(32).i64_shr_u().i32_wrap_i64();
        if run < half {
            code.i32_const(0);
            code.local_get(run).i32_wrap_i64().memory_fill(0);
        } else {
            code.local_tee(ARGUMENTS).local_get(ARGUMENTS);
            code.i32_const(ground.from.cast_signed()).i32_sub();
            code.local_get(run).i32_wrap_i64().memory_init(0, 0);
        }
        code.end();
    }
    code.end();
    function
}

fn push(code: &mut InstructionSink<'_>, value: Value) {
    match value {
        Value::I32(value) => code.i32_const(value),
        Value::I64(value) => code.i64_const(value),
        Value::F32(bits) => code.f32_const(Ieee32::new(bits)),
        Value::F64(bits) => code.f64_const(Ieee64::new(bits)),
    };
}

/// Makes an instance of the restorer and gives its functions to the outside.
fn wire(whole: &Whole<'_>, component: &mut Component) {
    let from: Vec<_> = whole
        .states()
        .map(|(_, instance)| (instance.to_string(), ModuleArg::Instance(instance)))
        .collect();
    let mut instances = InstanceSection::new();
    instances.instantiate(
        whole.modules,
        from.iter().map(|(name, of)| (name.as_str(), *of)),
    );
    component.section(&instances);
    component.section(&aliases(whole));
    component.section(&function_types(whole));
    let mut lifts = CanonicalFunctionSection::new();
    lifts.lift(
        whole.core_functions,
        whole.types + 1,
        [CanonicalOption::Memory(whole.memories)],
    );
    lifts.lift(whole.core_functions + 1, whole.types + 3, []);
    component.section(&lifts);
    let mut exports = ComponentExportSection::new();
    exports.export(GROUND, ComponentExportKind::Func, whole.functions, None);
    exports.export(
        RESTORE,
        ComponentExportKind::Func,
        whole.functions + 1,
        None,
    );
    component.section(&exports);
}

fn aliases(whole: &Whole<'_>) -> ComponentAliasSection {
    let mut aliases = ComponentAliasSection::new();
    for name in [GROUND, RESTORE] {
        aliases.alias(Alias::CoreInstanceExport {
            instance: whole.instances,
            kind: ExportKind::Func,
            name,
        });
    }
    let owner = whole
        .states()
        .find(|(state, _)| !state.memories.is_empty())
        .map(|(_, instance)| instance);
    aliases.alias(Alias::CoreInstanceExport {
        instance: owner.expect("who has an image has a memory"),
        kind: ExportKind::Memory,
        name: MEMORY,
    });
    aliases
}

/// In this order: a list of octets, the type of `ground`, four numbers, the type of `restore`.
fn function_types(whole: &Whole<'_>) -> ComponentTypeSection {
    let mut types = ComponentTypeSection::new();
    let octet = ComponentValType::Primitive(PrimitiveValType::U8);
    types.defined_type().list(octet);
    types
        .function()
        .params::<[(&str, ComponentValType); 0], _>([])
        .result(Some(ComponentValType::Type(whole.types)));
    let number = ComponentValType::Primitive(PrimitiveValType::U64);
    types.defined_type().tuple([number; 4]);
    let four = ComponentValType::Type(whole.types + 2);
    types
        .function()
        .params(["a", "b", "c", "d"].map(|runs| (runs, four)))
        .result(None);
    types
}
