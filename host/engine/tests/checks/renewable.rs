//! What must hold for any component: where one can be put back, what it wrote is gone.

use std::sync::LazyLock;

use wasm_encoder::{
    Alias, BlockType, CanonicalFunctionSection, CodeSection, Component, ComponentAliasSection,
    ComponentExportKind, ComponentExportSection, ComponentTypeSection, ComponentValType,
    ExportKind, ExportSection, Function, FunctionSection, InstanceSection, InstructionSink, MemArg,
    Module, ModuleArg, ModuleSection, PrimitiveValType, TypeSection, ValType,
};
use wasmtime::component::{Instance, Linker, Type, Val};
use wasmtime::{Config, Engine, OptLevel, Store, StoreLimits, StoreLimitsBuilder};

use super::restorer::imports;
use super::whole::{Whole, is_valid};
use super::{Ground, RESTORE, renewable};
use crate::inspect::ALLOWED;

/// The function that sums up a component's state.
const LOOK: &str = "look";
/// Functions that a made component exports.
const FUNCTIONS: usize = 3;
/// Statements of each.
const STATEMENTS: usize = 8;
/// What one call may do: many times what looking at 8 MiB takes.
const FUEL: u64 = 100_000_000;
/// Octets of memory: larger than any that can be put back.
const MEMORY: usize = 32 << 20;

/// Octets that say what to make of them, one after the other; zeros at their end.
struct Matter<'a>(&'a [u8]);

impl Matter<'_> {
    fn octet(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u16 {
        u16::from_le_bytes([self.octet(), self.octet()])
    }

    /// A place in the first pages of linear memory, near their ends as often as anywhere.
    fn place(&mut self) -> u32 {
        let far = u32::from(self.octet()) % 3 * 0xff00;
        far + u32::from(self.number()) % 0x1_0200
    }
}

/// A component is made as the octets say, some of its own octets are exchanged, its functions are called, and it is put
/// back: then it is as one that was just made. And the octets as they are, are a component or not.
pub fn put_back(octets: &[u8]) {
    let _ = renewable(octets);
    let mut matter = Matter(octets);
    let text = component(&mut matter);
    let mut wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let damage = matter.octet() % 4;
    for _ in 0..damage {
        let (at, octet) = (usize::from(matter.number()), matter.octet());
        let at = at % wasm.len();
        wasm[at] = octet;
    }
    if let Some((made, ground)) = renewable(&wasm) {
        is_put_back(&made, ground, &mut matter, damage > 0);
    } else {
        assert!(damage > 0 || text.contains(";; other"), "{text}");
    }
}

/// Two core modules, as filters have them: one with the memory, one with the code; both have globals.
fn component(matter: &mut Matter<'_>) -> String {
    let pages = 1 + matter.octet() % 3;
    let data: String = (0..matter.octet() % 4).map(|_| segment(matter)).collect();
    let functions: String = (0..FUNCTIONS).map(|at| function(at, matter)).collect();
    let other = other(matter.octet());
    let lifts = (0..FUNCTIONS).map(|at| {
        format!("(func (export \"f{at}\") (param \"a\" u64) (result u64) (canon lift (core func $code \"f{at}\")))")
    });
    let lifts: String = lifts.collect();
    format!(
        r#"(component
        (core module $Ground
            (memory (export "memory") {pages})
            (global (export "stack") (mut i32) (i32.const {stack}))
            {data})
        (core instance $ground (instantiate $Ground))
        (core module $Code
            (import "ground" "memory" (memory 1))
            (import "ground" "stack" (global $g0 (mut i32)))
            (global $g1 (mut i64) (i64.const {long}))
            (global $g2 (mut f64) (f64.const nan:0x8000000000001))
            (global $g3 (mut f32) (f32.const -0))
            (table $t 2 2 funcref)
            (elem declare func $f0)
            (data $d "passive")
            {functions}
            {other})
        (core instance $code (instantiate $Code (with "ground" (instance $ground))))
        {lifts})"#,
        stack = matter.number(),
        long = matter.number(),
    )
}

