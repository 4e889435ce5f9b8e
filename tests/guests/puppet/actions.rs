//! The actions of a step: calls to the host, and the misdeeds of a hostile filter.

use std::hint::black_box;

use serde_json::Value;

use crate::Memory;
use crate::facts::error;
use crate::lazaret::filter::types::Error;
use crate::lazaret::filter::{edit_headers, entropy, log, notes, pace, score};

/// Runs one action; what the host answered, if it was a call that can be refused.
pub fn run(
    memory: &Memory,
    action: &str,
    with: &Value,
    fill: &impl Fn(&str) -> String,
) -> Option<String> {
    match action {
        "add" | "replace" | "remove" => Some(edit(action, with, fill)),
        "score" => Some(word(score::add(
            text(with, 0),
            points(with),
            &fill(text(with, 2)),
        ))),
        "note" => Some(word(notes::set(
            scope(with),
            text(with, 1),
            &fill(text(with, 2)),
        ))),
        "hold" => Some(word(pace::hold(number(with)))),
        "log" => {
            log::write(level(with), &fill(text(with, 1)));
            None
        }
        "remember" => {
            memory
                .remembered
                .replace(fill(with.as_str().unwrap_or_default()));
            None
        }
        _ => {
            misdeed(action, with);
            None
        }
    }
}

fn edit(action: &str, with: &Value, fill: &impl Fn(&str) -> String) -> String {
    let name = text(with, 0);
    let nth = |index: usize| {
        with.get(index)
            .and_then(Value::as_u64)
            .map(|nth| nth as u32)
    };
    match action {
        "add" => word(edit_headers::add(name, &fill(text(with, 1)))),
        "replace" => {
            let value = fill(text(with, 2));
            word(edit_headers::replace(name, nth(1).unwrap_or(0), &value))
        }
        _ => edit_headers::remove(name, nth(1)).map_or_else(error, |removed| removed.to_string()),
    }
}

/// What a filter must not be able to hurt anybody with.
fn misdeed(action: &str, with: &Value) {
    match action {
        "panic" => panic!("{}", with.as_str().unwrap_or("puppet was told to panic")),
        "unreachable" => core::arch::wasm32::unreachable(),
        "loop" => spin(),
        "sleep" => std::thread::sleep(std::time::Duration::from_millis(number(with).into())),
        "grow" => grow(number(with)),
        "recurse" => {
            black_box(recurse(number(with).into()));
        }
        "flood" => flood(number(with)),
        "print" => (0..number(with)).for_each(|_| println!("{}", "printed ".repeat(100))),
        "complain" => (0..number(with)).for_each(|_| eprintln!("{}", "complained ".repeat(100))),
        "mutter" => (0..number(with)).for_each(|_| eprint!("{}", "muttered ".repeat(100))),
        "calls" => calls(number(with)),
        "exit" => std::process::exit(0),
        "many-fields" => {
            (0..number(with)).for_each(|n| {
                let _ = edit_headers::add("X-Many", &n.to_string());
            });
        }
        _ => panic!("puppet does not know the action {action}"),
    }
}

fn spin() -> ! {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// Takes memory, 1 MiB at a time, and keeps it; `most` is in MiB.
fn grow(most: u32) {
    let mut hoard = Vec::new();
    for _ in 0..most {
        hoard.push(vec![1u8; 1 << 20]);
    }
    black_box(hoard);
}

fn recurse(depth: u64) -> u64 {
    let frame = black_box([depth; 16]);
    if depth == 0 {
        return frame[0];
    }
    recurse(depth - 1) + black_box(frame)[1]
}

fn flood(lines: u32) {
    let line = "flood ".repeat(1_000);
    for _ in 0..lines {
        log::write(log::Level::Error, &line);
    }
}

fn calls(count: u32) {
    for _ in 0..count {
        black_box(entropy::random(1));
    }
}

fn text(with: &Value, index: usize) -> &str {
    with.get(index).and_then(Value::as_str).unwrap_or_default()
}

fn points(with: &Value) -> f64 {
    match with.get(1) {
        Some(Value::String(name)) if name == "nan" => f64::NAN,
        Some(Value::String(name)) if name == "inf" => f64::INFINITY,
        Some(points) => points.as_f64().unwrap_or(0.0),
        None => 0.0,
    }
}

fn number(with: &Value) -> u32 {
    with.as_u64()
        .and_then(|n| n.try_into().ok())
        .unwrap_or(u32::MAX)
}

fn scope(with: &Value) -> notes::Scope {
    match text(with, 0) {
        "connection" => notes::Scope::Connection,
        _ => notes::Scope::Transaction,
    }
}

fn level(with: &Value) -> log::Level {
    match text(with, 0) {
        "debug" => log::Level::Debug,
        "warn" => log::Level::Warn,
        "error" => log::Level::Error,
        _ => log::Level::Info,
    }
}

fn word(result: Result<(), Error>) -> String {
    result.map_or_else(error, |()| "ok".to_owned())
}
