//! Whole messages for the filters that are brought along, as they are shipped: those below `plugins/NAME/tests/mail/catch` are
//! caught, those below `spare`, which look like them, cost nothing.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// From so many points on `policy` as shipped tags a message.
const TAGGED: f64 = 5.0;

fn lazaret(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_lazaret"))
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(0),
        "{arguments:?}: {complaint}"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// The messages of a filter, at least three of a kind.
fn mails(filter: &str, kind: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let folder = root.join(filter).join("tests/mail").join(kind);
    let files = fs::read_dir(&folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 3, "{}", folder.display());
    files
}

/// The step of the only filter in this directory.
fn judged(dir: &Path, mail: &Path) -> Value {
    let mail = fs::canonicalize(mail).unwrap();
    let client = ["--helo", "mx1.mailer.example", "--rcpt", "anna@example.org"];
    let try_it = ["try", "--json", "--filters", "f", mail.to_str().unwrap()];
    let said = lazaret(dir, &[&try_it[..], &client[..]].concat());
    let said: Value = serde_json::from_str(&said).unwrap();
    let steps = said["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{}: {said}", mail.display());
    assert_eq!(steps[0]["failure"], Value::Null, "{}", mail.display());
    steps[0].clone()
}

/// What each message came to: refused, and by how many points.
fn each(filter: &str, kind: &str, check: impl Fn(bool, f64) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("f")).unwrap();
    lazaret(dir.path(), &["filters", "install", "--dir", "f", filter]);
    for mail in mails(filter, kind) {
        let step = judged(dir.path(), &mail);
        let scores = step["scores"].as_array().unwrap().iter();
        let points = scores.map(|it| it["points"].as_f64().unwrap()).sum();
        let is_right = check(step["said"] == "reject", points);
        println!("{}: {} {points}", mail.display(), step["said"]);
        assert!(is_right, "{}: {step}", mail.display());
    }
}

#[test]
fn attachments_refuses_what_it_must_catch_in_any_part() {
    each("attachments", "catch", |refused, _| refused);
}

#[test]
fn attachments_spares_what_looks_like_it() {
    each("attachments", "spare", |refused, points| {
        !refused && points == 0.0
    });
}

#[test]
fn rules_gives_what_it_must_catch_enough_for_a_tag() {
    each("rules", "catch", |_, points| points >= TAGGED);
}

#[test]
fn rules_spares_what_looks_like_it() {
    each("rules", "spare", |refused, points| {
        !refused && points == 0.0
    });
}
