//! The benchmark: Lazaret and its peers on one machine, in turns. `cargo xtask bench` builds what it needs and runs it.
#![forbid(unsafe_code)]

mod arguments;
mod ground;
mod growth;
mod machine;
mod measure;
mod memory;
mod page;
mod peers;
mod plot;
mod results;
mod run;
mod scenario;
mod server;
mod statistics;
mod syscalls;
mod table;
mod targets;
mod tools;

use std::path::Path;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::Arguments;
use ground::{Ground, SinkProcess};
use growth::Curve;
use results::Results;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let ground = Ground {
        sink: SinkProcess::start()?,
        certificate: ground::certificate()?,
        lazaret: arguments.lazaret.clone(),
        null_filter: arguments.null_filter.clone(),
        haraka: peers::haraka_below(&arguments.npm),
    };
    let results = run::run(&arguments, &ground)?;
    publish(&arguments, &results)
}

fn publish(arguments: &Arguments, results: &Results) -> Result<()> {
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(results)?);
        return Ok(());
    }
    let parts = table::parts(results);
    let Some(file) = arguments.page() else {
        for (name, text) in parts {
            println!("## {name}\n\n{text}");
        }
        return Ok(());
    };
    let page = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    std::fs::write(file, page::filled(&page, &parts)?)?;
    eprintln!("bench: wrote {}", file.display());
    draw(&file.with_extension(""), &results.growth)
}

/// A picture of each curve, in a directory named as the page.
fn draw(directory: &Path, curves: &[Curve]) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    for curve in curves {
        let file = directory.join(curve.name).with_extension("svg");
        std::fs::write(&file, plot::svg(curve)).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
