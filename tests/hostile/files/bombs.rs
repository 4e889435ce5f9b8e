//! Compile bombs: valid, at the limits of the format, and made to cost whoever reads them time and memory.

use std::fmt::Write;

use wasm_encoder::{
    CodeSection, Component, ComponentSectionId, ConstExpr, DataSection, Encode, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, MemorySection, MemoryType,
    Module, TypeSection, ValType,
};
use wit_component::StringEncoding;

use super::{Family, Specimen};
use crate::guests::{assemble, observer_with};
use crate::hostile::attack::{Expected, Point};
use crate::hostile::forge::{Forge, component};

const WORLD: &str = "export lazaret:filter/on-connect@0.1.0;";
const CONNECT: &str = "lazaret:filter/on-connect@0.1.0#connect";

pub(super) fn families() -> Vec<Family> {
    let contained = |kind: &str, core: fn() -> Vec<u8>| {
        Family::new(format!("bomb: {kind}"), move |_| {
            Specimen::new(
                component(WORLD, core(), StringEncoding::UTF8),
                Expected::Contained,
            )
        })
        .slow()
    };
    let text = |kind: &str, make: fn() -> String| {
        Family::new(format!("bomb: {kind}"), move |_| {
            Specimen::new(assemble(&make()), Expected::Contained)
        })
        .slow()
    };
    vec![
        contained("a function of two million instructions", huge_function),
        contained("200,000 functions", many_functions),
        contained("blocks 100,000 deep", deep_nesting),
        contained("a br_table of a million", huge_table),
        contained("50,000 locals, 200 times", many_locals),
        contained("200,000 types", many_types),
        contained("many calls of many parameters", many_parameters),
        contained("500,000 globals", many_globals),
        contained("100,000 data segments", many_segments),
        text("50,000 imports", many_imports),
        text("types that double 30 times", doubling_types),
        text("components that double 20 times", doubling_components),
        Family::new("bomb: 3,000 nested components".to_owned(), |_| {
            Specimen::new(nested_components(), Expected::Contained)
        })
        .slow(),
        text("20,000 core instances", many_instances),
        Family::new("child killed by memory, compiling".to_owned(), |_| {
            let wasm = component(WORLD, huge_function(), StringEncoding::UTF8);
            let dead = Expected::Refused("its preparation wants more memory than 192 MiB, while");
            Specimen::new(wasm, dead).in_little_room()
        })
        .slow(),
        Family {
            stage: "configure",
            ..Family::new("child out of memory, configuring".to_owned(), |_| fills())
        }
        .slow(),
    ]
}

/// Stays within its own `memory` in `configure`, and goes over what its child has.
fn fills() -> Specimen {
    let fill = "(if (i32.lt_s (memory.grow (i32.const 4000)) (i32.const 0)) (then unreachable))
        (memory.fill (i32.const 65536) (i32.const 7) (i32.const 262144000))";
    let forge = Forge::new(fill).at(Point::Configure);
    let refused = Expected::Refused("its preparation may use 192 MiB of memory in all");
    Specimen {
        policy: "memory = \"256 MiB\"\n".to_owned(),
        ..Specimen::new(forge, refused).in_little_room()
    }
}

/// A module that says `continue` at connect, with what `fill` adds to it.
struct Bomb {
    types: TypeSection,
    functions: FunctionSection,
    globals: GlobalSection,
    code: CodeSection,
    data: DataSection,
}

/// `() -> i32`, the type of the stage.
const STAGE_TYPE: u32 = 0;
/// `(i32) -> i32`, for the rest.
const PLAIN_TYPE: u32 = 1;

fn bomb(fill: impl FnOnce(&mut Bomb)) -> Vec<u8> {
    let mut bomb = Bomb {
        types: TypeSection::new(),
        functions: FunctionSection::new(),
        globals: GlobalSection::new(),
        code: CodeSection::new(),
        data: DataSection::new(),
    };
    bomb.types.ty().function([], [ValType::I32]);
    bomb.types.ty().function([ValType::I32], [ValType::I32]);
    bomb.functions.function(STAGE_TYPE);
    let mut stage = Function::new([]);
    stage.instructions().i32_const(16).end();
    bomb.code.function(&stage);
    fill(&mut bomb);
    bomb.finish()
}

impl Bomb {
    fn finish(self) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType {
            minimum: 1,
            maximum: None,
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        let mut exports = ExportSection::new();
        exports.export(CONNECT, ExportKind::Func, 0);
        exports.export("memory", ExportKind::Memory, 0);
        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.functions)
            .section(&memories)
            .section(&self.globals)
            .section(&exports)
            .section(&self.code)
            .section(&self.data);
        module.finish()
    }

    /// A function of one parameter and one result.
    fn plain(&mut self, body: impl FnOnce(&mut Function)) {
        let mut function = Function::new([]);
        body(&mut function);
        self.functions.function(PLAIN_TYPE);
        self.code.function(&function);
    }
}

fn huge_function() -> Vec<u8> {
    bomb(|bomb| {
        bomb.plain(|f| {
            let mut code = f.instructions();
            code.local_get(0);
            for n in 0..700_000 {
                code.local_get(0).i32_add();
                if n % 64 == 0 {
                    code.i32_const(n).i32_mul();
                }
            }
            code.end();
        });
    })
}

