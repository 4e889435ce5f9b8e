//! The benchmark: Lazaret and its peers on one machine, in turns. `cargo xtask bench` builds what it needs and runs it.
#![forbid(unsafe_code)]

mod arguments;
mod check;
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
mod store;
mod syscalls;
mod table;
mod targets;
mod tools;

use std::path::Path;

use anyhow::{Context, Result};
use clap::Parser;

use arguments::{Arguments, Kind};
use ground::{Ground, SinkProcess};
use growth::Curve;
use results::Results;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    check::check(&arguments)?;
    let ground = Ground {
        sink: SinkProcess::start()?,
        certificate: ground::certificate()?,
        lazaret: arguments.lazaret.clone(),
        null_filter: arguments.null_filter.clone(),
        haraka: peers::haraka_below(&arguments.npm),
    };
    let kept = match arguments.page() {
        Some(page) => store::read(&page.with_extension(""))?,
        None => Results::default(),
    };
    let results = run::run(&arguments, &ground)?;
    publish(&arguments, results, kept)
}

/// `kept` are the figures of earlier runs, of which the page keeps the stages that were not measured now.
fn publish(arguments: &Arguments, results: Results, kept: Results) -> Result<()> {
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&results)?);
        return Ok(());
    }
    let kinds: Vec<Kind> = arguments.kinds().collect();
    let Some(file) = arguments.page() else {
        for (name, text) in table::parts(&results, &kinds) {
            println!("## {name}\n\n{text}");
        }
        return Ok(());
    };
    let directory = file.with_extension("");
    store::write(&directory, &results)?;
    draw(
        &directory,
        results.growth.as_ref().map_or(&[], |stage| &stage.figures),
    )?;
    let results = store::joined(results, kept);
    let page = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    std::fs::write(file, page::filled(&page, &table::parts(&results, &kinds))?)?;
    eprintln!("bench: wrote {}", file.display());
    Ok(())
}

/// A picture of each curve, in a directory named as the page.
fn draw(directory: &Path, curves: &[Curve]) -> Result<()> {
    for curve in curves {
        let file = directory.join(&curve.name).with_extension("svg");
        std::fs::write(&file, plot::svg(curve)).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
