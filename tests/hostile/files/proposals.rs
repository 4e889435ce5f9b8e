//! Everything of WebAssembly that is switched off, each in a small component that would be a filter without it.

use super::Family;
use crate::guests::{assemble, observer_with};
use crate::hostile::attack::Expected;

/// Something to put into a core module, and how the refusal calls it.
const CORE: [(&str, &str); 19] = [
    ("(memory $m 1 1 shared)", "threads"),
    ("(func (drop (i32.atomic.load (i32.const 0))))", "threads"),
    (
        "(func (memory.atomic.notify (i32.const 0) (i32.const 1)) drop)",
        "threads",
    ),
    (
        "(type $s (struct (field i32))) (func (drop (struct.new $s (i32.const 1))))",
        "garbage collection",
    ),
    (
        "(type $a (array i8)) (func (drop (array.new_default $a (i32.const 1))))",
        "garbage collection",
    ),
    (
        "(func (drop (ref.i31 (i32.const 1))))",
        "garbage collection",
    ),
    ("(rec (type $r (func)) (type (func)))", "garbage collection"),
    ("(table $e 1 externref)", "externref"),
    ("(func (param externref))", "externref"),
    (
        "(type $t (func)) (func (param (ref null $t)) (call_ref $t (local.get 0)))",
        "function references",
    ),
    (
        "(type $t (func)) (func (param (ref $t)))",
        "function references",
    ),
    ("(tag $e) (func (throw $e))", "exceptions"),
    ("(tag $e) (func (try_table (catch_all 0)))", "exceptions"),
    ("(memory $big i64 1)", "memory64"),
    ("(table $big i64 1 funcref)", "memory64"),
    (
        "(func (param v128 v128) (drop (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))",
        "relaxed SIMD",
    ),
    (
        "(func (param v128 v128 v128) (drop (f32x4.relaxed_madd (local.get 0) (local.get 1) (local.get 2))))",
        "relaxed SIMD",
    ),
    (
        "(type $f (func)) (type $c (cont $f)) (func (param (ref $c)) (resume $c (local.get 0)))",
        "stack switching",
    ),
    (
        "(func (result i64 i64) (i64.add128 (i64.const 1) (i64.const 1) (i64.const 1) (i64.const 1)))",
        "switched off",
    ),
];

/// Definitions to put beside the core module.
const BESIDE: [(&str, &str); 7] = [
    ("(type (stream u8))", "async"),
    ("(type (future u8))", "async"),
    ("(core func (canon task.cancel))", "async"),
    ("(core func (canon thread.yield))", "async"),
    ("(type error-context)", "error-context"),
    ("(type (map string u32))", "maps"),
    ("(type (list u8 4))", "fixed-length lists"),
];

pub(super) fn families() -> Vec<Family> {
    let core = CORE
        .iter()
        .map(|(fields, word)| (observer_with(fields), *fields, *word));
    let beside = BESIDE.iter().map(|(fields, word)| {
        let plain = observer_with("");
        let text = plain.replacen("(component", &format!("(component {fields}"), 1);
        (text, *fields, *word)
    });
    let family = |(text, fields, word): (String, &str, &'static str)| {
        let shown: String = fields.chars().take(40).collect();
        Family::single(
            format!("switched off: {shown}"),
            assemble(&text),
            Expected::Refused(word),
        )
    };
    core.chain(beside).map(family).collect()
}
