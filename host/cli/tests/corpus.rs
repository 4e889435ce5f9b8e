//! `lazaret try` over directories of messages: what is counted, and that nothing stops it but Ctrl-C.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const LETTER: &str = "From: Alice <alice@example.com>\nTo: bob@example.org\nSubject: lunch on Monday\n\
                      Date: Mon, 5 Jan 2026 10:00:00 +0000\nMessage-ID: <1@example.com>\n\nAt one?\n";

/// Enough points of `rules` for the mark, and not for a refusal.
const PHISH: &str = "From: \"PayPal security@paypal.example\" <x@elsewhere.example>\nTo: bob@example.org\n\
                     Subject: your account is suspended\n\nverify\n";

const PROGRAM: &str = "From: alice@example.com\nTo: bob@example.org\nSubject: the file\n\
                       Date: Mon, 5 Jan 2026 10:00:00 +0000\nMessage-ID: <2@example.com>\nMIME-Version: 1.0\n\
                       Content-Type: application/octet-stream; name=\"invoice.pdf.exe\"\n\
                       Content-Disposition: attachment; filename=\"invoice.pdf.exe\"\n\nMZ\n";

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazaret"));
    command.args(arguments).current_dir(dir);
    command
}

fn said(dir: &Path, arguments: &[&str]) -> (i32, String) {
    let output = command(dir, arguments).output().unwrap();
    let code = output.status.code().unwrap();
    // Who is slow to prepare filters says so in the log, which is not the answer.
    let said = match code {
        0 => output.stdout,
        _ => [output.stdout, output.stderr].concat(),
    };
    (code, String::from_utf8(said).unwrap())
}

/// The four filters of the demo in `f`, and these messages in `corpus`.
fn set_up(mails: &[(&str, &[u8])]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("f")).unwrap();
    let four = ["access", "rules", "attachments", "policy"];
    let install = [&["filters", "install", "--dir", "f"], &four[..]].concat();
    let (code, text) = said(dir.path(), &install);
    assert_eq!(code, 0, "{text}");
    for (name, octets) in mails {
        let path = dir.path().join("corpus").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, octets).unwrap();
    }
    dir
}

fn corpus() -> TempDir {
    set_up(&[
        ("README.md", b"not a message"),
        ("ham/1.eml", LETTER.as_bytes()),
        ("ham/2.eml", LETTER.replace('\n', "\r\n").as_bytes()),
        ("ham/more/3.eml", LETTER.as_bytes()),
        ("ham/nul.eml", b"From: a@example.com\n\nx\0y\n"),
        ("ham/empty.eml", b""),
        ("spam/phish.eml", PHISH.as_bytes()),
        ("spam/program.eml", PROGRAM.as_bytes()),
    ])
}