fn segment(matter: &mut Matter<'_>) -> String {
    let length = usize::from(matter.octet() % 32);
    let content: String = (0..length)
        .map(|_| format!("\\{:02x}", matter.octet()))
        .collect();
    // The memory may be of one page only.
    let place = u32::from(matter.number()) % 0xffe0;
    format!("(data (i32.const {place}) \"{content}\")")
}

fn function(at: usize, matter: &mut Matter<'_>) -> String {
    let count = usize::from(matter.octet()) % STATEMENTS;
    let body: String = (0..count).map(|_| statement(matter)).collect();
    format!("(func $f{at} (export \"f{at}\") (param i64) (result i64) {body} (local.get 0))\n")
}

/// What a filter can do to its state, and some of what nobody can undo.
fn statement(matter: &mut Matter<'_>) -> String {
    let kind = matter.octet();
    let (at, length) = (matter.place(), matter.number() % 5000);
    let set = |global: u8, value: &str| format!("(global.set $g{global} {value})");
    match kind % 16 {
        0 | 1 => {
            format!("(i64.store (i32.const {at}) (i64.add (local.get 0) (i64.const {length})))")
        }
        2 => format!("(i32.store8 (i32.wrap_i64 (local.get 0)) (i32.const {length}))"),
        3 => format!("(memory.fill (i32.const {at}) (i32.const {kind}) (i32.const {length}))"),
        4 => {
            let from = matter.place();
            format!("(memory.copy (i32.const {at}) (i32.const {from}) (i32.const {length}))")
        }
        5 => format!(
            "(memory.init $d (i32.const {at}) (i32.const 0) (i32.const {}))",
            length % 8
        ),
        6 => format!("(drop (memory.grow (i32.const {})))", length % 3),
        7 => set(0, "(i32.wrap_i64 (local.get 0))"),
        8 => set(1, "(local.get 0)"),
        9 => set(2, "(f64.reinterpret_i64 (local.get 0))"),
        10 => set(3, "(f32.reinterpret_i32 (i32.wrap_i64 (local.get 0)))"),
        11 => format!("(local.set 0 (i64.load (i32.const {at})))"),
        12 => "(local.set 0 (i64.add (global.get $g1) (local.get 0)))".to_owned(),
        13 if length % 64 == 0 => "(unreachable)".to_owned(),
        14 if length % 64 == 0 => {
            "(table.set $t (i32.const 0) (ref.func $f0)) ;; other\n".to_owned()
        }
        15 if length % 64 == 0 => "(data.drop $d) ;; other\n".to_owned(),
        _ => format!("(local.set 0 (i64.mul (local.get 0) (i64.const {length})))"),
    }
}

/// What stands beside the functions now and then.
fn other(kind: u8) -> &'static str {
    match kind {
        1 => "(func $go) (start $go) ;; other\n",
        2 => "(memory 1) ;; other\n",
        3 => "(global $far (mut i32) (i32.add (i32.const 1) (i32.const 1))) ;; other\n",
        _ => "",
    }
}

fn is_put_back(made: &[u8], ground: Ground, matter: &mut Matter<'_>, is_damaged: bool) {
    let seen = seen(made);
    assert!(is_valid(&seen));
    let Some(mut sandbox) = Sandbox::start(&seen) else {
        // It may want what nobody gives, or more than the machine has.
        return assert!(is_damaged, "it does not start");
    };
    let fresh = sandbox.look();
    let count = 1 + matter.octet() % 3;
    let questions: Vec<_> = (0..count)
        .map(|_| (format!("f{}", matter.octet() % 3), matter.number()))
        .collect();
    // Who trapped is never put back.
    let Some(answers) = sandbox.ask_all(&questions) else {
        return;
    };
    let used = sandbox.look();
    if !sandbox.restore(ground) {
        // Only who grew cannot be.
        return assert!(used.0 != fresh.0, "{fresh:?} > {used:?}");
    }
    let after = sandbox.look();
    assert!(after == fresh, "{fresh:?} > {used:?} > {after:?}");
    // What is in neither the memory nor a global that we know would show here.
    assert_eq!(sandbox.ask_all(&questions), Some(answers));
    assert_eq!(sandbox.look(), used);
}

