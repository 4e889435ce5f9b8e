//! The counts for programs.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Run;
use super::fate::{Fate, Judged};
use super::tally::{PerFolder, Tally};

/// All counts; times in microseconds.
pub fn summary(tally: &Tally, run: &Run) -> Value {
    json!({
        "messages": tally.messages(),
        "of": run.of,
        "stopped": tally.messages() < run.of,
        "passed-over": run.passed_over,
        "elapsed-us": microseconds(run.elapsed),
        "at-once": run.hands,
        "cpu-us": microseconds(tally.cpu()),
        "notes": run.notes,
        "folders": folders(tally),
        "decided": decided(tally),
        "symbols": symbols(tally),
        "filters": filters(tally),
        "slowest": slowest(tally),
    })
}

/// One message, for `--each`.
pub fn message(judged: &Judged, folder: &str) -> Value {
    json!({
        "file": judged.path.display().to_string(),
        "folder": folder,
        "octets": judged.octets,
        "fate": judged.fate.word(),
        "by": judged.by.as_deref(),
        "score": judged.score,
        "symbols": judged.symbols,
        "cpu-us": microseconds(judged.cpu()),
        "wall-us": microseconds(judged.wall),
    })
}

fn folders(tally: &Tally) -> Value {
    let folders = tally.folders().iter().enumerate();
    let told = folders.map(|(folder, name)| {
        let counts =
            Fate::ALL.map(|fate| (fate.word().to_owned(), tally.count(folder, fate).into()));
        let mut counts = Map::from_iter(counts);
        counts.insert("messages".to_owned(), tally.messages_of(folder).into());
        (name.clone(), Value::Object(counts))
    });
    Value::Object(told.collect())
}

fn decided(tally: &Tally) -> Value {
    let told = tally.deciders().map(|(by, fate, counts)| {
        json!({ "by": by, "fate": fate.word(), "folders": by_folder(tally, counts) })
    });
    told.collect()
}

fn symbols(tally: &Tally) -> Value {
    let told = tally.symbols();
    let told = told.map(|(symbol, counts)| (symbol.to_owned(), by_folder(tally, counts)));
    Value::Object(told.collect())
}

fn by_folder(tally: &Tally, counts: &PerFolder) -> Value {
    let named = tally.folders().iter().zip(counts);
    let some = named.filter(|(_, count)| **count > 0);
    Value::Object(
        some.map(|(name, count)| (name.clone(), (*count).into()))
            .collect(),
    )
}

fn filters(tally: &Tally) -> Value {
    let told = tally.users().iter().map(|user| {
        json!({
            "filter": &*user.filter,
            "messages": user.messages,
            "failed": user.failed,
            "cpu-us": microseconds(user.cpu),
            "mean-us": microseconds(user.mean()),
            "most-us": microseconds(user.most),
        })
    });
    told.collect()
}

fn slowest(tally: &Tally) -> Value {
    let told = tally.slowest().iter().map(|slow| {
        json!({
            "file": slow.path.display().to_string(),
            "octets": slow.octets,
            "cpu-us": microseconds(slow.cpu),
            "wall-us": microseconds(slow.wall),
            "mostly": slow.filter.as_deref(),
        })
    });
    told.collect()
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