fn many_functions() -> Vec<u8> {
    bomb(|bomb| {
        for n in 0..200_000 {
            bomb.plain(|f| {
                f.instructions().local_get(0).i32_const(n).i32_add().end();
            });
        }
    })
}

fn deep_nesting() -> Vec<u8> {
    bomb(|bomb| {
        bomb.plain(|f| {
            let mut code = f.instructions();
            for _ in 0..100_000 {
                code.block(wasm_encoder::BlockType::Empty);
            }
            for _ in 0..100_000 {
                code.end();
            }
            code.local_get(0).end();
        });
    })
}

fn huge_table() -> Vec<u8> {
    let targets: Vec<u32> = (0..1_000_000).map(|n| n % 50).collect();
    bomb(|bomb| {
        bomb.plain(|f| {
            let mut code = f.instructions();
            for _ in 0..50 {
                code.block(wasm_encoder::BlockType::Empty);
            }
            code.local_get(0).br_table(targets, 0);
            for _ in 0..50 {
                code.end();
            }
            code.local_get(0).end();
        });
    })
}

fn many_locals() -> Vec<u8> {
    bomb(|bomb| {
        for _ in 0..200 {
            let mut function = Function::new([(49_000, ValType::I64)]);
            let mut code = function.instructions();
            for n in 0..2_000 {
                code.local_get(1 + n)
                    .i64_const(1)
                    .i64_add()
                    .local_set(40_000 - n);
            }
            code.local_get(0).end();
            bomb.functions.function(PLAIN_TYPE);
            bomb.code.function(&function);
        }
    })
}

fn many_types() -> Vec<u8> {
    bomb(|bomb| {
        for n in 0..200_000u32 {
            let parameters = (0..20).map(|bit| match n >> bit & 1 {
                0 => ValType::I32,
                _ => ValType::I64,
            });
            bomb.types.ty().function(parameters, [ValType::F64]);
        }
    })
}

fn many_parameters() -> Vec<u8> {
    bomb(|bomb| {
        bomb.types
            .ty()
            .function([ValType::I64; 900], [ValType::I32]);
        let mut wide = Function::new([]);
        wide.instructions().i32_const(1).end();
        bomb.functions.function(2);
        bomb.code.function(&wide);
        for _ in 0..50 {
            bomb.plain(|f| {
                let mut code = f.instructions();
                code.local_get(0);
                for _ in 0..20 {
                    (0..900).for_each(|n| {
                        code.i64_const(n);
                    });
                    code.call(1).i32_add();
                }
                code.end();
            });
        }
    })
}

fn many_globals() -> Vec<u8> {
    bomb(|bomb| {
        for n in 0..500_000 {
            let kind = GlobalType {
                val_type: ValType::I64,
                mutable: true,
                shared: false,
            };
            bomb.globals.global(kind, &ConstExpr::i64_const(n));
        }
    })
}

fn many_segments() -> Vec<u8> {
    bomb(|bomb| {
        for n in 0..100_000 {
            bomb.data
                .active(0, &ConstExpr::i32_const(n % 60_000), [n as u8]);
        }
    })
}

fn many_imports() -> String {
    let mut imports = String::new();
    for n in 0..50_000 {
        let _ = write!(imports, "(import \"nowhere-{n}\" (func))");
    }
    with_definitions(&imports)
}

fn doubling_types() -> String {
    let mut types = String::from("(type $t0 (record (field \"a\" string) (field \"b\" string)))");
    for n in 1..30 {
        let inner = n - 1;
        let _ = write!(types, "(type $t{n} (tuple $t{inner} $t{inner}))");
    }
    with_definitions(&types)
}

fn doubling_components() -> String {
    let mut text = String::from(
        "(component $c0 (core module $m (memory 1)) (core instance (instantiate $m)))",
    );
    for n in 1..20 {
        let inner = n - 1;
        let _ = write!(
            text,
            "(component $c{n} (alias outer 1 $c{inner} (component $c)) (instance (instantiate $c)) (instance (instantiate $c)))"
        );
    }
    text.push_str("(instance (instantiate $c19))");
    with_definitions(&text)
}

/// In octets: the reader of the text form gives up long before.
fn nested_components() -> Vec<u8> {
    let mut nested = Component::new().finish();
    for _ in 1..3_000 {
        let mut outer = Component::new().finish();
        nest(&nested, &mut outer);
        nested = outer;
    }
    let mut octets = assemble(&observer_with(""));
    nest(&nested, &mut octets);
    octets
}

/// Adds a section that holds a component.
fn nest(component: &[u8], octets: &mut Vec<u8>) {
    octets.push(ComponentSectionId::Component.into());
    component.encode(octets);
}

fn many_instances() -> String {
    let text = format!(
        "(core module $tiny (func)) {}",
        "(core instance (instantiate $tiny))".repeat(20_000)
    );
    with_definitions(&text)
}

/// An observer with definitions beside its core module.
fn with_definitions(text: &str) -> String {
    observer_with("").replacen("(component", &format!("(component {text}"), 1)
}
