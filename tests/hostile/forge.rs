//! Filters from WebAssembly text, with every word of the canonical ABI in our hands.

use std::path::Path;
use std::sync::LazyLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::attack::Point;

/// Where a verdict that says `continue` lies: all its octets are zero.
pub const CONTINUE: u32 = 16;

/// A memory of one page, that may grow.
const MEMORY: &str = r#"(memory (export "memory") 1)"#;

/// A bump allocator that grows the memory.
const REALLOC: &str = r#"
    (global $next (mut i32) (i32.const 8192))
    (func $alloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
        (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (block $fits
            (loop $grow
                (br_if $fits (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
                (br_if $grow (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))))
            unreachable)
        (local.get $at))"#;

/// The contract, parsed once.
static CONTRACT: LazyLock<Resolve> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
    resolve.push_dir(wit).expect("the contract is valid");
    resolve
});

/// What the set needs of WASI 0.2.
const WASI: &str = "package wasi:io@0.2.6 {
    interface poll { resource pollable; poll: func(in: list<borrow<pollable>>) -> list<u32>; }
}";

/// A filter that does one thing at one stage, and has no objection at any other.
///
/// The thing is the function `$attack`, which returns the address of a verdict. Within a transaction it happens only
/// if the sender's local part has four octets, as in `evil@example.com`; at hello only if the name is
/// [`super::play::EVIL_NAME`].
#[derive(Clone, Debug)]
pub struct Forge {
    imports: Vec<&'static str>,
    fields: String,
    attack: String,
    memory: &'static str,
    realloc: String,
    after: Option<String>,
    otherwise: String,
    strings: StringEncoding,
}

impl Forge {
    /// `attack` is the body of the function; it may end with the address of a verdict, or fall through to `continue`.
    pub fn new(attack: impl Into<String>) -> Self {
        Self {
            imports: Vec::new(),
            fields: String::new(),
            attack: attack.into(),
            memory: MEMORY,
            realloc: REALLOC.to_owned(),
            after: None,
            otherwise: String::new(),
            strings: StringEncoding::UTF8,
        }
    }

    /// Imports an interface of the contract, or another by its whole name; `field` is the core import.
    pub fn import(mut self, interface: &'static str, field: &str) -> Self {
        if !self.imports.contains(&interface) {
            self.imports.push(interface);
        }
        // Imports come before all else in a module.
        self.fields.insert_str(0, field);
        self
    }

    /// More fields of the module: data, tables, functions.
    pub fn with(mut self, fields: &str) -> Self {
        self.fields.push_str(fields);
        self
    }

    /// Another memory than one page.
    pub fn memory(mut self, memory: &'static str) -> Self {
        self.memory = memory;
        self
    }

    /// Where so many octets are asked for, the allocator does this instead.
    pub fn realloc_of(mut self, octets: u32, body: &str) -> Self {
        let begin = "(local $at i32)";
        let instead = format!(
            "{begin} (if (i32.eq (local.get 3) (i32.const {octets})) (then (return {body})))"
        );
        self.realloc = REALLOC.replacen(begin, &instead, 1);
        self
    }

    /// What runs after the host has taken the verdict.
    pub fn after(mut self, body: &str) -> Self {
        self.after = Some(body.to_owned());
        self
    }

    /// What it does at mail where nobody is evil.
    pub fn otherwise(mut self, body: &str) -> Self {
        self.otherwise = body.to_owned();
        self
    }

    /// How its strings are encoded.
    pub fn strings(mut self, encoding: StringEncoding) -> Self {
        self.strings = encoding;
        self
    }

    /// The component that attacks at `point`.
    pub fn at(&self, point: Point) -> Vec<u8> {
        let core = self.module(point);
        let core = wat::parse_str(&core).unwrap_or_else(|error| panic!("{error}\n{core}"));
        component(&self.world(point), core, self.strings)
    }

