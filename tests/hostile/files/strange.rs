//! Files that are no filters at all.

use super::Family;
use crate::guests::{self, assemble};
use crate::hostile::attack::Expected::Refused;

pub(super) fn families() -> Vec<Family> {
    let text = |kind: &str, text: &str, words: &'static str| {
        Family::single(kind, assemble(text), Refused(words))
    };
    vec![
        Family::single("empty file", Vec::new(), Refused("the file is empty")),
        Family::single(
            "program",
            b"\x7fELF\x02\x01\x01".to_vec(),
            Refused("it is not WebAssembly"),
        ),
        Family::single("text", b"(component)".to_vec(), Refused("WebAssembly text")),
        Family::single("zeros", vec![0; 1 << 20], Refused("it is not WebAssembly")),
        Family::single(
            "file of 65 MiB",
            guests::padded((65 << 20) + 1),
            Refused("larger than"),
        ),
        text("core module", guests::CORE_MODULE, "core module"),
        text("another world", guests::OTHER_WORLD, "exports no stage"),
        text("another version", guests::OTHER_VERSION, "it speaks"),
        text("other types", guests::OTHER_TYPE, "the types of"),
        text(
            "unknown import",
            guests::UNKNOWN_IMPORT,
            "does not exist here",
        ),
        text("async ABI", guests::ASYNC_ABI, "async ABI"),
        text(
            "a million pages at once",
            &guests::observer_with("(memory 65536)"),
            "memory",
        ),
        text(
            "table of a million",
            &guests::observer_with("(table 1000000 funcref)"),
            "table",
        ),
    ]
}
