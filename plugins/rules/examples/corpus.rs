//! Judges every file of a directory by the rules as shipped: which rules hold how often.
//!
//! `cargo run --package lazaret-rules --example corpus -- DIRECTORY [POINTS]` also names the files that reach POINTS.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs, process};

use lazaret_filter::testing::Transaction;
use lazaret_rules::Rules;

const POLICY: &str = include_str!("../20-rules.toml");

fn main() {
    let mut arguments = env::args().skip(1);
    let Some(directory) = arguments.next() else {
        eprintln!("usage: corpus DIRECTORY [POINTS]");
        process::exit(2);
    };
    let mark = arguments
        .next()
        .and_then(|points| points.parse().ok())
        .unwrap_or(5.0);
    let policy: toml::Table = POLICY.parse().expect("the shipped policy is TOML");
    let config = policy["config"].to_string();
    let mut files: Vec<PathBuf> = match fs::read_dir(&directory) {
        Ok(entries) => entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect(),
        Err(error) => {
            eprintln!("{directory}: {error}");
            process::exit(2);
        }
    };
    files.sort();
    report(&files, &toml_of(&config), mark);
}

/// A table printed inline is a value; as a document it has a key.
fn toml_of(inline: &str) -> String {
    let wrapped: toml::Table = format!("config = {inline}")
        .parse()
        .expect("it was printed as TOML");
    toml::to_string(&wrapped["config"]).expect("it was read from TOML")
}

fn report(files: &[PathBuf], config: &str, mark: f64) {
    let mut symbols: BTreeMap<String, usize> = BTreeMap::new();
    let mut reached = 0;
    for file in files {
        let Ok(text) = fs::read(file) else { continue };
        let report = Transaction::new()
            .to("phishing@pot")
            .message(text)
            .run::<Rules>(config);
        let points: f64 = report.scores().iter().map(|score| score.points).sum();
        for symbol in report.symbols() {
            *symbols.entry(symbol.to_owned()).or_default() += 1;
        }
        if points >= mark {
            reached += 1;
            println!(
                "{points:5.1} {} {}",
                file.display(),
                report.symbols().join(" ")
            );
        }
    }
    println!("{reached} of {} reach {mark} points", files.len());
    for (symbol, count) in symbols {
        println!("{count:6} {symbol}");
    }
}
