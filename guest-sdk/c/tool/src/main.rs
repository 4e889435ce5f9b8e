//! Two steps of a filter in C: the bindings, which ship with Lazaret, and the component at the end.

mod bindings;
mod component;
mod names;
mod split;

use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
Usage: lazaret-c component IN.wasm OUT.wasm   makes a component of a module that was linked with src/*.c
       lazaret-c bindings WIT OUT             writes include/lazaret.h and src/*.c for the contract in WIT
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["component", module, component] => {
            component::write(Path::new(module), Path::new(component))
        }
        ["bindings", wit, out] => bindings::write(Path::new(wit), Path::new(out)),
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lazaret-c: {error:#}");
            ExitCode::FAILURE
        }
    }
}
