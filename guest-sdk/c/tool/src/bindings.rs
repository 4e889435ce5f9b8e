//! The bindings for C: what wit-bindgen makes of the contract, with shorter names, in one file for each stage.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use wit_bindgen_core::Files;
use wit_component::StringEncoding;
use wit_parser::{PackageId, Resolve};

use crate::names::shorten;
use crate::split::{Place, items, once, place};

const NOTE: &str =
    "// Made of the contract in wit/ by guest-sdk/c/tool with wit-bindgen 0.61.1. Do not edit.\n";

/// Everything at once, so that all stages share one header.
const WORLD: &str = "
    package lazaret:c;
    world lazaret {
        include lazaret:filter/permissions@0.1.0;
        include lazaret:filter/configure@0.1.0;
        include lazaret:filter/stage-connect@0.1.0;
        include lazaret:filter/stage-hello@0.1.0;
        include lazaret:filter/stage-auth@0.1.0;
        include lazaret:filter/stage-mail@0.1.0;
        include lazaret:filter/stage-rcpt@0.1.0;
        include lazaret:filter/stage-headers@0.1.0;
        include lazaret:filter/stage-message@0.1.0;
        include lazaret:filter/stage-outcome@0.1.0;
        include lazaret:filter/stage-disconnect@0.1.0;
    }
";

/// Writes `include/lazaret.h`, `src/lazaret.c`, `src/configure.c` and `src/on_*.c` below `out`.
pub fn write(wit: &Path, out: &Path) -> anyhow::Result<()> {
    for (name, text) in all(wit)? {
        let file = out.join(&name);
        let directory = file.parent().context("a file in a directory")?;
        fs::create_dir_all(directory)?;
        fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(())
}

/// The texts by their names.
pub fn all(wit: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut resolve = Resolve::default();
    let (contract, _) = resolve.push_dir(wit)?;
    let (header, source) = generated(&resolve)?;
    let mut texts = BTreeMap::from([("include/lazaret.h".to_owned(), header_text(&header))]);
    let mut parts: BTreeMap<String, String> = BTreeMap::new();
    let mut common = String::new();
    let mut area = String::new();
    for item in once(items(&shorten(&source))) {
        match place(&item) {
            Place::Nowhere => {}
            Place::Stage(stage) => parts.entry(stage).or_default().push_str(&item),
            // Where results of exports are put: each file has its own.
            Place::Common if item.contains(" RET_AREA[") => area = item,
            Place::Common => common.push_str(&format!("{item}\n")),
        }
    }
    let types = section(&resolve, contract, "permissions")?;
    texts.insert("src/lazaret.c".to_owned(), format!("{NOTE}{common}{types}"));
    for (stage, code) in parts {
        let area = if code.contains("RET_AREA") { &area } else { "" };
        let types = section(&resolve, contract, &stage.replace("on-", "stage-"))?;
        let text = format!("{NOTE}#include \"lazaret.h\"\n\n{area}\n{code}\n{types}");
        texts.insert(format!("src/{}.c", stage.replace('-', "_")), text);
    }
    Ok(texts)
}

/// Header and source as wit-bindgen writes them.
fn generated(resolve: &Resolve) -> anyhow::Result<(String, String)> {
    let mut resolve = resolve.clone();
    let package = resolve.push_str("lazaret-c.wit", WORLD)?;
    let world = resolve.select_world(&[package], None)?;
    let options = wit_bindgen_c::Opts {
        no_object_file: true,
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let text = |name: &str| {
        let found = files.iter().find(|(file, _)| *file == name);
        let (_, octets) = found.with_context(|| format!("wit-bindgen wrote no {name}"))?;
        Ok::<_, anyhow::Error>(String::from_utf8(octets.to_vec())?)
    };
    Ok((text("lazaret.h")?, text("lazaret.c")?))
}

fn header_text(header: &str) -> String {
    let (_, header) = header.split_once('\n').unwrap_or_default();
    // Braces of `extern "C"` would make all of it one item.
    let (open, close) = ("extern \"C\" {", "\n}\n#endif\n#endif");
    let header = shorten(header)
        .replace(open, "extern \"C\" @")
        .replace(close, "\n@\n#endif\n#endif");
    let text = once(items(&header)).join("\n");
    let text = text
        .replace("extern \"C\" @", open)
        .replace("\n@\n#endif\n#endif", close);
    format!("{NOTE}{}", one_alias_each(&text))
}

/// Typedefs of a name for itself in the middle of an item go too.
fn one_alias_each(text: &str) -> String {
    let is_alias = |line: &&str| {
        let words: Vec<&str> = line.trim_end_matches(';').split(' ').collect();
        matches!(words.as_slice(), ["typedef", of, name] if of == name)
    };
    let lines = text.lines().filter(|line| !is_alias(line));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// A custom section with the types of one world. What makes the component merges those of all files that are linked.
fn section(resolve: &Resolve, contract: PackageId, world: &str) -> anyhow::Result<String> {
    let world_id = resolve.select_world(&[contract], Some(world))?;
    let octets = wit_component::metadata::encode(resolve, world_id, StringEncoding::UTF8, None)?;
    let mut text = format!(
        "// The types of the world `{world}`, for whoever makes a component of the module.\n\
         __asm__(\n  \".section \\\".custom_section.component-type:lazaret-{world}\\\",\\\"\\\",@\\n\"\n"
    );
    for line in octets.chunks(24) {
        let numbers: Vec<String> = line.iter().map(u8::to_string).collect();
        writeln!(text, "  \".byte {}\\n\"", numbers.join(","))?;
    }
    Ok(text + ");\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_that_ship_are_those_of_the_contract() {
        let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for (name, text) in all(&sdk.join("../../wit")).expect("the contract is valid") {
            let shipped = fs::read_to_string(sdk.join(&name)).unwrap_or_default();
            assert!(
                shipped == text,
                "{name} is not up to date: cargo run --manifest-path guest-sdk/c/tool/Cargo.toml -- bindings wit guest-sdk/c"
            );
        }
    }
}