#[test]
fn folders_are_counted_and_damaged_messages_stop_nothing() {
    let dir = corpus();
    let (code, text) = said(dir.path(), &["try", "--filters", "f", "corpus"]);
    assert_eq!(code, 0, "{text}");
    for line in [
        "7 messages in 2 folders (1 other files passed over)",
        "folder  messages  accepted    tagged      deferred  refused     kept  failed  damaged",
        "ham     5         3 (60.0 %)  0           0         0           0     0       2 (40.0 %)",
        "spam    2         0           1 (50.0 %)  0         1 (50.0 %)  0     0       0",
        "tagged   policy                               0    1",
        "refused  attachments                          0    1",
        "damaged  has a bare CR or a NUL (554 5.6.11)  1    0",
        "damaged  is empty                             1    0",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    assert!(
        !text.contains('\x1b') && !text.contains('\r'),
        "no terminal: {text:?}"
    );
}

#[test]
fn json_has_every_count() {
    let dir = corpus();
    let arguments = [
        "try",
        "--filters",
        "f",
        "corpus/spam",
        "corpus/ham",
        "--json",
    ];
    let (code, text) = said(dir.path(), &arguments);
    assert_eq!(code, 0, "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&json["messages"], &json["stopped"]),
        (&json!(7), &json!(false))
    );
    assert_eq!(json["folders"]["spam"]["tagged"], 1);
    // A directory right below the one that is named is a folder of its own.
    assert_eq!(json["folders"]["more"]["accepted"], 1);
    assert_eq!(json["folders"]["ham"]["accepted"], 2);
    let decided = json["decided"].as_array().unwrap();
    let by_attachments =
        json!({ "by": "attachments", "fate": "refused", "folders": { "spam": 1 } });
    assert!(decided.contains(&by_attachments), "{text}");
    let filters = json["filters"].as_array().unwrap();
    let names: Vec<_> = filters
        .iter()
        .map(|it| it["filter"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["access", "rules", "attachments", "policy"]);
    let asked: Vec<_> = filters
        .iter()
        .map(|it| it["messages"].as_u64().unwrap())
        .collect();
    assert_eq!(asked, [5, 5, 5, 4], "policy comes after the refusal");
    let cpu: u64 = filters
        .iter()
        .map(|it| it["cpu-us"].as_u64().unwrap())
        .sum();
    let total = json["cpu-us"].as_u64().unwrap();
    assert!(total > 0 && total.abs_diff(cpu) <= 4, "{total} and {cpu}");
    assert_eq!(json["symbols"]["BORROWED_NAME"], json!({ "spam": 1 }));
    assert_eq!(json["slowest"].as_array().unwrap().len(), 5);
}

#[test]
fn each_message_has_a_line_where_asked_for() {
    let dir = corpus();
    let arguments = ["try", "--filters", "f", "--each", "--json", "corpus"];
    let (code, text) = said(dir.path(), &arguments);
    assert_eq!(code, 0, "{text}");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 8);
    let phish = lines
        .iter()
        .find(|line| line["file"] == "corpus/spam/phish.eml")
        .unwrap();
    assert_eq!(
        (&phish["fate"], &phish["by"]),
        (&json!("tagged"), &json!("policy"))
    );
    assert_eq!(lines[7]["messages"], 7);
    let plain = ["try", "--filters", "f", "--each", "corpus"];
    let (_, text) = said(dir.path(), &plain);
    let phish = text
        .lines()
        .find(|line| line.contains("\tcorpus/spam/phish.eml\t"))
        .unwrap();
    assert!(phish.starts_with("spam\ttagged\tpolicy\t"), "{phish}");
}

#[test]
fn a_filter_can_be_left_out() {
    let dir = corpus();
    let arguments = [
        "try",
        "--filters",
        "f",
        "--without",
        "attachments",
        "corpus",
        "--json",
    ];
    let (code, text) = said(dir.path(), &arguments);
    assert_eq!(code, 0, "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["folders"]["spam"]["refused"], 0);
    let (code, text) = said(
        dir.path(),
        &["try", "--filters", "f", "--without", "rule", "corpus"],
    );
    assert_eq!(code, 2);
    assert!(
        text.contains("--without rule: no filter of that name"),
        "{text}"
    );
}

/// A filter that cannot be loaded answers with its on-failure, here as in the proxy: it is seen in the counts and said.
#[test]
fn a_filter_that_fails_is_counted() {
    let dir = set_up(&[("ham/1.eml", LETTER.as_bytes())]);
    fs::write(dir.path().join("f/50-broken.wasm"), "no component").unwrap();
    fs::write(
        dir.path().join("f/50-broken.toml"),
        "on-failure = \"skip\"\n",
    )
    .unwrap();
    let (code, text) = said(dir.path(), &["try", "--filters", "f", "corpus"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("note: ") && text.contains("50-broken.wasm"),
        "{text}"
    );
    assert!(text.contains("failed  broken  1"), "{text}");
}

#[test]
fn ctrl_c_prints_what_there_is() {
    let mails: Vec<_> = (0..3000).map(|n| format!("ham/{n}.eml")).collect();
    let mails: Vec<_> = mails
        .iter()
        .map(|name| (name.as_str(), LETTER.as_bytes()))
        .collect();
    let dir = set_up(&mails);
    let mut child = command(dir.path(), &["try", "--filters", "f", "--each", "corpus"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    output.read_line(&mut first).unwrap();
    assert!(first.starts_with("ham\taccepted\t"), "{first}");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::INT).unwrap();
    let mut rest = String::new();
    output.read_to_string(&mut rest).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(75));
    let done = rest
        .lines()
        .filter(|line| line.starts_with("ham\t"))
        .count()
        + 1;
    assert!(done < 3000, "it was over before the signal came");
    let heading = format!("stopped after {done} of 3000 messages in 1 folders");
    assert!(rest.contains(&heading), "no {heading:?} in the end of it");
}
