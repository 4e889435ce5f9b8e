//! `lazaret try` with the bundled filters: what it prints is what the proxy would do.
#![allow(clippy::unwrap_used, reason = "a panic is how a test reports")]

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Writes the bundled filters as a filter directory.
fn filters(dir: &Path) {
    for filter in lazaret_bundled::ALL {
        std::fs::write(dir.join(format!("{}.wasm", filter.file)), filter.wasm).unwrap();
        std::fs::write(dir.join(format!("{}.toml", filter.file)), filter.policy).unwrap();
        for (name, text) in filter.lists {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
}

fn trial(dir: &Path, message: &str, arguments: &[&str]) -> (i32, String) {
    let mail = dir.join("mail.eml");
    std::fs::write(&mail, message).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_lazaret"))
        .arg("try")
        .arg(mail)
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(said).unwrap(),
    )
}

const CLEAN: &str = "From: alice@example.com\nTo: bob@example.org\nSubject: hello\nDate: Mon, 5 Jan 2026 10:00:00 +0000\n\
                     Message-ID: <1@example.com>\n\nHello.\n";

#[test]
fn edits_are_shown_as_a_diff_and_lf_is_converted_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    filters(dir.path());
    let (code, said) = trial(dir.path(), CLEAN, &["--filters", "."]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("7 line ends converted to CRLF"), "{said}");
    assert!(said.contains("policy at message\n+ X-Spam-"), "{said}");
    assert!(
        said.contains("the backend would be asked to take"),
        "{said}"
    );
}

#[test]
fn a_filters_own_field_is_replaced_in_the_diff() {
    let dir = tempfile::tempdir().unwrap();
    filters(dir.path());
    let forged = format!("X-Spam-Score: -99\r\n{}", CLEAN.replace('\n', "\r\n"));
    let (_, said) = trial(dir.path(), &forged, &["--filters", "."]);
    assert!(said.contains("- X-Spam-Score: -99"), "{said}");
    assert!(!said.contains("converted"), "{said}");
}

#[test]
fn json_tells_stage_by_stage_and_stops_where_the_session_would() {
    let dir = tempfile::tempdir().unwrap();
    filters(dir.path());
    let list = dir.path().join("lists/deny-clients.txt");
    std::fs::write(list, "203.0.113.0/24\n").unwrap();
    let arguments = ["--filters", ".", "--ip", "203.0.113.9", "--json"];
    let (code, said) = trial(dir.path(), CLEAN, &arguments);
    assert_eq!(code, 0, "{said}");
    let json: Value = serde_json::from_str(&said).unwrap();
    let steps = json["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 1, "{said}");
    assert_eq!(steps[0]["stage"], "connect");
    assert_eq!(steps[0]["said"], "reject");
    assert!(
        json["replies"][0]["reply"]
            .as_str()
            .unwrap()
            .starts_with("554 "),
        "{said}"
    );
    assert_eq!(json["delivered-octets"], Value::Null);
}

/// As on the wire: neither the greeting nor an answer to EHLO has an enhanced code (RFC 2034 section 4).
#[test]
fn what_is_heard_at_hello_has_no_enhanced_code() {
    let dir = tempfile::tempdir().unwrap();
    filters(dir.path());
    let (_, said) = trial(dir.path(), CLEAN, &["--filters", ".", "--helo", "ylmf-pc"]);
    let heard = "\nat hello, access: 550 we take no mail from a client of this name (TRIAL)\n";
    assert!(said.contains(heard), "{said}");
}

/// It reaches no filter in earnest; here its author sees why.
#[test]
fn what_the_gate_would_refuse_is_said() {
    let dir = tempfile::tempdir().unwrap();
    filters(dir.path());
    let bare = CLEAN.replace("Hello.", "Hel\rlo.");
    let (code, said) = trial(dir.path(), &bare, &["--filters", "."]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("note: line 7 has a bare CR or a NUL: the proxy would refuse this message with 554 5.6.11"), "{said}");
    assert!(!said.contains("score -0"), "{said}");
}

/// No `.toml` beside it: it gets all it asks for, and we are told.
#[test]
fn a_filter_alone_has_generous_rights_with_a_note() {
    let dir = tempfile::tempdir().unwrap();
    let policy = lazaret_bundled::ALL[3];
    std::fs::write(dir.path().join("mine.wasm"), policy.wasm).unwrap();
    let (code, said) = trial(dir.path(), CLEAN, &["--filter", "mine.wasm"]);
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("mine.toml does not exist: all it asks for"),
        "{said}"
    );
    assert!(said.contains("+ X-Spam-"), "{said}");
}

#[test]
fn bad_input_is_one_message() {
    let dir = tempfile::tempdir().unwrap();
    filters(dir.path());
    std::fs::write(dir.path().join("not.wasm"), "hello").unwrap();
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--filters", ".", "--rcpt", "no address"], 2, "--rcpt"),
        (&["--filters", ".", "--ip", "1.2.3"], 2, "--ip"),
        (&["--filter", "not.wasm"], 1, "not.wasm"),
        (&["--filters", "nowhere"], 2, "nowhere"),
    ];
    for (arguments, expected, words) in cases {
        let (code, said) = trial(dir.path(), CLEAN, arguments);
        assert_eq!(code, expected, "{arguments:?}: {said}");
        assert!(said.contains(words) && !said.contains("panicked"), "{said}");
    }
}
