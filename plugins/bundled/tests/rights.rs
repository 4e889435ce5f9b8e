//! What a component asks for and what its policy grants are the same: no right too many, none missing.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;

use lazaret_bundled::{ALL, Bundled, FURTHER};
use wasmparser::{Parser, Payload};

const ALWAYS_GRANTED: [&str; 3] = ["types", "log", "entropy"];

/// Names in the outermost import or export sections.
fn outer_names(filter: &Bundled, wanted: fn(Payload) -> Vec<String>) -> Vec<String> {
    let mut depth = 0;
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(filter.wasm) {
        match payload.expect("cargo builds valid components") {
            Payload::ComponentSection { .. } | Payload::ModuleSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            payload if depth == 0 => found.extend(wanted(payload)),
            _ => {}
        }
    }
    found
}

fn imports(filter: &Bundled) -> BTreeSet<String> {
    let names = outer_names(filter, |payload| match payload {
        Payload::ComponentImportSection(section) => section
            .into_iter()
            .map(|import| import.unwrap().name.name.to_owned())
            .collect(),
        _ => Vec::new(),
    });
    names.iter().filter_map(|name| permission(name)).collect()
}

fn exports(filter: &Bundled) -> BTreeSet<String> {
    let names = outer_names(filter, |payload| match payload {
        Payload::ComponentExportSection(section) => section
            .into_iter()
            .map(|export| export.unwrap().name.name.to_owned())
            .collect(),
        _ => Vec::new(),
    });
    names.into_iter().collect()
}

/// `lazaret:filter/score@0.1.0` is `score`, sockets of WASI are `tcp`.
fn permission(import: &str) -> Option<String> {
    if import.starts_with("wasi:sockets/tcp@") {
        return Some("tcp".to_owned());
    }
    let (name, _version) = import.strip_prefix("lazaret:filter/")?.split_once('@')?;
    (!ALWAYS_GRANTED.contains(&name)).then(|| name.to_owned())
}

fn named(policy: &toml::Table, key: &str) -> BTreeSet<String> {
    let entries = policy.get(key).and_then(toml::Value::as_array);
    entries
        .into_iter()
        .flatten()
        .map(|entry| {
            let entry = entry.as_str().unwrap();
            entry.split(':').next().unwrap().to_owned()
        })
        .collect()
}

fn all() -> impl Iterator<Item = &'static Bundled> {
    ALL.iter().chain(&FURTHER)
}

#[test]
fn policies_name_exactly_the_rights_that_are_asked_for() {
    for filter in all() {
        let policy: toml::Table = filter.policy.parse().unwrap();
        let named: BTreeSet<_> = &named(&policy, "grant") | &named(&policy, "deny");
        let mut asked = imports(filter);
        // The right to have the host send the message imports nothing.
        if asked.contains("http") && named.contains("body") {
            asked.insert("body".to_owned());
        }
        assert_eq!(named, asked, "{}", filter.file);
    }
}

#[test]
fn components_export_the_stages_that_are_written_and_configure() {
    let stages: [&[&str]; 10] = [
        &["connect", "hello", "mail", "rcpt"],
        &["message"],
        &["message"],
        &["message"],
        &["mail", "rcpt"],
        &["mail", "rcpt"],
        &["message"],
        &["message"],
        &["message"],
        &["mail", "rcpt"],
    ];
    for (filter, stages) in all().zip(stages) {
        let stages = stages
            .iter()
            .map(|stage| format!("lazaret:filter/on-{stage}@0.1.0"));
        let expected: BTreeSet<_> = stages.chain(["configure".to_owned()]).collect();
        assert_eq!(exports(filter), expected, "{}", filter.file);
    }
}

#[test]
fn files_that_a_policy_names_are_shipped() {
    for filter in all() {
        let lines = filter.policy.lines().filter(|line| !line.starts_with('#'));
        let named: BTreeSet<_> = lines
            .filter_map(|line| line.split("{ lines = \"").nth(1)?.split('"').next())
            .collect();
        let shipped: BTreeSet<_> = filter.lists.iter().map(|(path, _)| *path).collect();
        assert_eq!(named, shipped, "{}", filter.file);
    }
}

/// The tables of UTS 46 are 160 kB; `auth` carries RSA and Ed25519, too.
fn kilobytes_at_most(filter: &str) -> usize {
    match filter {
        "auth" => 680,
        "access" | "rate" => 460,
        "rules" => 440,
        _ => 400,
    }
}

#[test]
fn components_are_small() {
    for filter in all() {
        assert!(
            filter.wasm.starts_with(b"\0asm\x0d\0\x01\0"),
            "{}",
            filter.file
        );
        let kilobytes = filter.wasm.len() / 1000;
        let at_most = kilobytes_at_most(filter.name);
        assert!(kilobytes < at_most, "{}: {kilobytes} kB", filter.file);
    }
}