    fn world(&self, point: Point) -> String {
        let mut world: String = self.imports.iter().map(|name| import(name)).collect();
        world.push_str("export lazaret:filter/on-mail@0.1.0;");
        if let Some(stage) = point.stage().filter(|stage| *stage != "mail") {
            world.push_str(&format!("export lazaret:filter/on-{stage}@0.1.0;"));
        }
        if point == Point::Configure {
            world.push_str("export configure: func(config: string) -> result<_, string>;");
        }
        world
    }

    fn module(&self, point: Point) -> String {
        let Self {
            fields,
            attack,
            memory,
            realloc,
            ..
        } = self;
        let mut module = format!(
            "(module {fields} {memory} {realloc} (global $armed (mut i32) (i32.const 0))
                (func $attack (result i32) {attack} (i32.const {CONTINUE}))"
        );
        module.push_str(&mail(point, &self.otherwise));
        match point {
            Point::Mail => {}
            Point::Start => module.push_str("(func $begin (drop (call $attack))) (start $begin)"),
            Point::Configure => module.push_str(
                r#"(func (export "configure") (param i32 i32) (result i32) (call $attack))"#,
            ),
            _ => module.push_str(&stage(point)),
        }
        if let (Some(after), Some(name)) = (&self.after, point.export()) {
            module.push_str(&format!(
                r#"(func (export "cabi_post_{name}") (param i32) {after})"#
            ));
        }
        module.push(')');
        module
    }
}

/// The stage mail, which also says whether the transaction is meant.
fn mail(point: Point, otherwise: &str) -> String {
    let here = match point {
        Point::Mail => "(if (global.get $armed) (then (return (call $attack))))",
        _ => "",
    };
    format!(
        r#"(func (export "lazaret:filter/on-mail@0.1.0#mail") (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
            (global.set $armed (i32.eq (local.get 3) (i32.const 4))) {here} {otherwise} (i32.const {CONTINUE}))"#
    )
}

fn stage(point: Point) -> String {
    let (parameters, armed) = match point {
        Point::Connect => ("", "(i32.const 1)"),
        Point::Disconnect => ("(param i32 i32)", "(i32.const 1)"),
        Point::Hello => ("(param i32 i32)", "(i32.eq (local.get 1) (i32.const 16))"),
        Point::Rcpt => (
            "(param i32 i32 i32 i32 i32 i32 i32 i32)",
            "(global.get $armed)",
        ),
        Point::Outcome => (
            "(param i32 i32 i32 i32 i32 i32 i32 i32 i32)",
            "(global.get $armed)",
        ),
        _ => ("", "(global.get $armed)"),
    };
    let name = point.export().expect("a stage has an export");
    match point {
        Point::Outcome | Point::Disconnect => format!(
            r#"(func (export "{name}") {parameters} (if {armed} (then (drop (call $attack)))))"#
        ),
        _ => format!(
            r#"(func (export "{name}") {parameters} (result i32)
                (if {armed} (then (return (call $attack)))) (i32.const {CONTINUE}))"#
        ),
    }
}

fn import(interface: &str) -> String {
    match interface.contains(':') {
        true => format!("import {interface};"),
        false => format!("import lazaret:filter/{interface}@0.1.0;"),
    }
}

/// A component of a core module and the text of its world. What the core module does wrong stays in it.
pub fn component(world: &str, mut core: Vec<u8>, strings: StringEncoding) -> Vec<u8> {
    let mut resolve = CONTRACT.clone();
    let text = format!("package test:guest; world guest {{ {world} }} {WASI}");
    let package = resolve.push_str("guest.wit", &text).expect("a valid world");
    let world = resolve
        .select_world(&[package], Some("guest"))
        .expect("the only world");
    embed_component_metadata(&mut core, &resolve, world, strings).expect("a core module");
    ComponentEncoder::default()
        .module(&core)
        .expect("a core module with its world")
        .validate(false)
        .encode()
        .unwrap_or_else(|error| panic!("{error:?}"))
}
