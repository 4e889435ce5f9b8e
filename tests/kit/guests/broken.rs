//! Files that must not load, or that hurt before their first stage is asked.

/// Core wasm: valid, but not a component.
pub const CORE_MODULE: &str = "(module (func (export \"mail\")))";

/// A component for a world that has nothing to do with mail.
pub const OTHER_WORLD: &str = r#"
    (component
        (core module $code (func (export "greet")))
        (core instance $code (instantiate $code))
        (func $greet (canon lift (core func $code "greet")))
        (export "greet" (func $greet)))
"#;

/// Exports a stage of a contract that does not exist yet.
pub const OTHER_VERSION: &str = r#"
    (component
        (core module $code (func (export "connected")))
        (core instance $code (instantiate $code))
        (func $connected (canon lift (core func $code "connected")))
        (instance $stage (export "connected" (func $connected)))
        (export "lazaret:filter/on-connect@0.9.0" (instance $stage)))
"#;

/// The right name, and a function that returns a number where the contract has a verdict.
pub const OTHER_TYPE: &str = r#"
    (component
        (core module $code (func (export "connect") (result i32) i32.const 7))
        (core instance $code (instantiate $code))
        (func $connect (result u32) (canon lift (core func $code "connect")))
        (instance $stage (export "connect" (func $connect)))
        (export "lazaret:filter/on-connect@0.1.0" (instance $stage)))
"#;

/// Wants a thing of the outside world that no filter is given.
pub const UNKNOWN_IMPORT: &str = r#"
    (component
        (import "wasi:keyvalue/store@0.2.0" (instance (export "open" (func))))
        (core module $code (func (export "disconnect") (param i32 i32))
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024))
        (core instance $code (instantiate $code))
        (func $disconnect (param "reason" string) (canon lift (core func $code "disconnect")
            (memory $code "memory") (realloc (func $code "realloc"))))
        (instance $stage (export "disconnect" (func $disconnect)))
        (export "lazaret:filter/on-disconnect@0.1.0" (instance $stage)))
"#;

/// Lifted with the async ABI, which sync WIT functions do not have.
pub const ASYNC_ABI: &str = r#"
    (component
        (core module $code
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "disconnect") (param i32 i32) (result i32) i32.const 0)
            (func (export "callback") (param i32 i32 i32) (result i32) i32.const 0))
        (core instance $code (instantiate $code))
        (func $disconnect async (param "reason" string) (canon lift (core func $code "disconnect") async
            (memory $code "memory") (realloc (func $code "realloc")) (callback (func $code "callback"))))
        (instance $stage (export "disconnect" (func $disconnect)))
        (export "lazaret:filter/on-disconnect@0.1.0" (instance $stage)))
"#;

/// Keeps a handle of a resource of its own from `configure`: a number in memory, which a snapshot has, for something it has not.
pub const OWN_HANDLE: &str = r#"
    (component
        (type $thing (resource (rep i32)))
        (core func $make (canon resource.new $thing))
        (core func $look (canon resource.rep $thing))
        (core module $code
            (import "thing" "make" (func $make (param i32) (result i32)))
            (import "thing" "look" (func $look (param i32) (result i32)))
            (memory (export "memory") 1)
            (global $handle (mut i32) (i32.const 0))
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "configure") (param i32 i32) (result i32)
                (global.set $handle (call $make (i32.const 7)))
                i32.const 32)
            (func (export "disconnect") (param i32 i32)
                (if (i32.ne (call $look (global.get $handle)) (i32.const 7)) (then unreachable))))
        (core instance $code (instantiate $code (with "thing" (instance
            (export "make" (func $make)) (export "look" (func $look))))))
        (func $configure (param "config" string) (result (result (error string)))
            (canon lift (core func $code "configure") (memory $code "memory") (realloc (func $code "realloc"))))
        (export "configure" (func $configure))
        (func $disconnect (param "reason" string)
            (canon lift (core func $code "disconnect") (memory $code "memory") (realloc (func $code "realloc"))))
        (instance $stage (export "disconnect" (func $disconnect)))
        (export "lazaret:filter/on-disconnect@0.1.0" (instance $stage)))
"#;

/// An observer whose core module has `$extra` in it, e.g. a start function.
pub fn observer_with(extra: &str) -> String {
    format!(
        r#"
    (component
        (core module $code
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "disconnect") (param i32 i32))
            {extra})
        (core instance $code (instantiate $code))
        (func $disconnect (param "reason" string) (canon lift (core func $code "disconnect")
            (memory $code "memory") (realloc (func $code "realloc"))))
        (instance $stage (export "disconnect" (func $disconnect)))
        (export "lazaret:filter/on-disconnect@0.1.0" (instance $stage)))
"#
    )
}

/// A component from its text.
pub fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// Wasm proposals that are switched off, as a refusal names them, each as something to put into a core module; all there
/// are, with specimens: `mistakes/proposals.toml`.
pub const PROPOSALS: [(&str, &str); 5] = [
    ("memory64", "(memory i64 1)"),
    ("threads", "(memory 1 1 shared)"),
    ("garbage collection", "(type $box (struct (field i32)))"),
    ("exceptions", "(tag $oops (param i32))"),
    (
        "stack switching",
        "(type $task (func)) (type $switch (cont $task))",
    ),
];

/// Core wasm padded to `length` octets with a custom section.
pub fn padded(length: usize) -> Vec<u8> {
    let mut wasm = b"\0asm\x0d\0\x01\0".to_vec();
    let padding = length.saturating_sub(wasm.len() + 8);
    wasm.push(0);
    wasm.extend(leb128(padding + 2));
    wasm.extend([1, b'p']);
    wasm.resize(wasm.len() + padding, 0);
    wasm
}

fn leb128(mut number: usize) -> Vec<u8> {
    let mut octets = Vec::new();
    loop {
        let low = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            octets.push(low);
            return octets;
        }
        octets.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_assemble() {
        for text in [
            CORE_MODULE,
            OTHER_WORLD,
            OTHER_VERSION,
            OTHER_TYPE,
            UNKNOWN_IMPORT,
            ASYNC_ABI,
            OWN_HANDLE,
        ] {
            assemble(text);
        }
        for (_, extra) in PROPOSALS {
            assemble(&observer_with(extra));
        }
    }

    #[test]
    fn padding_is_as_long_as_asked() {
        assert!(padded(1 << 20).len().abs_diff(1 << 20) < 16);
    }
}
