//! What of a core module can differ between its start and later.

use wasmparser::{
    ConstExpr, Data, DataKind, FunctionBody, GlobalType, ImportSectionReader, MemoryType, Operator,
    Parser, Payload, TypeRef,
};

/// A core module and its state.
pub struct State<'a> {
    /// the octets of the module
    pub octets: &'a [u8],
    /// the globals that it defines and may write
    pub globals: Vec<Global>,
    /// the memories that it defines
    pub memories: Vec<(u32, MemoryType)>,
    /// active segments
    pub segments: Vec<Segment<'a>>,
}

/// A global that can be written.
pub struct Global {
    /// in the module's index space
    pub index: u32,
    /// its type
    pub of: GlobalType,
    /// its value at the start
    pub value: Value,
}

/// A number, as its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// `i32`
    I32(i32),
    /// `i64`
    I64(i64),
    /// `f32`
    F32(u32),
    /// `f64`
    F64(u64),
}

/// Octets that are in a memory at the start.
pub struct Segment<'a> {
    /// in the module's index space
    pub memory: u32,
    /// where
    pub offset: u32,
    /// which
    pub octets: &'a [u8],
}

impl<'a> State<'a> {
    /// None where more than memory and globals may change, or their start is not known. The module is valid.
    pub fn read(octets: &'a [u8]) -> Option<Self> {
        let mut state = Self {
            octets,
            globals: Vec::new(),
            memories: Vec::new(),
            segments: Vec::new(),
        };
        let mut imported = Imported::default();
        for payload in Parser::new(0).parse_all(octets) {
            match payload.ok()? {
                Payload::ImportSection(imports) => imported = Imported::count(imports)?,
                Payload::MemorySection(defined) => {
                    for (index, memory) in (imported.memories..).zip(defined) {
                        state.memories.push((index, memory.ok()?));
                    }
                }
                Payload::GlobalSection(defined) => {
                    for (index, global) in (imported.globals..).zip(defined) {
                        state.add_global(index, &global.ok()?)?;
                    }
                }
                Payload::DataSection(data) => {
                    for data in data {
                        state.segments.extend(segment(data.ok()?)?);
                    }
                }
                // What it did before the first question is in no image of ours.
                Payload::StartSection { .. } => return None,
                Payload::CodeSectionEntry(body) => refuse_other_changes(&body)?,
                _ => {}
            }
        }
        Some(state)
    }

    fn add_global(&mut self, index: u32, global: &wasmparser::Global<'_>) -> Option<()> {
        if global.ty.mutable {
            self.globals.push(Global {
                index,
                of: global.ty,
                value: constant(&global.init_expr)?,
            });
        }
        Some(())
    }

    /// Has it anything that can change?
    pub fn is_stateful(&self) -> bool {
        !self.globals.is_empty() || !self.memories.is_empty()
    }
}

/// How many things of others stand before its own.
#[derive(Default)]
struct Imported {
    globals: u32,
    memories: u32,
}

impl Imported {
    fn count(imports: ImportSectionReader<'_>) -> Option<Self> {
        let mut imported = Self::default();
        for import in imports.into_imports() {
            match import.ok()?.ty {
                TypeRef::Global(_) => imported.globals += 1,
                TypeRef::Memory(_) => imported.memories += 1,
                _ => {}
            }
        }
        Some(imported)
    }
}

/// The active segment, none for a passive one; None where it is not known where it goes.
fn segment(data: Data<'_>) -> Option<Option<Segment<'_>>> {
    let DataKind::Active {
        memory_index,
        offset_expr,
    } = data.kind
    else {
        return Some(None);
    };
    let Value::I32(offset) = constant(&offset_expr)? else {
        return None;
    };
    Some(Some(Segment {
        memory: memory_index,
        offset: offset.cast_unsigned(),
        octets: data.data,
    }))
}

fn constant(expression: &ConstExpr<'_>) -> Option<Value> {
    let mut operators = expression.get_operators_reader();
    let value = match operators.read().ok()? {
        Operator::I32Const { value } => Value::I32(value),
        Operator::I64Const { value } => Value::I64(value),
        Operator::F32Const { value } => Value::F32(value.bits()),
        Operator::F64Const { value } => Value::F64(value.bits()),
        _ => return None,
    };
    matches!(operators.read().ok()?, Operator::End).then_some(value)
}

/// None where it changes more than memory and globals.
fn refuse_other_changes(body: &FunctionBody<'_>) -> Option<()> {
    for operator in body.get_operators_reader().ok()? {
        match operator.ok()? {
            Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. }
            | Operator::ElemDrop { .. }
            | Operator::DataDrop { .. } => return None,
            _ => {}
        }
    }
    Some(())
}