/// Pages of memory, and a sum over what is in them and in all globals.
type State = (u64, u64);

struct Sandbox {
    store: Store<StoreLimits>,
    instance: Instance,
}

impl Sandbox {
    fn start(wasm: &[u8]) -> Option<Self> {
        static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
            let mut config = Config::new();
            config.wasm_features(!ALLOWED, false);
            config.wasm_features(ALLOWED, true);
            config
                .consume_fuel(true)
                .cranelift_opt_level(OptLevel::None);
            Engine::new(&config).expect("features that go together")
        });
        let component = wasmtime::component::Component::new(&ENGINE, wasm).ok()?;
        let limits = StoreLimitsBuilder::new().memory_size(MEMORY).build();
        let mut store = Store::new(&ENGINE, limits);
        store.limiter(|limits| limits);
        store.set_fuel(FUEL).expect("fuel is counted");
        let instance = Linker::new(&ENGINE).instantiate(&mut store, &component);
        Some(Self {
            instance: instance.ok()?,
            store,
        })
    }

    /// What was answered, one after the other; None where one trapped.
    fn ask_all(&mut self, questions: &[(String, u16)]) -> Option<Vec<String>> {
        let mut answers = questions
            .iter()
            .map(|(name, argument)| self.ask(name, *argument));
        answers.by_ref().collect()
    }

    /// Calls it, if it takes one number or none. None where it trapped.
    fn ask(&mut self, name: &str, argument: u16) -> Option<String> {
        let function = self.instance.get_func(&mut self.store, name)?;
        let of = function.ty(&self.store);
        let mut arguments = Vec::new();
        for (_, parameter) in of.params() {
            arguments.push(match parameter {
                Type::U64 => Val::U64(argument.into()),
                Type::U32 => Val::U32(argument.into()),
                _ => return None,
            });
        }
        let mut results = vec![Val::Bool(false); of.results().len()];
        self.refuel();
        let done = function.call(&mut self.store, &arguments, &mut results);
        done.ok().map(|()| format!("{results:?}"))
    }

    fn refuel(&mut self) {
        self.store.set_fuel(FUEL).expect("fuel is counted");
    }

    fn look(&mut self) -> State {
        let look = self
            .instance
            .get_typed_func::<(), ((u64, u64),)>(&mut self.store, LOOK);
        let look = look.expect("it was added");
        self.refuel();
        look.call(&mut self.store, ()).expect("it only reads").0
    }

    /// All of its memory, as no real sandbox has it written.
    fn restore(&mut self, ground: Ground) -> bool {
        type Four = (u64, u64, u64, u64);
        let restore = self
            .instance
            .get_typed_func::<(Four, Four, Four, Four), ()>(&mut self.store, RESTORE);
        let restore = restore.expect("it was added");
        let run = |from: u32, to: u32| u64::from(from) << 32 | u64::from(to - from);
        let zeros = (run(0, ground.from), run(ground.to, ground.size), 0, 0);
        let nothing = run(ground.from, ground.from);
        let copies = (run(ground.from, ground.to), nothing, nothing, nothing);
        let rest = (nothing, nothing, nothing, nothing);
        self.refuel();
        let done = restore.call(&mut self.store, (zeros, (0, 0, 0, 0), copies, rest));
        done.is_ok()
    }
}

/// The component, which has a restorer, with one module more, that sums up memory and globals.
fn seen(made: &[u8]) -> Vec<u8> {
    let whole = Whole::read(made).expect("a component that was made to be read");
    let mut component = whole.rebuilt(|state| state.octets.to_vec());
    component.section(&ModuleSection(&eye(&whole)));
    wire(&whole, &mut component);
    component.finish()
}

