//! `lazaret filters shipped` and `install`: how an operator comes by the filters that the program brings along.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::fs;
use std::path::Path;
use std::process::Command;

use lazaret_bundled::{ALL, Bundled, FURTHER};
use serde_json::Value;

/// Exit code, standard output and standard error of `lazaret filters ..`, in `dir`.
fn filters(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_lazaret"))
        .arg("filters")
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    let code = output.status.code().unwrap();
    (code, text(output.stdout), text(output.stderr))
}

fn bundled(name: &str) -> &'static Bundled {
    let mut all = ALL.iter().chain(&FURTHER);
    all.find(|filter| filter.name == name).unwrap()
}

fn fates(json: &str) -> Vec<(String, String)> {
    let json: Value = serde_json::from_str(json).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let files = json["files"].as_array().unwrap();
    files
        .iter()
        .map(|file| (text(&file["file"]), text(&file["fate"])))
        .collect()
}

fn told(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |(file, fate): &(&str, &str)| ((*file).to_owned(), (*fate).to_owned());
    pairs.iter().map(own).collect()
}

#[test]
fn what_comes_along_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text, _) = filters(dir.path(), &["shipped"]);
    assert_eq!(code, 0);
    let (code, json, _) = filters(dir.path(), &["shipped", "--json"]);
    assert_eq!(code, 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    let listed = json.as_array().unwrap();
    assert_eq!(listed.len(), ALL.len() + FURTHER.len());
    for (filter, listed) in ALL.iter().chain(&FURTHER).zip(listed) {
        assert_eq!(listed["name"], filter.name);
        assert_eq!(listed["octets"], filter.wasm.len());
        assert!(text.contains(filter.file), "{text}");
    }
}

/// Nobody has to be asked for it: no configuration, no proxy.
#[test]
fn named_filters_are_written_once_and_then_the_operators() {
    let dir = tempfile::tempdir().unwrap();
    let install = ["install", "greylist", "15-dnsbl", "--dir", ".", "--json"];
    let (code, json, _) = filters(dir.path(), &install);
    assert_eq!(code, 0, "{json}");
    let files = [
        "60-greylist.wasm",
        "60-greylist.toml",
        "15-dnsbl.wasm",
        "15-dnsbl.toml",
    ];
    assert_eq!(fates(&json), told(&files.map(|file| (file, "written"))));
    let written = fs::read(dir.path().join("60-greylist.wasm")).unwrap();
    assert!(written == bundled("greylist").wasm);

    let policy = dir.path().join("60-greylist.toml");
    fs::write(&policy, "grant = [\"session\", \"state\"]\n").unwrap();
    let (code, text, _) = filters(dir.path(), &["install", "greylist", "--dir", "."]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("kept  ./60-greylist.toml  yours"), "{text}");
    assert_eq!(
        fs::read_to_string(policy).unwrap(),
        "grant = [\"session\", \"state\"]\n"
    );
}

/// As after an upgrade: what an older lazaret wrote is known by its digest in `.shipped`.
#[test]
fn without_a_name_the_filters_that_are_there_are_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let (code, ..) = filters(dir.path(), &["install", "greylist", "auth", "--dir", "."]);
    assert_eq!(code, 0);
    for (name, octets) in [("60-greylist.wasm", "hello\n"), ("40-auth.wasm", "mine\n")] {
        fs::write(dir.path().join(name), octets).unwrap();
    }
    let record = dir.path().join(".shipped");
    let lines = fs::read_to_string(&record).unwrap();
    let others = lines
        .lines()
        .filter(|line| !line.contains("60-greylist.wasm"));
    // The digest of `hello`: so an older lazaret would have left it.
    let hello =
        "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  60-greylist.wasm";
    let lines: Vec<_> = others.chain([hello]).collect();
    fs::write(&record, lines.join("\n")).unwrap();

    let (code, json, _) = filters(dir.path(), &["install", "--dir", ".", "--json"]);
    // One is a component of somebody else, which is not what was asked for.
    assert_eq!(code, 1, "{json}");
    let expected = [
        ("40-auth.wasm", "kept"),
        ("40-auth.toml", "same"),
        ("60-greylist.wasm", "renewed"),
        ("60-greylist.toml", "same"),
    ];
    assert_eq!(fates(&json), told(&expected));
    let renewed = fs::read(dir.path().join("60-greylist.wasm")).unwrap();
    assert!(renewed == bundled("greylist").wasm);
}

/// The order in the chain is the operator's.
#[test]
fn a_filter_keeps_the_number_that_the_operator_gave_it() {
    let dir = tempfile::tempdir().unwrap();
    let policy = bundled("policy").policy;
    fs::write(dir.path().join("99-policy.toml"), policy).unwrap();
    let (code, json, _) = filters(dir.path(), &["install", "--dir", ".", "--json"]);
    assert_eq!(code, 0, "{json}");
    let expected = [("99-policy.wasm", "written"), ("99-policy.toml", "same")];
    assert_eq!(fates(&json), told(&expected));
    let mail = "From: a@example.com\r\n\r\nhello\r\n";
    fs::write(dir.path().join("mail.eml"), mail).unwrap();
    let tried = Command::new(env!("CARGO_BIN_EXE_lazaret"))
        .args(["try", "--filters", ".", "mail.eml"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&tried.stdout);
    assert!(said.contains("+ X-Spam-Score: 0.0"), "{said}");
}

#[test]
fn mistakes_are_one_message() {
    let dir = tempfile::tempdir().unwrap();
    let cases: [(&[&str], i32, &str); 4] = [
        (
            &["install", "greylst", "--dir", "."],
            1,
            "did you mean `greylist`?",
        ),
        (
            &["install", "auth", "--dir", "nowhere"],
            2,
            "nowhere: there is no such directory",
        ),
        (&["install", "--dir", "."], 2, "name the filters to install"),
        (&["install", "auth"], 2, "--dir"),
    ];
    for (arguments, expected, words) in cases {
        let (code, _, stderr) = filters(dir.path(), arguments);
        assert_eq!(code, expected, "{arguments:?}: {stderr}");
        assert!(
            stderr.contains(words) && !stderr.contains("panicked"),
            "{stderr}"
        );
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    fs::create_dir(dir.path().join("40-auth.wasm")).unwrap();
    let (code, _, stderr) = filters(dir.path(), &["install", "auth", "--dir", "."]);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("./40-auth.wasm: cannot be written"),
        "{stderr}"
    );
}