fn wire(whole: &Whole<'_>, component: &mut Component) {
    let from: Vec<_> = whole
        .states()
        .map(|(_, instance)| (instance.to_string(), ModuleArg::Instance(instance)))
        .collect();
    let mut instances = InstanceSection::new();
    let from = from.iter().map(|(name, of)| (name.as_str(), *of));
    instances.instantiate(whole.modules, from);
    let mut aliases = ComponentAliasSection::new();
    for (name, kind) in [(LOOK, ExportKind::Func), ("seen", ExportKind::Memory)] {
        let instance = whole.instances;
        aliases.alias(Alias::CoreInstanceExport {
            instance,
            kind,
            name,
        });
    }
    let mut types = ComponentTypeSection::new();
    let number = ComponentValType::Primitive(PrimitiveValType::U64);
    types.defined_type().tuple([number; 2]);
    types
        .function()
        .params::<[(&str, ComponentValType); 0], _>([])
        .result(Some(ComponentValType::Type(whole.types)));
    let mut lifts = CanonicalFunctionSection::new();
    let memory = wasm_encoder::CanonicalOption::Memory(whole.memories);
    lifts.lift(whole.core_functions, whole.types + 1, [memory]);
    let mut exports = ComponentExportSection::new();
    exports.export(LOOK, ComponentExportKind::Func, whole.functions, None);
    component.section(&instances);
    component.section(&aliases);
    component.section(&types);
    component.section(&lifts);
    component.section(&exports);
}

/// Imports what the restorer imports, writes two numbers into a memory of its own and gives their place.
fn eye(whole: &Whole<'_>) -> Module {
    let mut types = TypeSection::new();
    types.ty().function([], [ValType::I32]);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = wasm_encoder::MemorySection::new();
    memories.memory(wasm_encoder::MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut exports = ExportSection::new();
    exports.export(LOOK, ExportKind::Func, 0);
    exports.export("seen", ExportKind::Memory, 1);
    let mut code = CodeSection::new();
    code.function(&look_code(whole));
    let mut module = Module::new();
    module
        .section(&types)
        .section(&imports(whole))
        .section(&functions)
        .section(&memories)
        .section(&exports)
        .section(&code);
    module
}

fn look_code(whole: &Whole<'_>) -> Function {
    let (at, sum) = (0, 1);
    let mut function = Function::new([(1, ValType::I32), (1, ValType::I64)]);
    let mut code = function.instructions();
    code.loop_(BlockType::Empty);
    code.local_get(sum).local_get(at).i64_load(place(0, 0));
    mix(&mut code, sum);
    code.local_get(at).i32_const(8).i32_add().local_tee(at);
    code.memory_size(0).i32_const(65536).i32_mul();
    code.i32_lt_u().br_if(0).end();
    for (index, global) in (0..).zip(whole.states().flat_map(|(state, _)| &state.globals)) {
        code.local_get(sum).global_get(index);
        match global.of.content_type {
            wasmparser::ValType::I32 => code.i64_extend_i32_u(),
            wasmparser::ValType::F32 => code.i32_reinterpret_f32().i64_extend_i32_u(),
            wasmparser::ValType::F64 => code.i64_reinterpret_f64(),
            _ => &mut code,
        };
        mix(&mut code, sum);
    }
    code.i32_const(0).memory_size(0).i64_extend_i32_u();
    code.i64_store(place(0, 1));
    code.i32_const(0).local_get(sum).i64_store(place(8, 1));
    code.i32_const(0).end();
    function
}

fn place(offset: u64, memory_index: u32) -> MemArg {
    MemArg {
        offset,
        align: 3,
        memory_index,
    }
}

/// Of a sum and a number the next sum.
fn mix(code: &mut InstructionSink<'_>, sum: u32) {
    code.i64_xor()
        .i64_const(0x9e37_79b9_7f4a_7c15_u64.cast_signed());
    code.i64_mul().i64_const(29).i64_rotl().local_set(sum);
}
